import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readTokenKey } from '../../src/runs/token-key.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-key-'));
  file = join(folder, 'token.key');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('is made once, for this user alone, and is the same ever after', async () => {
  const key = await readTokenKey(file);
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  expect(await readTokenKey(file)).toBe(key);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['token.key']);
});

test.each([
  '',
  'abc\n',
  'f'.repeat(64),
  `${'g'.repeat(64)}\n`,
])('what is torn or foreign is created again: %j', async (text) => {
  await writeFile(file, text);
  const key = await readTokenKey(file);
  expect(await readFile(file, 'utf8')).toBe(`${key}\n`);
});

test('a folder that cannot be read is an error, not a new key', async () => {
  await expect(readTokenKey(join(file, 'below'))).rejects.toMatchObject({ code: 'ENOENT' });
  await writeFile(file, '');
  await expect(readTokenKey(join(file, 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});
