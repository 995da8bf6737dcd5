import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rereadText } from '../../src/graph/incremental-read.ts';
import { PieceTable } from '../../src/graph/piece-table.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reread-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function reread(now: Buffer, before: Buffer, size = now.length) {
  const path = join(folder, 'file');
  writeFileSync(path, now);
  const handle = await open(path);
  try {
    return await rereadText(handle, size, PieceTable.of(before));
  } finally {
    await handle.close();
  }
}

async function expectSame(now: Buffer, before: Buffer): Promise<void> {
  const found = await reread(now, before);
  expect(found?.text.slice(0, now.length).equals(now)).toBe(true);
  expect(found?.text.length).toBe(now.length);
  const { sameStart = 0, sameEnd = 0 } = found ?? {};
  expect(now.subarray(0, sameStart).equals(before.subarray(0, sameStart))).toBe(true);
  expect(now.subarray(now.length - sameEnd).equals(before.subarray(before.length - sameEnd))).toBe(true);
  expect(sameStart + sameEnd).toBeLessThanOrEqual(Math.min(now.length, before.length));
}

const content = fc.array(fc.constantFrom('a', 'b', '\n'), { maxLength: 20 }).map((parts) => parts.join(''));

test('small files, whatever was before', async () => {
  await fc.assert(
    fc.asyncProperty(content, content, (now, before) => expectSame(Buffer.from(now), Buffer.from(before))),
    { numRuns: 300 },
  );
});

test('files of many chunks: changed at any place, grown, cut, the same', async () => {
  const before = Buffer.alloc(3_500_000, '0123456789\n');
  const changed = (at: number, put: string, skip = put.length) =>
    Buffer.concat([before.subarray(0, at), Buffer.from(put), before.subarray(at + skip)]);
  for (const now of [
    before,
    changed(0, 'X'),
    changed(1_048_575, 'XY'),
    changed(1_048_576, 'X', 0),
    changed(2_000_000, '', 1_200_000),
    changed(3_499_999, 'X'),
    changed(3_500_000, 'more', 0),
    before.subarray(0, 1_100_000),
    Buffer.alloc(2_200_000, 'y'),
  ])
    await expectSame(now, before);
  const same = await reread(before, Buffer.from(before));
  expect(same).toMatchObject({ sameStart: before.length });
});

test('a file that turns out to be shorter was not read', async () => {
  expect(await reread(Buffer.from('short'), Buffer.from('short and long'), 14)).toBeNull();
  const large = Buffer.alloc(3_000_000, 'x');
  expect(await reread(large.subarray(0, 2_500_000), large, 3_000_000)).toBeNull();
});
