import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readRunFile, writeRunFile } from '../../src/runs/run-file.ts';
import { run as runOf } from '../support/tasks.ts';

const run = (more: Parameters<typeof runOf>[2]) => runOf('w', 't', more);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-file-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const remembered = {
  run: run({
    id: 'run_1',
    phase: 'handed-off',
    agent: 'agent-3',
    folder: '/g/agents/agent-3',
    reference: 'https://elsewhere/7',
    process: { pid: 77, startTime: '123', bootId: 'boot' },
    deadlineAt: 5,
    startedAt: 4,
  }),
  tokenHash: 'abc',
  stateDir: '/state',
};

test('what is written is read again, also over an older one', async () => {
  expect(readRunFile(folder)).toBeNull();
  await writeRunFile(folder, { ...remembered, stateDir: '/before' });
  await writeRunFile(folder, remembered);
  expect(readRunFile(folder)).toEqual(remembered);
});

test('a torn, foreign or hostile file is none', async () => {
  await writeRunFile(folder, remembered);
  const file = join(folder, 'run.json');
  for (const text of ['', '{', 'null', '[]', '{"state_dir":"/state","token_hash":"x"}', '{"state_dir":7}']) {
    await writeFile(file, text);
    expect(readRunFile(folder)).toBeNull();
  }
  await fc.assert(
    fc.asyncProperty(fc.json(), async (text) => {
      await writeFile(file, text);
      expect(readRunFile(folder)).toBeNull();
    }),
    { numRuns: 50 },
  );
});

test('a folder that is gone throws to write and reads as none', async () => {
  await rm(folder, { recursive: true });
  expect(readRunFile(folder)).toBeNull();
  await expect(writeRunFile(folder, remembered)).rejects.toThrow('ENOENT');
});
