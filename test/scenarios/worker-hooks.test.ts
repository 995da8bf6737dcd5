// Hooks around agents of workers: as at home, also where their worker is killed in the middle of one.

import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { createProcesses } from '../../src/executors/process/lifecycle/process-table.ts';
import { processTable } from '../../src/executors/process/lifecycle/process-table-ps.ts';
import { eachOnFarm, type Farm } from '../support/farm.ts';

const processes = createProcesses(processTable(process.platform));
let farm: Farm;

eachOnFarm('api', (planted) => {
  farm = planted;
});

test('the hooks of the repository run around its agent, in its folder, and what they print comes back', async () => {
  await farm.tasks({ id: 'a', exec: 'cat prepared' });
  await farm.up({
    config: `before_run = "echo here > prepared; echo before $SUPERVISOR_HOOK"\nafter_run = "echo after $SUPERVISOR_OUTCOME; exit 7"\n`,
  });
  const one = await farm.worker('one');
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
  const [run] = await farm.supervised.control.runs({ task: 'a' });
  const shown = async (of: string) => (await farm.api.get(`/api/runs/${run?.run}/output${of}`)).json.text;
  expect(await shown('?of=before_run')).toBe('before before_run\n');
  expect(await shown('')).toBe('here\n');
  expect(await shown('?of=after_run')).toBe('after succeeded\n');
  expect(one.said()).toMatch(/after_run failed \(exit 7\).*worker\.hook/);
});

test('a before_run of the worker’s own that fails costs no attempt and starts nothing; why has its last line', async () => {
  await farm.tasks({ id: 'a', exec: 'echo worked' });
  await farm.up({ config: `before_run = "echo never; exit 9"\n` });
  const own = `test -e ${farm.pathOf('ready')} || { echo 'no database'; exit 4; }`;
  const config = `[executors.farm]\ntype = "command"\nbefore_run = ${JSON.stringify(own)}\n`;
  await farm.worker('one', { config });
  const released = await farm.supervised.event('run.released', 'a');
  expect(released?.because).toMatch(/^before_run failed \(exit 4\): no database/);
  expect((await farm.api.get('/api/task/a/why')).json.because).toContain('no database');
  await writeFile(farm.pathOf('ready'), '');
  await farm.api.post('/api/task/a/retry', {});
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
  expect((await farm.supervised.control.runs({ task: 'a' }))[0]).toMatchObject({ attempt: 1 });
});

test('killed with -9 in the middle of a hook: what is left of it is ended, and it runs once more', async () => {
  const hook = (name: string) =>
    JSON.stringify(
      `echo $$ >> ${farm.pathOf(name)}; test "$SUPERVISOR_HOOK_AGAIN" || until [ -e ${farm.pathOf('never')} ]; do sleep 0.1; done`,
    );
  await farm.tasks({ id: 'a', exec: `echo x >> ${farm.pathOf('worked')}` });
  await farm.up({ config: `before_run = ${hook('before')}\nafter_run = ${hook('after')}\n` });
  for (const name of ['before', 'after']) {
    const one = await farm.worker('one');
    await farm.appears(farm.pathOf(name));
    await one.kill('SIGKILL');
  }
  const last = await farm.worker('one');
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
  expect(last.said()).toContain('cut off; it runs again');
  expect(await readFile(farm.pathOf('worked'), 'utf8')).toBe('x\n');
  for (const name of ['before', 'after']) {
    const [first, again, more] = (await readFile(farm.pathOf(name), 'utf8')).trim().split('\n').map(Number);
    expect([again, more]).toEqual([expect.any(Number), undefined]);
    expect(processes.identify(first ?? 0)).toBeNull();
  }
});
