// `supervisor worker --connect`: the real command as a process of its own, a real remote, real agents, against a supervisor
// over its real API.

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createProcesses } from '../../src/executors/process/process-table.ts';
import { processTable } from '../../src/executors/process/process-table-ps.ts';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { startWorker, type WorkerProcess, withRemote, workerToken } from '../support/farm.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const FARM =
  '[api]\nlisten = "127.0.0.1:0"\n[executors.farm]\ntype = "remote"\nrun = "command"\nretry = { attempts = 1 }\n';

const processes = createProcesses(processTable(process.platform));
let playground: Playground;
let supervised: Supervised | null = null;
let api: Caller;
let token: string;
let workers: WorkerProcess[] = [];

beforeEach(async () => {
  playground = await createPlayground();
  await withRemote(playground);
  await playground.writeConfig(FARM);
  token = await workerToken(playground);
});
afterEach(async () => {
  for (const { process, ended } of workers) {
    process.kill('SIGKILL');
    await ended;
  }
  workers = [];
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

async function up(): Promise<void> {
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

async function worker(
  name: string,
  options: { args?: readonly string[]; config?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<WorkerProcess> {
  const { args = [], config, env = {} } = options;
  const started = await startWorker(playground, {
    name,
    args: ['--connect', api.url, '--profile', 'farm', ...args],
    ...(config === undefined ? {} : { config }),
    env: { SUPERVISOR_WORKER_TOKEN: token, ...env },
  });
  workers.push(started);
  return started;
}

const tasks = (...lines: TaskLine[]) =>
  playground.writeGraph(
    playground.repo,
    lines.map((line) => ({ tags: ['executor:farm'], ...line })),
  );

/** Resolves when the task has finished, with its line in the graph. */
async function over(task: string, n = 1): Promise<Record<string, unknown> | undefined> {
  await supervised?.nth(n, 'run.settled', task);
  return (await playground.readGraph(playground.repo)).get(task);
}

const jobsOf = async ({ stateDir }: WorkerProcess) => readdir(join(stateDir, 'worker', 'jobs'));
const git = (...args: string[]) => playground.git(join(playground.folder, 'origin.git'), ...args);
const pathOf = (name: string) => join(playground.folder, name);

test('a task runs at its commit, streams, is verified there, and its commits come back on a branch of its own', async () => {
  await tasks(
    {
      id: 'build',
      exec: 'echo "in $(pwd)"; env > env.txt; echo made > made.txt; git add made.txt; git -c user.name=a -c user.email=a@b commit -qm Made; echo left > left.txt',
      verify: 'test -f made.txt',
    },
    { id: 'unproved', exec: 'echo nothing', verify: 'test -f made.txt' },
  );
  await up();
  const one = await worker('one');
  expect(await over('build')).toMatchObject({ status: 'done' });
  expect(await over('unproved')).toMatchObject({
    status: 'failed',
    failure_reason: expect.stringContaining('verify'),
  });
  const branches = (await git('branch', '--list', '--format=%(refname:short)')).trim().split('\n');
  expect(branches).toEqual(['main', 'wg/build/a1']);
  // What the agent had not committed is not lost; the base is the commit that the worktree stood on.
  expect((await git('log', '--format=%s', 'wg/build/a1')).trim().split('\n')).toEqual([
    'build: what its agent left uncommitted',
    'Made',
    'Begin',
  ]);
  const environment = await git('show', 'wg/build/a1:env.txt');
  expect(environment).toContain('WG_TASK_ID=build');
  expect(environment).toMatch(/^SUPERVISOR_TOKEN=wgl_/m);
  expect(environment).not.toContain(token);
  const detail = (await api.get('/api/task/build')).json as unknown as {
    artifacts: object[];
    runs: { output: string }[];
  };
  expect(JSON.stringify(detail.artifacts)).toContain('wg/build/a1');
  expect(await readFile(String(detail.runs[0]?.output), 'utf8')).toContain(`in ${one.stateDir}`);
  // Nothing of it stays on the worker but the copy of the repository.
  one.kill('SIGTERM');
  expect(await one.ended).toBe(0);
  expect(await jobsOf(one)).toEqual([]);
  const status = (await api.get('/api/status')).json as unknown as { workers: object[] };
  expect(status.workers).toEqual([]);
});

test('the agent says done or fail by the command as it does at home; what it says counts more than its exit', async () => {
  await tasks(
    { id: 'says-done', exec: `supervisor done says-done --summary 'all well' --artifacts '{"n":1}'; exit 3` },
    { id: 'says-fail', exec: 'supervisor fail says-fail --reason "no such thing"; sleep 600' },
  );
  await up();
  await worker('one', { args: ['--places', '2'] });
  expect(await over('says-done')).toMatchObject({ status: 'done' });
  expect(await over('says-fail')).toMatchObject({ status: 'failed', failure_reason: 'no such thing' });
});

test('a commit that is nowhere to be had, and a profile that is not there, cost no attempt and say what to do', async () => {
  await tasks({ id: 'a', exec: 'true' });
  await playground.git(playground.repo, 'commit', '-q', '--allow-empty', '-m', 'Not pushed');
  await up();
  await worker('one');
  await supervised?.event('run.released', 'a');
  const why = (await api.get('/api/task/a/why')).json;
  expect(why.because).toMatch(/commit [0-9a-f]{12} \(branch main\) is not at .*origin\.git: push it/);
  await playground.git(playground.repo, 'push', '-q', 'origin', 'main');
  await api.post('/api/task/a/retry', {});
  expect(await over('a')).toMatchObject({ status: 'done' });
});

test('killed with -9 and started again within its lease: the same run continues, nothing is done twice', async () => {
  await tasks({
    id: 'a',
    exec: `echo x >> ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done; echo end`,
  });
  await up();
  const first = await worker('one');
  await supervised?.event('run.handed-off', 'a');
  await appears(pathOf('begun'));
  first.kill('SIGKILL');
  await first.ended;
  const second = await worker('one');
  await second.says('worker.taken-up');
  await writeFile(pathOf('go'), '');
  expect(await over('a')).toMatchObject({ status: 'done' });
  expect(await readFile(pathOf('begun'), 'utf8')).toBe('x\n');
  expect(supervised?.count('run.released', 'a')).toBe(0);
});

test('a worker that stays away loses the task to another; back again, it is told so, and its commits harm no one', async () => {
  await tasks({
    id: 'a',
    exec: `touch ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done; echo $SUPERVISOR_RUN_ID > result`,
  });
  await up();
  const first = await worker('one', { args: ['--lease', '2s'] });
  await supervised?.event('run.handed-off', 'a');
  await appears(pathOf('begun'));
  first.kill('SIGKILL');
  await first.ended;
  await supervised?.event('run.released', 'a');
  await worker('two');
  await supervised?.nth(2, 'run.handed-off', 'a');
  const back = await worker('one');
  await back.says('someone else has it');
  await writeFile(pathOf('go'), '');
  expect(await over('a')).toMatchObject({ status: 'done' });
  expect((await git('branch', '--list', '--format=%(refname:short)', 'wg/*')).trim()).toBe('wg/a/a2');
  expect(await jobsOf(back)).toEqual([]);
});

test('the supervisor restarts under a worker: it asks again, and the result that came meanwhile is taken', async () => {
  await tasks(
    { id: 'a', exec: `touch ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done` },
    { id: 'b', after: ['a'], exec: 'true' },
  );
  await playground.writeConfig(
    `[api]\nlisten = "127.0.0.1:${await freePort()}"\n[executors.farm]\ntype = "remote"\nrun = "command"\n`,
  );
  await up();
  const one = await worker('one', { args: ['--places', '2'] });
  await appears(pathOf('begun'));
  await supervised?.stop({ cancelAgents: false });
  await writeFile(pathOf('go'), '');
  await one.says('worker.unheard');
  await up();
  expect(await over('a')).toMatchObject({ status: 'done' });
  expect(await over('b')).toMatchObject({ status: 'done' });
  expect(one.said()).toContain('worker.heard-again');
});

test('cancelled: its agent is ended and nothing is pushed; drained: what runs is carried to its end', async () => {
  await tasks(
    { id: 'a', exec: `echo $$ > ${pathOf('pid')}; sleep 600` },
    {
      id: 'b',
      priority: 1,
      exec: `touch ${pathOf('begun')}; while [ ! -e ${pathOf('go')} ]; do sleep 0.1; done`,
    },
    { id: 'c', priority: 0, exec: 'true' },
  );
  await up();
  const one = await worker('one');
  await appears(pathOf('pid'));
  await api.post('/api/task/a/cancel', { reason: 'not wanted' });
  await one.says('worker.dropped');
  await appears(pathOf('begun'));
  one.kill('SIGTERM');
  await one.says('taking nothing new');
  await writeFile(pathOf('go'), '');
  expect(await one.ended).toBe(0);
  expect(await over('b')).toMatchObject({ status: 'done' });
  const graph = await playground.readGraph(playground.repo);
  expect(graph.get('a')).toMatchObject({ status: 'open', paused: true });
  expect(graph.get('c')).toMatchObject({ status: 'open' });
  const pid = Number(await readFile(pathOf('pid'), 'utf8'));
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('the hooks of the repository run around its agent, in its folder, and what they print comes back', async () => {
  await playground.writeConfig(
    `before_run = "echo here > prepared; echo before $SUPERVISOR_HOOK"\nafter_run = "echo after $SUPERVISOR_OUTCOME; exit 7"\n${FARM}`,
  );
  await tasks({ id: 'a', exec: 'cat prepared' });
  await up();
  const one = await worker('one');
  expect(await over('a')).toMatchObject({ status: 'done' });
  const [run] = (await supervised?.control.runs({ task: 'a' })) ?? [];
  const shown = async (of: string) => (await api.get(`/api/runs/${run?.run}/output${of}`)).json.text;
  expect(await shown('?of=before_run')).toBe('before before_run\n');
  expect(await shown('')).toBe('here\n');
  expect(await shown('?of=after_run')).toBe('after succeeded\n');
  expect(one.said()).toMatch(/after_run failed \(exit 7\).*worker\.hook/);
});

test('a before_run of the worker’s own that fails costs no attempt and starts nothing; why has its last line', async () => {
  await playground.writeConfig(`before_run = "echo never; exit 9"\n${FARM}`);
  await tasks({ id: 'a', exec: 'echo worked' });
  await up();
  const own = `test -e ${pathOf('ready')} || { echo 'no database'; exit 4; }`;
  const config = `[executors.farm]\ntype = "command"\nbefore_run = ${JSON.stringify(own)}\n`;
  await worker('one', { config });
  const released = await supervised?.event('run.released', 'a');
  expect(released?.because).toMatch(/^before_run failed \(exit 4\): no database/);
  expect((await api.get('/api/task/a/why')).json.because).toContain('no database');
  await writeFile(pathOf('ready'), '');
  await api.post('/api/task/a/retry', {});
  expect(await over('a')).toMatchObject({ status: 'done' });
  expect((await supervised?.control.runs({ task: 'a' }))?.[0]).toMatchObject({ attempt: 1 });
});

test('killed with -9 in the middle of a hook: what is left of it is ended, and it runs once more', async () => {
  const hook = (name: string) =>
    JSON.stringify(
      `echo $$ >> ${pathOf(name)}; test "$SUPERVISOR_HOOK_AGAIN" || until [ -e ${pathOf('never')} ]; do sleep 0.1; done`,
    );
  await playground.writeConfig(`before_run = ${hook('before')}\nafter_run = ${hook('after')}\n${FARM}`);
  await tasks({ id: 'a', exec: `echo x >> ${pathOf('worked')}` });
  await up();
  for (const name of ['before', 'after']) {
    const one = await worker('one');
    await appears(pathOf(name));
    one.kill('SIGKILL');
    await one.ended;
  }
  const last = await worker('one');
  expect(await over('a')).toMatchObject({ status: 'done' });
  expect(last.said()).toContain('cut off; it runs again');
  expect(await readFile(pathOf('worked'), 'utf8')).toBe('x\n');
  for (const name of ['before', 'after']) {
    const [first, again, more] = (await readFile(pathOf(name), 'utf8')).trim().split('\n').map(Number);
    expect([again, more]).toEqual([expect.any(Number), undefined]);
    expect(processes.identify(first ?? 0)).toBeNull();
  }
});

test('quota: the account of this worker rests, the task goes to the next one, and why says so', async () => {
  const claude = pathOf('claude');
  await writeFile(
    claude,
    '#!/bin/sh\ncat > /dev/null\necho \'{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"You have hit your usage limit"}\'\nexit 1\n',
    { mode: 0o755 },
  );
  await tasks({ id: 'a' });
  await up();
  const farm = `[executors.farm]\ntype = "claude"\ncommand = "${claude}"\n`;
  const poor = await worker('poor', { config: farm });
  await supervised?.event('run.released', 'a');
  await poor.says('worker.reported');
  const rich = await worker('rich', {
    config: '[executors.farm]\ntype = "command"\nshell = "echo {{task.title}}"\n',
  });
  expect(await over('a')).toMatchObject({ status: 'done' });
  rich.kill('SIGTERM');
  await rich.ended;
});

test('refused for good: a wrong token, no token, plain http to elsewhere, no profile, a second one in the same folder', async () => {
  await up();
  const refused = async (name: string, args: string[], env: Record<string, string>) => {
    const one = await startWorker(playground, { name, args, env });
    workers.push(one);
    return [await one.ended, one.said()];
  };
  const good = { SUPERVISOR_WORKER_TOKEN: token };
  const connect = ['--connect', api.url];
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
  await (await worker('e')).says('offers farm');
  expect(await refused('e', [...connect, '--profile', 'farm'], good)).toEqual([4, expect.any(String)]);
});

test('what an earlier worker left torn or foreign is removed; what is whole is resumed', async () => {
  await tasks({ id: 'a', exec: 'true' });
  await up();
  const jobs = join(playground.folder, 'one', 'worker', 'jobs');
  await mkdir(join(jobs, 'run_torn'), { recursive: true });
  await writeFile(join(jobs, 'run_torn', 'job.json'), '{"order":{"task":');
  await mkdir(join(jobs, 'run_pipe'), { recursive: true });
  await playground.git(playground.folder, 'init', '-q', join(jobs, 'foreign'));
  const one = await worker('one');
  expect(await over('a')).toMatchObject({ status: 'done' });
  one.kill('SIGTERM');
  await one.ended;
  expect(await jobsOf(one)).toEqual([]);
  await rm(jobs, { recursive: true });
});

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Resolves when the file is there. */
async function appears(path: string): Promise<void> {
  const { watch } = await import('node:fs');
  await new Promise<void>((resolve) => {
    const watcher = watch(playground.folder, () => {
      if (!existsSync(path)) return;
      watcher.close();
      resolve();
    });
    if (existsSync(path)) {
      watcher.close();
      resolve();
    }
  });
}
