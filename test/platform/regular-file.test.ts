import { constants, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  appendText,
  appendTextNow,
  obstacleAt,
  openNow,
  readBytes,
  readText,
  readTextNow,
  writeText,
  writeTextNow,
} from '../../src/platform/regular-file.ts';
import { HOSTILE, put } from '../support/hostile-files.ts';

const TERMS = { maxBytes: 64 * 1024 };
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regular-'));
  path = join(folder, 'graph', 'file');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Everything of the table but what is a small file. */
const REFUSED = Object.entries(HOSTILE).filter(([kind]) => kind !== 'random bytes');

describe.each(REFUSED)('%s', (_kind, how) => {
  const named = expect.objectContaining({ code: 'graph', message: expect.stringContaining('/graph/file') });

  test('is read by no one, and the path is named', async () => {
    put(path, folder, how);
    expect(() => readTextNow(path, TERMS)).toThrow(named);
    await expect(readText(path, TERMS)).rejects.toEqual(named);
    expect(obstacleAt(path, TERMS)).toContain(path);
  });

  test('is not written through', async () => {
    put(path, folder, how);
    if (how === HOSTILE['a sparse file of two gigabytes']) return writeTextNow(path, 'anew');
    expect(() => appendTextNow(path, 'more')).toThrow(named);
    expect(() => writeTextNow(path, 'anew')).toThrow(named);
    await expect(appendText(path, 'more')).rejects.toEqual(named);
    await expect(writeText(path, 'anew')).rejects.toEqual(named);
    if (how === HOSTILE['a link out of the graph'])
      expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('token = "s3cret"\n');
  });
});

test('a file is read whole, up to its limit and not beyond', async () => {
  const text = `${'a line\n'.repeat(100_000)}end`;
  const file = join(folder, 'large');
  writeFileSync(file, text);
  expect(readTextNow(file, { maxBytes: text.length })).toBe(text);
  expect(await readText(file, { maxBytes: text.length })).toBe(text);
  expect((await readBytes(file, { maxBytes: text.length }))?.length).toBe(text.length);
  expect(() => readTextNow(file, { maxBytes: text.length - 1 })).toThrow(/larger than/);
  await expect(readText(file, { maxBytes: text.length - 1 })).rejects.toThrow(/larger than/);
});

test('an empty file is empty text, and no file, or no folder, is null', async () => {
  writeFileSync(join(folder, 'empty'), '');
  expect(readTextNow(join(folder, 'empty'), TERMS)).toBe('');
  expect(await readText(join(folder, 'empty'), TERMS)).toBe('');
  for (const missing of [path, join(folder, 'empty', 'below')]) {
    expect(readTextNow(missing, TERMS)).toBeNull();
    expect(await readText(missing, TERMS)).toBeNull();
    expect(obstacleAt(missing, TERMS)).toBeNull();
  }
});

test('a link is followed where that is meant, to a file alone', () => {
  const terms = { ...TERMS, links: 'follow' } as const;
  writeFileSync(join(folder, 'target'), 'text');
  symlinkSync(join(folder, 'target'), join(folder, 'link'));
  expect(readTextNow(join(folder, 'link'), terms)).toBe('text');
  expect(obstacleAt(join(folder, 'link'), terms)).toBeNull();
  symlinkSync('/dev/zero', join(folder, 'zero'));
  expect(() => readTextNow(join(folder, 'zero'), terms)).toThrow(/is not a file but a device/);
  symlinkSync(join(folder, 'nothing'), join(folder, 'dangling'));
  expect(readTextNow(join(folder, 'dangling'), terms)).toBeNull();
  expect(obstacleAt(join(folder, 'dangling'), terms)).toContain('leads nowhere');
});

test('nothing is made at the end of a link that leads nowhere', () => {
  symlinkSync(join(folder, 'made'), join(folder, 'link'));
  expect(() => appendTextNow(join(folder, 'link'), 'x')).toThrow(/symbolic link/);
  expect(() => openNow(join(folder, 'link'), constants.O_RDWR | constants.O_CREAT)).toThrow(/symbolic link/);
  expect(openNow(join(folder, 'link'), constants.O_RDWR, { links: 'follow' })).toBeNull();
  expect(() => readFileSync(join(folder, 'made'))).toThrow(/ENOENT/);
});

test('text is added, and written again, for the owner alone', async () => {
  mkdirSync(join(folder, 'graph'));
  appendTextNow(path, 'a');
  await appendText(path, 'b');
  expect(readFileSync(path, 'utf8')).toBe('ab');
  writeTextNow(path, 'c');
  await writeText(path, 'd');
  expect(readFileSync(path, 'utf8')).toBe('d');
  expect(() => appendTextNow(join(folder, 'none', 'file'), 'x')).toThrow(
    expect.objectContaining({ code: 'ENOENT' }),
  );
});
