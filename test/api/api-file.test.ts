import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  type ApiFile,
  keepPort,
  lastPort,
  readApiFile,
  removeApiFile,
  writeApiFile,
} from '../../src/api/api-file.ts';

const CONTENT: ApiFile = { pid: 7, socket: '/run/s.sock', url: null, token: 'wgt_mine' };
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'api-file-'));
  path = join(folder, 'api.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('is for this user alone, also where a readable one lay before and a killed writer left its draft', async () => {
  await writeFile(path, 'old', { mode: 0o644 });
  await writeFile(`${path}.7.tmp`, 'half', { mode: 0o644 });
  await writeApiFile(path, CONTENT);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readApiFile(path)).toEqual(CONTENT);
  expect(await readdir(folder)).toEqual(['api.json']);
});

test('a reader sees one whole file or the other, never a piece', async () => {
  await writeApiFile(path, CONTENT);
  const urls = ['http://127.0.0.1:1', `http://127.0.0.1:2/${'x'.repeat(100_000)}`];
  let writing = true;
  const writer = (async () => {
    for (let i = 0; i < 30; i++) await writeApiFile(path, { ...CONTENT, url: urls[i % 2] ?? null });
    writing = false;
  })();
  let seen = 0;
  while (writing) {
    expect(await readApiFile(path)).toMatchObject({ pid: 7, token: 'wgt_mine' });
    seen++;
  }
  await writer;
  expect(seen).toBeGreaterThan(0);
});

test('is removed by its owner only; a missing one is no trouble, a foreign or torn one stays', async () => {
  await removeApiFile(path, 'wgt_mine');
  await writeApiFile(path, { ...CONTENT, token: 'wgt_theirs' });
  await removeApiFile(path, 'wgt_mine');
  expect(await readApiFile(path)).toMatchObject({ token: 'wgt_theirs' });
  await writeFile(path, '{"pid": 7, "tok');
  await removeApiFile(path, 'wgt_mine');
  expect(await readFile(path, 'utf8')).toBe('{"pid": 7, "tok');
  await writeApiFile(path, CONTENT);
  await removeApiFile(path, 'wgt_mine');
  expect(await readdir(folder)).toEqual([]);
});

test('the port of last time outlives api.json; garbage, system ports and none are no port', async () => {
  expect(await lastPort(path)).toBeNull();
  expect(await lastPort(undefined)).toBeNull();
  await keepPort(path, 40_123);
  await removeApiFile(path, 'wgt_mine');
  expect(await lastPort(path)).toBe(40_123);
  for (const text of ['', 'x', '80', '70000', '-1', '40123\n1', '4012e1']) {
    await writeFile(join(folder, 'api.port'), text);
    expect([text, await lastPort(path)]).toEqual([text, null]);
  }
});
