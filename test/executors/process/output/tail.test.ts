import { appendFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { followLines, tailOf } from '../../../../src/executors/process/output/tail.ts';
import { temporaryFolder } from '../../bench.ts';

describe('following a file', () => {
  let root: Awaited<ReturnType<typeof temporaryFolder>>;
  let path: string;
  let lines: string[];
  beforeEach(async () => {
    root = await temporaryFolder();
    path = join(root.path, 'stream.jsonl');
    lines = [];
  });
  afterEach(() => root.remove());

  test('lines come once, whole, and only when they are finished', async () => {
    const follower = followLines(path, (line) => lines.push(line));
    expect(await follower.read()).toBe(false);
    await writeFile(path, 'one\n\ntw');
    expect(await follower.read()).toBe(true);
    expect(lines).toEqual(['one']);
    expect(await follower.read()).toBe(false);
    await appendFile(path, 'o\nthree');
    await follower.read();
    expect(lines).toEqual(['one', 'two']);
    await follower.finish();
    expect(lines).toEqual(['one', 'two', 'three']);
  });

  test('a character torn by the end of a read is put together again', async () => {
    const follower = followLines(path, (line) => lines.push(line));
    const bytes = Buffer.from('Grüße 🌍\n');
    for (const byte of bytes) {
      await appendFile(path, Buffer.from([byte]));
      await follower.read();
    }
    expect(lines).toEqual(['Grüße 🌍']);
  });

  test('a line of ten megabytes passes; one over the limit is skipped whole and the next one is not', async () => {
    await writeFile(path, `${'x'.repeat(10_000_000)}\n`);
    await followLines(path, (line) => lines.push(line)).finish();
    expect(lines.map((line) => line.length)).toEqual([10_000_000]);
    lines = [];
    await writeFile(path, `${'y'.repeat(900_000)}\nshort\n${'z'.repeat(2_000)}`);
    await followLines(path, (line) => lines.push(line), 1_000).finish();
    expect(lines).toEqual(['short']);
  });

  test('a last read that meets a regular one brings no line twice', async () => {
    const expected = Array.from({ length: 5_000 }, (_, index) => `line ${index} ${'x'.repeat(200)}`);
    await writeFile(path, expected.join('\n'));
    const follower = followLines(path, (line) => lines.push(line));
    await Promise.all([follower.read(), follower.finish(), follower.read()]);
    expect(lines).toEqual(expected);
  });

  test('a file that got shorter is read again; one that is gone is no error', async () => {
    const follower = followLines(path, (line) => lines.push(line));
    await writeFile(path, 'a long first line\n');
    await follower.read();
    await truncate(path, 0);
    await writeFile(path, 'new\n');
    await follower.read();
    await rm(path);
    await follower.finish();
    expect(lines).toEqual(['a long first line', 'new']);
  });

  test('the tail is the end, and nothing of a missing file', async () => {
    expect(await tailOf(path, 10)).toBe('');
    await writeFile(path, '0123456789');
    expect(await tailOf(path, 4)).toBe('6789');
    expect(await tailOf(path, 100)).toBe('0123456789');
  });
});
