import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LONGEST_LINE, type OutputLine, openOutputFile } from '../../src/runs/output-file.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'output-file-'));
  path = join(folder, 'output.log');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function lines(bytes: Buffer | string) {
  await writeFile(path, bytes);
  const file = await openOutputFile(path);
  if (!file) throw new Error('there is a file');
  try {
    const size = await file.size();
    const forward: OutputLine[] = [];
    for await (const line of file.linesFrom(0)) forward.push(line);
    const backward: OutputLine[] = [];
    for await (const line of file.linesBefore(size)) backward.push(line);
    return { forward, backward, size };
  } finally {
    await file.close();
  }
}

test('both directions give the same lines, whatever a file holds', async () => {
  // Around the size of a block, where mistakes would be.
  const part = fc.oneof(
    fc.constantFrom('\n', '\n\n', 'é', '日本', 'x\n', '\u0000', '😀'),
    fc.integer({ min: 65_530, max: 65_542 }).map((count) => 'x'.repeat(count)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
      const text = parts.join('');
      const { forward, backward, size } = await lines(text);
      expect(backward.toReversed()).toEqual(forward);
      expect(forward.map((line) => `${line.text}${line.whole ? '\n' : ''}`).join('')).toBe(text);
      expect(forward.at(-1)?.next ?? 0).toBe(size);
    }),
    { numRuns: 60 },
  );
});

test('of an endless line the beginning is kept, in both directions', async () => {
  const { forward, backward } = await lines(`a\n${'0123456789'.repeat(600_000)}\nb\n`);
  expect(forward.map((line) => line.text.length)).toEqual([1, LONGEST_LINE, 1]);
  expect(backward.toReversed()).toEqual(forward);
});

test('a window leaves characters whole and says where it lies', async () => {
  await writeFile(path, 'aé日😀z');
  const file = await openOutputFile(path);
  if (!file) throw new Error('there is a file');
  try {
    let text = '';
    for (let from = 0; from < 11; ) {
      const window = await file.window({ from }, 5);
      expect(window).toMatchObject({ from, size: 11 });
      expect(window.to).toBeGreaterThan(from);
      text += window.text;
      from = window.to;
    }
    expect(text).toBe('aé日😀z');
    expect(await file.window({ before: 11 }, 4)).toEqual({ from: 10, to: 11, size: 11, text: 'z' });
    expect(await file.window({ before: 99 }, 5)).toEqual({ from: 6, to: 11, size: 11, text: '😀z' });
    expect(await file.window({ from: 99 }, 5)).toEqual({ from: 11, to: 11, size: 11, text: '' });
  } finally {
    await file.close();
  }
});

test('what is not there is no file', async () => {
  expect(await openOutputFile(join(folder, 'nothing'))).toBeNull();
  await expect(openOutputFile(folder)).rejects.toThrow('is not a file but a folder');
});
