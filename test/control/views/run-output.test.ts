import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { outputOf } from '../../../src/control/views/run-output.ts';
import type { Run } from '../../../src/domain/run.ts';
import { run } from '../../support/tasks.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'output-'));
  file = join(folder, 'output.log');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const going = (): Run => run('shop', 'x', { folder, phase: 'started', finishedAt: null, startedAt: 1 });
const over = (): Run => ({ ...going(), phase: 'settled', finishedAt: 2 });

const KIB = 1024;

describe('a window', () => {
  test('is the end of the file, from a whole line on', async () => {
    await writeFile(file, Array.from({ length: 10_000 }, (_, n) => `line ${n}\n`).join(''));
    const { text, from, to, size } = await outputOf(over(), { bytes: KIB });
    expect(text.startsWith('line 9')).toBe(true);
    expect(text.endsWith('line 9999\n')).toBe(true);
    expect([to, from >= size - KIB]).toEqual([size, true]);
    const before = await outputOf(over(), { bytes: KIB, before: from });
    expect(before.to).toBe(from);
    expect(before.text + text).toContain('line 9900\nline 9901');
  });

  test('follows: windows after one another give the whole file, cut nowhere in a character', async () => {
    const whole = Array.from({ length: 3000 }, (_, n) => `ü€😀 ${n}`).join('\n');
    await writeFile(file, whole);
    let text = '';
    let at = 0;
    for (let round = 0; round < 1000; round++) {
      const window = await outputOf(over(), { from: at, bytes: 777 });
      if (window.to === at) break;
      text += window.text;
      at = window.to;
    }
    expect(text).toBe(whole);
  });

  test('waits for the end of a line while the run writes it', async () => {
    await writeFile(file, 'done\nhalf');
    const first = await outputOf(going(), { from: 0, bytes: KIB });
    expect([first.text, first.over]).toEqual(['done\n', false]);
    expect((await outputOf(going(), { from: first.to, bytes: KIB })).text).toBe('');
    await appendFile(file, ' a line\n');
    expect((await outputOf(going(), { from: first.to, bytes: KIB })).text).toBe('half a line\n');
    expect((await outputOf(over(), { from: 0, bytes: KIB })).over).toBe(true);
  });

  test('of a huge file costs what it shows: holes are not read', async () => {
    await writeFile(file, 'begin\n');
    await truncate(file, 2 ** 33);
    await appendFile(file, '\nend\n');
    const { text, size } = await outputOf(over(), { bytes: 4096 });
    expect(size).toBeGreaterThan(2 ** 33);
    expect(text).toBe('end\n');
  });

  test('is plain: no escapes, no bells, no marks that turn text around', async () => {
    await writeFile(file, 'a \u001b[31mred\u001b[0m \u001b]0;title\u0007 \u202eback\u0000 b\r\n');
    expect((await outputOf(over(), { bytes: KIB })).text).toBe('a red  back b\n');
  });

  test('beyond the end is empty; a file that shrank is told by its size', async () => {
    await writeFile(file, 'short\n');
    expect(await outputOf(over(), { from: 9999, bytes: KIB })).toMatchObject({ text: '', from: 6, size: 6 });
  });
});

test('the stream of an agent is given as people read it, and its pieces that fit no window are not', async () => {
  const message = (text: string) =>
    `${JSON.stringify({ type: 'assistant', message: { content: [{ type: 'text', text }] } })}\n`;
  await writeFile(
    join(folder, 'raw_stream.jsonl'),
    message('Hello') + message('x'.repeat(5000)) + message('Bye'),
  );
  await writeFile(file, 'stderr\n');
  expect((await outputOf(over(), { bytes: 64 * KIB })).text).toMatch(/^Hello\nx+\nBye\n$/);
  const window = await outputOf(over(), { from: message('Hello').length, bytes: KIB });
  expect(window.text).toBe('… (a message too long to show)\n');
});

describe('what is no file of output', () => {
  test('nothing written yet, no longer kept: an empty window without a file', async () => {
    const nothing = { file: null, size: 0, text: '' };
    const unbegun = { ...going(), folder: null, startedAt: null };
    expect(await outputOf(unbegun, { bytes: KIB })).toMatchObject({ ...nothing, over: false });
    await rm(folder, { recursive: true });
    expect(await outputOf(over(), { bytes: KIB })).toMatchObject({ ...nothing, over: true });
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a folder', () => mkdir(file)],
    ['a pipe', async () => execFileSync('mkfifo', [file])],
    ['a link', () => symlink('/etc/passwd', file)],
  ])('%s is neither waited for nor followed', async (_what, put) => {
    await put();
    const found = await outputOf(over(), { bytes: KIB }).catch((thrown: Error) => thrown);
    expect(found instanceof Error ? found.message : found.text).toMatch(/^$|not a file/);
  });
});
