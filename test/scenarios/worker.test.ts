// `supervisor worker --connect`: the real command as a process of its own, a real remote, real agents, against a supervisor
// over its real API.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { eachOnFarm, type Farm, jobsOf } from '../support/farm.ts';
import { freePort } from '../support/redis.ts';

let farm: Farm;

eachOnFarm('api', async (planted) => {
  farm = planted;
  await farm.configure();
});

test('a task runs at its commit, streams, is verified there, and its commits come back on a branch of its own', async () => {
  await farm.tasks(
    {
      id: 'build',
      exec: 'echo "in $(pwd)"; env > env.txt; echo made > made.txt; git add made.txt; git -c user.name=a -c user.email=a@b commit -qm Made; echo left > left.txt',
      verify: 'test -f made.txt',
    },
    { id: 'unproved', exec: 'echo nothing', verify: 'test -f made.txt' },
  );
  await farm.supervise();
  const one = await farm.worker('one');
  expect(await farm.over('build')).toMatchObject({ status: 'done' });
  expect(await farm.over('unproved')).toMatchObject({
    status: 'failed',
    failure_reason: expect.stringContaining('verify'),
  });
  const branches = (await farm.git('branch', '--list', '--format=%(refname:short)')).trim().split('\n');
  expect(branches).toEqual(['main', 'wg/build/a1']);
  // What the agent had not committed is not lost; the base is the commit that the worktree stood on.
  expect((await farm.git('log', '--format=%s', 'wg/build/a1')).trim().split('\n')).toEqual([
    'build: what its agent left uncommitted',
    'Made',
    'Begin',
  ]);
  const environment = await farm.git('show', 'wg/build/a1:env.txt');
  expect(environment).toContain('WG_TASK_ID=build');
  expect(environment).toMatch(/^SUPERVISOR_TOKEN=wgl_/m);
  expect(environment).not.toContain(farm.token);
  const detail = (await farm.api.get('/api/task/build')).json as unknown as {
    artifacts: object[];
    runs: { output: string }[];
  };
  expect(JSON.stringify(detail.artifacts)).toContain('wg/build/a1');
  expect(await readFile(String(detail.runs[0]?.output), 'utf8')).toContain(`in ${one.stateDir}`);
  // Nothing of it stays on the worker but the copy of the repository.
  expect(await one.kill('SIGTERM')).toBe(0);
  expect(await jobsOf(one)).toEqual([]);
  const status = (await farm.api.get('/api/status')).json as unknown as { workers: object[] };
  expect(status.workers).toEqual([]);
});

test('the agent says done or fail by the command as it does at home; what it says counts more than its exit', async () => {
  await farm.tasks(
    { id: 'says-done', exec: `supervisor done says-done --summary 'all well' --artifacts '{"n":1}'; exit 3` },
    { id: 'says-fail', exec: 'supervisor fail says-fail --reason "no such thing"; sleep 600' },
  );
  await farm.supervise();
  await farm.worker('one', { args: ['--places', '2'] });
  expect(await farm.over('says-done')).toMatchObject({ status: 'done' });
  expect(await farm.over('says-fail')).toMatchObject({ status: 'failed', failure_reason: 'no such thing' });
});

test('a commit that is nowhere to be had, and a profile that is not there, cost no attempt and say what to do', async () => {
  await farm.tasks({ id: 'a', exec: 'true' });
  await farm.playground.git(farm.playground.repo, 'commit', '-q', '--allow-empty', '-m', 'Not pushed');
  await farm.supervise();
  await farm.worker('one');
  await farm.supervised.event('run.released', 'a');
  const why = (await farm.api.get('/api/task/a/why')).json;
  expect(why.because).toMatch(/commit [0-9a-f]{12} \(branch main\) is not at .*origin\.git: push it/);
  await farm.playground.git(farm.playground.repo, 'push', '-q', 'origin', 'main');
  await farm.api.post('/api/task/a/retry', {});
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
});

test('killed with -9 and started again within its lease: the same run continues, nothing is done twice', async () => {
  await farm.tasks({
    id: 'a',
    exec: `${farm.held}; echo end`,
  });
  await farm.supervise();
  const first = await farm.worker('one');
  await farm.supervised.event('run.handed-off', 'a');
  await farm.begun();
  await first.kill('SIGKILL');
  const second = await farm.worker('one');
  await second.says('worker.taken-up');
  await farm.go();
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
  expect(await farm.timesBegun()).toBe(1);
  expect(farm.supervised.count('run.released', 'a')).toBe(0);
});

test('a worker that stays away loses the task to another; back again, it is told so, and its commits harm no one', async () => {
  await farm.tasks({
    id: 'a',
    exec: `${farm.held}; echo $SUPERVISOR_RUN_ID > result`,
  });
  await farm.supervise();
  const first = await farm.worker('one', { args: ['--lease', '2s'] });
  await farm.supervised.event('run.handed-off', 'a');
  await farm.begun();
  await first.kill('SIGKILL');
  await farm.supervised.event('run.released', 'a');
  await farm.worker('two');
  await farm.supervised.nth(2, 'run.handed-off', 'a');
  const back = await farm.worker('one');
  await back.says('someone else has it');
  await farm.go();
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
  expect((await farm.git('branch', '--list', '--format=%(refname:short)', 'wg/*')).trim()).toBe('wg/a/a2');
  expect(await jobsOf(back)).toEqual([]);
});

test('the supervisor restarts under a worker: it asks again, and the result that came meanwhile is taken', async () => {
  await farm.tasks(
    {
      id: 'a',
      exec: farm.held,
    },
    { id: 'b', after: ['a'], exec: 'true' },
  );
  await farm.playground.writeConfig(
    `[api]\nlisten = "127.0.0.1:${await freePort()}"\n[executors.farm]\ntype = "remote"\nrun = "command"\n`,
  );
  await farm.supervise();
  const one = await farm.worker('one', { args: ['--places', '2'] });
  await farm.begun();
  await farm.supervised.stop({ cancelAgents: false });
  await farm.go();
  await one.says('worker.unheard');
  await farm.supervise();
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
  expect(await farm.over('b')).toMatchObject({ status: 'done' });
  expect(one.said()).toContain('worker.heard-again');
});

test('cancelled: its agent is ended and nothing is pushed; drained: what runs is carried to its end', async () => {
  await farm.tasks(
    { id: 'a', exec: `echo $$ > ${farm.pathOf('pid')}; sleep 600` },
    {
      id: 'b',
      priority: 1,
      exec: farm.held,
    },
    { id: 'c', priority: 0, exec: 'true' },
  );
  await farm.supervise();
  const one = await farm.worker('one');
  await farm.appears(farm.pathOf('pid'));
  await farm.api.post('/api/task/a/cancel', { reason: 'not wanted' });
  await one.says('worker.dropped');
  await farm.begun();
  one.kill('SIGTERM');
  await one.says('taking nothing new');
  await farm.go();
  expect(await one.ended).toBe(0);
  expect(await farm.over('b')).toMatchObject({ status: 'done' });
  const graph = await farm.playground.readGraph(farm.playground.repo);
  expect(graph.get('a')).toMatchObject({ status: 'open', paused: true });
  expect(graph.get('c')).toMatchObject({ status: 'open' });
  const pid = Number(await readFile(farm.pathOf('pid'), 'utf8'));
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('refused for good: a wrong token, no token, plain http to elsewhere, no profile, a second one in the same folder', async () => {
  await farm.supervise();
  const refused = async (name: string, args: string[], env: Record<string, string>) => {
    const one = await farm.start(name, { args, env });
    return [await one.ended, one.said()];
  };
  const good = { SUPERVISOR_WORKER_TOKEN: farm.token };
  const connect = ['--connect', farm.api.url];
  expect(await refused('a', [...connect, '--profile', 'farm'], {})).toEqual([
    3,
    expect.stringContaining('token create NAME --scope remote'),
  ]);
  expect(
    await refused('b', [...connect, '--profile', 'farm'], {
      SUPERVISOR_WORKER_TOKEN: `wgt_${'x'.repeat(43)}`,
    }),
  ).toEqual([3, expect.stringContaining('does not know the token')]);
  expect(await refused('c', ['--connect', 'http://example.net', '--profile', 'farm'], good)).toEqual([
    2,
    expect.stringContaining('use https'),
  ]);
  expect(await refused('d', connect, good)).toEqual([2, expect.stringContaining('--profile')]);
  await (await farm.worker('e')).says('offers farm');
  expect(await refused('e', [...connect, '--profile', 'farm'], good)).toEqual([4, expect.any(String)]);
});

test('what an earlier worker left torn or foreign is removed; what is whole is resumed', async () => {
  await farm.tasks({ id: 'a', exec: 'true' });
  await farm.supervise();
  const jobs = join(farm.playground.folder, 'one', 'worker', 'jobs');
  await mkdir(join(jobs, 'run_torn'), { recursive: true });
  await writeFile(join(jobs, 'run_torn', 'job.json'), '{"order":{"task":');
  await mkdir(join(jobs, 'run_pipe'), { recursive: true });
  await farm.playground.git(farm.playground.folder, 'init', '-q', join(jobs, 'foreign'));
  const one = await farm.worker('one');
  expect(await farm.over('a')).toMatchObject({ status: 'done' });
  await one.kill('SIGTERM');
  expect(await jobsOf(one)).toEqual([]);
  await rm(jobs, { recursive: true });
});
