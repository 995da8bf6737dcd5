import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';
import { command } from '../fake-surroundings.ts';

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
  await ground.writeConfig('');
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

const cli = (...argv: string[]) =>
  command(
    { cwd: ground.repo, home: ground.folder },
    ...['--config', ground.configFile, '--state-dir', ground.stateDir],
    ...argv,
  );
const statuses = async () =>
  Object.fromEntries([...(await ground.readGraph(ground.repo))].map(([id, task]) => [id, task.status]));

test('abandon: the task and what wg keeps about it, once; who waited is named', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'job' },
    { id: '.evaluate-job', after: ['job'] },
    { id: 'next', after: ['job'] },
    { id: 'over', status: 'done' },
    { id: 'busy', status: 'in-progress', assigned: 'agent-1' },
  ]);
  expect(await cli('abandon', 'job', '--reason', 'no need')).toMatchObject({
    status: 0,
    out: 'job is abandoned\n',
    err: expect.stringContaining('next waited for it'),
  });
  expect(await statuses()).toMatchObject({ job: 'abandoned', '.evaluate-job': 'abandoned', next: 'open' });
  expect((await ground.readGraph(ground.repo)).get('job')).toMatchObject({ failure_reason: 'no need' });
  expect(await cli('abandon', 'job')).toMatchObject({ out: 'job was abandoned already\n' });
  expect(await cli('abandon', 'over')).toMatchObject({ status: 1, err: expect.stringContaining('is done') });
  expect(await cli('abandon', 'busy')).toMatchObject({
    status: 1,
    err: expect.stringMatching(/agent-1 works on it; `supervisor cancel busy`/),
  });
  // One that is not there leaves the others as they are.
  expect(await cli('abandon', 'next', 'no-such')).toMatchObject({ status: 8 });
  expect((await statuses()).next).toBe('open');
});

test('rm: the line is gone and all others are as they were; refused while others wait for it or an agent works on it', async () => {
  await ground.writeGraph(ground.repo, [
    { id: 'first', before: ['job'] },
    { id: 'job', after: ['first'] },
    { id: 'next', after: ['job', 'first'] },
    { id: 'busy', status: 'in-progress', assigned: 'agent-1' },
  ]);
  expect(await cli('rm', 'job')).toMatchObject({
    status: 1,
    err: expect.stringMatching(/next would wait for ever.*--force job/),
  });
  expect(await cli('rm', 'busy', '--force')).toMatchObject({ status: 1 });
  expect(await cli('rm', '--force', 'job')).toMatchObject({ status: 0, out: 'job is removed\n' });
  const graph = await ground.readGraph(ground.repo);
  expect([...graph.keys()]).toEqual(['first', 'next', 'busy']);
  expect(graph.get('first')?.before).toBeUndefined();
  expect(graph.get('next')?.after).toEqual(['first']);
  expect(await cli('rm', 'next', 'first')).toMatchObject({ status: 0 });
  expect([...(await ground.readGraph(ground.repo)).keys()]).toEqual(['busy']);
  expect((await cli('rm', 'job')).status).toBe(8);
});

test('a running supervisor runs what was reopened, and nothing of what was given up', async () => {
  await ground.writeGraph(ground.repo, [{ id: 'job', exec: 'true' }]);
  supervised = await supervise(ground);
  await supervised.event('run.settled', 'job');
  expect(await cli('retry', 'job')).toMatchObject({ status: 1, err: expect.stringContaining('reopen job') });
  expect(await cli('reopen', 'job')).toMatchObject({ status: 0 });
  await supervised.nth(2, 'run.settled', 'job');
  expect((await statuses()).job).toBe('done');
  expect(await cli('rm', 'job')).toMatchObject({ status: 0 });
  // Notices it now, without waiting for the watch.
  await cli('reload');
  await supervised.supervisor.tick();
  expect(await cli('show', 'job')).toMatchObject({ status: 8 });
  expect((await cli('runs', 'job')).out).toContain('job');
});

test('pause and resume of a task and of a worktree', async () => {
  const side = await ground.worktree('side');
  await ground.writeGraph(ground.repo, []);
  await ground.writeGraph(side, []);
  expect(await cli('pause', 'nothing')).toMatchObject({ status: 5 });
  supervised = await supervise(ground);
  await supervised.supervisor.tick();
  expect(await cli('pause', 'side', '--reason', 'a merge')).toMatchObject({ status: 0 });
  await ground.writeGraph(side, [{ id: 'there', exec: 'true' }]);
  await ground.writeGraph(ground.repo, [
    { id: 'here', exec: 'true' },
    { id: 'job', paused: true, exec: 'true' },
  ]);
  await supervised.event('run.settled', 'here');
  const why = JSON.parse((await cli('why', 'there', '--json')).out);
  expect(why.because).toMatch(/worktree .*side is paused: a merge; `supervisor resume /);
  expect(await cli('resume', 'side')).toMatchObject({ status: 0 });
  await supervised.event('run.settled', 'there');
  expect(await cli('resume', 'job')).toMatchObject({ status: 0, out: 'resumed task job\n' });
  await supervised.event('run.settled', 'job');
  await ground.writeGraph(ground.repo, [{ id: 'late' }]);
  await supervised.stop({ cancelAgents: false });
  expect(await cli('pause', 'late')).toMatchObject({ status: 0, out: expect.stringContaining('task late') });
  expect((await ground.readGraph(ground.repo)).get('late')?.paused).toBe(true);
  expect(await cli('pause', 'nothing')).toMatchObject({ status: 5 });
});
