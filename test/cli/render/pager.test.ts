import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createContext } from '../../../src/cli/context.ts';
import { page, pagerCommand } from '../../../src/cli/render/pager.ts';
import { type FakeOptions, fakeSurroundings } from '../fake-surroundings.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervisor-page-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const LONG = 'a line\n'.repeat(50);
/** What stdout got, and what the pager got, or null when it was not called. */
async function paged(options: FakeOptions, text = LONG): Promise<{ out: string; pager: string | null }> {
  const kept = join(folder, 'kept');
  const around = fakeSurroundings({
    isTTY: true,
    rows: 20,
    ...options,
    variables: { PAGER: `cat > '${kept}'`, ...options.variables },
  });
  await page(createContext(around, {}), text);
  let pager: string | null = null;
  try {
    pager = readFileSync(kept, 'utf8');
  } catch {
    // It was not called.
  }
  return { out: around.written.out, pager };
}

describe('page', () => {
  test('long output on a terminal goes through the pager', async () => {
    expect(await paged({})).toEqual({ out: '', pager: LONG });
  });

  test('not when it fits, and never into a pipe', async () => {
    expect(await paged({}, 'short\n')).toEqual({ out: 'short\n', pager: null });
    expect(await paged({ isTTY: false })).toEqual({ out: LONG, pager: null });
  });

  test.each([
    '',
    'cat',
    'no-such-pager-anywhere 2>/dev/null',
  ])('PAGER=%j: the text is shown all the same', async (PAGER) => {
    expect((await paged({ variables: { PAGER } })).out).toBe(LONG);
  });

  test('a pager that is left early is no error', async () => {
    expect((await paged({ variables: { PAGER: 'true' } }, 'x'.repeat(5_000_000) + LONG)).out).toBe('');
  });
});

test('less by default, nothing where there is none', () => {
  expect(pagerCommand({ variables: { PATH: folder } })).toBeNull();
  writeFileSync(join(folder, 'less'), '#!/bin/sh\n');
  chmodSync(join(folder, 'less'), 0o755);
  expect(pagerCommand({ variables: { PATH: folder } })).toBe('less -FRX');
  expect(pagerCommand({ variables: { PATH: folder, PAGER: 'more' } })).toBe('more');
});
