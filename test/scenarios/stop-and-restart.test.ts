// What a person does with a running supervisor: stop it and start it again, run once, only observe, cancel, try again,
// pause, drain, and reload with a slip of the pen.

import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, type Started, startHttpAgent, startSupervisor, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;
let started: Started[] = [];

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  for (const one of started) {
    await one.kill('SIGKILL');
  }
  started = [];
  await playground.remove();
});

const file = (name: string) => join(playground.folder, name);
const until = (name: string) => `while [ ! -e ${file(name)} ]; do sleep 0.02; done`;
const statusOf = async (task: string) => (await playground.readGraph(playground.repo)).get(task)?.status;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('stopping and starting again', () => {
  test('the first SIGTERM leaves a running command alone; the next start reattaches to it and settles its real end', async () => {
    await playground.writeGraph(playground.repo, [
      { id: 'good', exec: `echo $$ > ${file('good.pid')}; ${until('over')}; echo finished` },
      { id: 'bad', exec: `${until('over')}; exit 7` },
      { id: 'meanwhile', exec: `${until('early')}; exit 5` },
      { id: 'next', after: ['good'], exec: 'echo next' },
    ]);
    await playground.writeConfig('');
    const first = startSupervisor(playground, ['run']);
    started.push(first);
    await eventually(async () => {
      const tasks = [...(await playground.readGraph(playground.repo)).values()];
      const runs = await supervisor(playground, ['runs', '--json']);
      const phases = (JSON.parse(runs.stdout) as { runs: { phase: string }[] }).runs.map((run) => run.phase);
      return tasks.length === 4 && phases.filter((phase) => phase === 'started').length === 3;
    });
    const pid = Number(await readFile(file('good.pid'), 'utf8'));
    const ended = await first.kill('SIGTERM');
    expect(ended.status).toBe(0);
    expect(ended.stdout + ended.stderr).toContain('still under way');
    expect(ended.stdout + ended.stderr).toContain('good');
    expect(isAlive(pid)).toBe(true);
    expect(await statusOf('good')).toBe('in-progress');

    // One ends while no one looks.
    await writeFile(file('early'), '');
    const second = startSupervisor(playground, ['run']);
    started.push(second);
    await eventually(async () => (await statusOf('meanwhile')) === 'failed');
    expect(isAlive(pid)).toBe(true);
    await writeFile(file('over'), '');
    await eventually(async () => (await statusOf('next')) === 'done' && (await statusOf('bad')) === 'failed');
    const tasks = await playground.readGraph(playground.repo);
    expect(tasks.get('good')).toMatchObject({ status: 'done', dispatch_count: 1 });
    expect(tasks.get('bad')).toMatchObject({ status: 'failed', dispatch_count: 1 });
    expect(tasks.get('bad')?.failure_reason).toContain('7');
    expect(tasks.get('meanwhile')?.failure_reason).toContain('5');
    const { stdout } = await supervisor(playground, ['logs', 'good']);
    expect(stdout).toContain('finished');
  });

  test('an HTTP agent at work does not notice a restart: its callback reaches the next supervisor, and counts', async () => {
    const agent = await startHttpAgent();
    try {
      await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
      await playground.writeGraph(playground.repo, [
        { id: 'slow', executor: `${agent.url}/async?delay=1000` },
        { id: 'next', after: ['slow'], exec: 'echo next' },
      ]);
      const first = await supervise(playground);
      supervised = first;
      await first.event('run.handed-off', 'slow');
      const before = JSON.parse(await readFile(first.paths.apiFile, 'utf8')) as { url: string };
      await first.stop({ cancelAgents: false });
      expect(await statusOf('slow')).toBe('in-progress');
      supervised = await supervise(playground);
      await eventually(async () => (await statusOf('next')) === 'done');
      const after = JSON.parse(await readFile(supervised.paths.apiFile, 'utf8')) as { url: string };
      expect(after.url).toBe(before.url);
      expect((await playground.readGraph(playground.repo)).get('slow')).toMatchObject({
        status: 'done',
        dispatch_count: 1,
        artifacts: ['{"result":"result of Task slow"}'],
      });
    } finally {
      await agent.stop();
    }
  });

  test('what is under way ends as what it was begun as, though its profile is another kind of executor by now, or gone', async () => {
    const agent = await startHttpAgent();
    try {
      await playground.writeConfig(`[api]
listen = "127.0.0.1:0"
[executors.a]
type = "http"
endpoint = "${agent.url}/async?delay=1000"
[executors.b]
type = "http"
endpoint = "${agent.url}/async?delay=1000"
[executors.c]
type = "command"
[executors.d]
type = "command"
`);
      await playground.writeGraph(playground.repo, [
        { id: 'a', executor: 'a' },
        { id: 'b', executor: 'b' },
        { id: 'c', executor: 'c', exec: `${until('over')}; exit 0` },
        { id: 'd', executor: 'd', exec: `${until('over')}; exit 6` },
      ]);
      const first = await supervise(playground);
      supervised = first;
      for (const id of ['a', 'b']) await first.event('run.handed-off', id);
      for (const id of ['c', 'd']) await first.event('run.started', id);
      await first.stop({ cancelAgents: false });
      await playground.writeConfig(
        `[api]\nlisten = "127.0.0.1:0"\n[executors.a]\ntype = "command"\n[executors.c]\ntype = "http"\nendpoint = "${agent.url}/async"\n`,
      );
      supervised = await supervise(playground);
      await writeFile(file('over'), '');
      for (const id of ['a', 'b', 'c', 'd'])
        await eventually(async () => !['open', 'in-progress'].includes(String(await statusOf(id))));
      const tasks = await playground.readGraph(playground.repo);
      expect([...tasks.values()].map((task) => [task.id, task.status, task.dispatch_count])).toEqual([
        ['a', 'done', 1],
        ['b', 'done', 1],
        ['c', 'done', 1],
        ['d', 'failed', 1],
      ]);
      expect(tasks.get('a')?.artifacts).toEqual(['{"result":"result of Task a"}']);
      expect(tasks.get('d')?.failure_reason).toContain('6');
    } finally {
      await agent.stop();
    }
  });

  test('with --cancel the first SIGTERM ends the agents too, and their tasks are open again', async () => {
    await playground.writeGraph(playground.repo, [
      {
        id: 'long',
        exec: `echo $$ > ${file('pid.part')}; mv ${file('pid.part')} ${file('pid')}; exec sleep 1000`,
      },
    ]);
    await playground.writeConfig('');
    const running = startSupervisor(playground, ['run', '--cancel']);
    started.push(running);
    const pid = Number(await eventually(() => readFile(file('pid'), 'utf8').catch(() => null)));
    expect((await running.kill('SIGTERM')).status).toBe(0);
    expect(isAlive(pid)).toBe(false);
    expect((await playground.readGraph(playground.repo)).get('long')).toMatchObject({ status: 'open' });
  });
});

describe('run --once', () => {
  test('does what is ready and what becomes ready by it, lists what stays, and exits 0', async () => {
    await playground.writeGraph(playground.repo, [
      { id: 'first', exec: 'echo first' },
      { id: 'second', after: ['first'], exec: 'echo second' },
      { id: 'third', after: ['second'], exec: 'echo third' },
      { id: 'handed-off', executor: 'external' },
      { id: 'someday', executor: 'scheduled', schedule: '2099-01-01T00:00:00Z', exec: 'echo someday' },
      { id: 'nowhere', executor: 'nobody' },
      { id: 'behind', after: ['handed-off'], exec: 'echo behind' },
    ]);
    await playground.writeConfig('');
    const ended = await supervisor(playground, ['run', '--once']);
    expect(ended.status).toBe(0);
    const tasks = await playground.readGraph(playground.repo);
    expect(['first', 'second', 'third'].map((id) => tasks.get(id)?.status)).toEqual(['done', 'done', 'done']);
    const summary = ended.stdout.slice(ended.stdout.lastIndexOf('third'));
    for (const left of ['handed-off', 'someday', 'nowhere', 'behind']) expect(ended.stdout).toContain(left);
    expect(summary).toContain('2099-01-01');
    // Nothing of it stays behind: a second one begins at once and has nothing to do.
    const again = await supervisor(playground, ['run', '--once', '--json']);
    expect(again.status).toBe(0);
    expect((await playground.readGraph(playground.repo)).get('first')).toMatchObject({ dispatch_count: 1 });
  });

  test('exits 1 when a task failed, and 0 when a later attempt made good for it', async () => {
    await playground.writeGraph(playground.repo, [
      { id: 'bad', exec: 'exit 3' },
      { id: 'good', exec: 'echo good' },
    ]);
    await playground.writeConfig('');
    expect((await supervisor(playground, ['run', '--once'])).status).toBe(1);
    expect(await statusOf('good')).toBe('done');
    // It failed before; this time nothing failed.
    expect((await supervisor(playground, ['run', '--once'])).status).toBe(0);
  });

  test('with the configuration broken it starts nothing and exits 3, in one sentence', async () => {
    await playground.writeGraph(playground.repo, [{ id: 'never', exec: 'echo never' }]);
    await playground.writeConfig('[supervisor\n');
    const ended = await supervisor(playground, ['run', '--once']);
    expect(ended.status).toBe(3);
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
    expect(ended.stderr).toContain(`${playground.configFile}:3`);
    expect(await statusOf('never')).toBe('open');
  });
});

/** Every file below a folder: what kind, which bytes, when changed. */
async function everyFile(folder: string, root = folder): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const is = await lstat(path, { bigint: true });
    const bytes = is.isFile()
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : is.isSymbolicLink()
        ? await readlink(path)
        : '';
    found.set(relative(root, path), `${is.mode} ${is.isDirectory() ? '' : is.ino} ${is.mtimeNs} ${bytes}`);
    if (is.isDirectory()) for (const [below, what] of await everyFile(path, root)) found.set(below, what);
  }
  return found;
}

test('run --observe says what it would do and touches nothing: every file keeps its bytes and its time', async () => {
  const linked = await playground.worktree('linked');
  await playground.writeGraph(playground.repo, [
    { id: 'ready', exec: `touch ${file('ran')}` },
    { id: 'timed', executor: 'scheduled', schedule: '2020-01-01T00:00:00Z', exec: `touch ${file('ran')}` },
    { id: 'mine', status: 'in-progress', assigned: 'agent-9' },
  ]);
  await playground.writeGraph(linked, [{ id: 'outside', executor: 'external' }]);
  await playground.writeConfig('');
  const before = await everyFile(playground.repo);
  const beforeLinked = await everyFile(linked);
  supervised = await supervise(playground, { observe: true });
  await supervised.supervisor.tick();
  const status = await supervised.control.status();
  expect(status.supervisor.mode).toBe('observe');
  expect(status.held.map((row) => [row.task, row.code]).sort()).toEqual([
    ['outside', 'observe'],
    ['ready', 'observe'],
    ['timed', 'observe'],
  ]);
  // Beside one that works, too.
  await supervised.stop({ cancelAgents: false });
  expect(await everyFile(playground.repo)).toEqual(before);
  expect(await everyFile(linked)).toEqual(beforeLinked);
  const seen = startSupervisor(playground, ['run', '--observe']);
  started.push(seen);
  await eventually(async () => {
    const { stdout, stderr } = await supervisor(playground, ['status', '--json']);
    // Also in the moment in which it starts there is an answer.
    expect(stderr).toBe('');
    return JSON.parse(stdout).supervisor.mode === 'observe' && JSON.parse(stdout).supervisor.running;
  });
  expect((await seen.kill('SIGTERM')).status).toBe(0);
  expect(await everyFile(playground.repo)).toEqual(before);
  expect(await everyFile(linked)).toEqual(beforeLinked);
});

describe('steering', () => {
  test('cancel ends a run and keeps its task from starting again until `retry`', async () => {
    await playground.writeGraph(playground.repo, [
      {
        id: 'long',
        exec: `if [ -e ${file('quick')} ]; then exit 0; fi; echo $$ > ${file('pid')}; exec sleep 1000`,
      },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.started', 'long');
    const pid = Number(
      await eventually(async () => (await readFile(file('pid'), 'utf8').catch(() => '')).trim()),
    );
    expect((await supervisor(playground, ['cancel', 'long'])).status).toBe(0);
    const running = supervised;
    await eventually(async () => (await running.control.why({ task: 'long' })).state === 'paused');
    expect(isAlive(pid)).toBe(false);
    expect((await playground.readGraph(playground.repo)).get('long')).toMatchObject({
      status: 'open',
      paused: true,
    });
    expect(supervised.count('run.opened', 'long')).toBe(1);
    expect((await supervisor(playground, ['cancel', 'long'])).status).toBe(1);
    await writeFile(file('quick'), '');
    expect((await supervisor(playground, ['retry', 'long'])).status).toBe(0);
    await supervised.event('run.settled', 'long');
    expect(await statusOf('long')).toBe('done');
  });

  test('retry opens a failed task again, and its dependents follow', async () => {
    await playground.writeGraph(playground.repo, [
      { id: 'flaky', exec: `[ -e ${file('fixed')} ]` },
      { id: 'next', after: ['flaky'], exec: 'echo next' },
    ]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'flaky');
    expect(await statusOf('flaky')).toBe('failed');
    await writeFile(file('fixed'), '');
    await supervised.control.retry({ task: 'flaky' });
    await supervised.event('run.settled', 'next');
    expect(await statusOf('flaky')).toBe('done');
  });

  test('a failed attempt is tried again as the profile says, with a pause that grows', async () => {
    await playground.writeGraph(playground.repo, [
      {
        id: 'third-time',
        executor: 'try',
        exec: `echo x >> ${file('tries')}; [ $(wc -l < ${file('tries')}) -ge 3 ]`,
      },
    ]);
    await playground.writeConfig(
      '[executors.try]\ntype = "command"\nretry = { attempts = 3, backoff = "100ms", max_backoff = "1s" }\n',
    );
    supervised = await supervise(playground);
    const running = supervised;
    await eventually(async () => (await statusOf('third-time')) === 'done');
    await eventually(() => running.count('run.settled', 'third-time') === 3);
    const runs = await running.control.runs({ task: 'third-time' });
    expect(runs.map((run) => run.attempt)).toEqual([3, 2, 1]);
    expect((await playground.readGraph(playground.repo)).get('third-time')).toMatchObject({ retry_count: 2 });
  });

  test('pause and resume: everything, one repository, one executor; drain takes nothing new', async () => {
    const write = (id: string) =>
      playground.writeGraph(playground.repo, [
        { id: `${id}-command`, exec: 'true' },
        { id: `${id}-other`, executor: 'other' },
      ]);
    await playground.writeConfig('[executors.other]\ntype = "command"\ncommand = ["true"]\n');
    supervised = await supervise(playground);
    const running = supervised;
    const paused = async (id: string, code: string) => {
      const row = await eventually(async () =>
        (await running.control.status()).held.find((held) => held.task === id),
      );
      expect(row).toMatchObject({ code });
      return row;
    };
    for (const [target, held, free] of [
      [null, ['command', 'other'], []],
      ['repo', ['command', 'other'], []],
      ['other', ['other'], ['command']],
    ] as const) {
      const id = `p-${target}`;
      const word = target === null ? [] : [target];
      const reason = ['--reason', 'the cluster is down'];
      expect((await supervisor(playground, ['pause', ...word, ...reason])).status).toBe(0);
      await write(id);
      for (const name of held)
        expect((await paused(`${id}-${name}`, 'paused')).because).toContain('the cluster is down');
      for (const name of free) await supervised.event('run.settled', `${id}-${name}`);
      expect((await supervisor(playground, ['resume', ...word])).status).toBe(0);
      for (const name of ['command', 'other']) await supervised.event('run.settled', `${id}-${name}`);
    }
    expect((await supervisor(playground, ['pause', 'othr'])).status).toBe(8);
    expect((await supervisor(playground, ['drain'])).status).toBe(0);
    await write('drained');
    await paused('drained-command', 'draining');
    expect((await supervised.control.status()).supervisor.state).toBe('draining');
    await supervised.control.resume(null);
    await supervised.event('run.settled', 'drained-other');
  });

  test('a reload takes a good edit at once; after a bad one the last good configuration continues, and says so', async () => {
    await playground.writeConfig('');
    await playground.writeGraph(playground.repo, [{ id: 'deploy', executor: 'deploy-agent' }]);
    supervised = await supervise(playground);
    expect(await supervised.control.why({ task: 'deploy' })).toMatchObject({ code: 'no-profile' });
    await playground.writeConfig('[executors.deploy-agent]\ntype = "command"\ncommand = ["true"]\n');
    expect((await supervisor(playground, ['reload'])).status).toBe(0);
    await supervised.event('run.settled', 'deploy');
    await playground.writeConfig(
      '[executors.deploy-agent]\ntype = "comand"\n[supervisor]\nmax_concurrent = "many"\n',
    );
    const bad = await supervisor(playground, ['reload']);
    expect(bad.status).toBe(3);
    expect(bad.stdout + bad.stderr).toContain(`${playground.configFile}:`);
    expect(bad.stdout + bad.stderr).toContain('max_concurrent');
    const status = await supervised.control.status();
    expect(status.problems.map((problem) => problem.message).join('\n')).toContain('max_concurrent');
    await playground.writeGraph(playground.repo, [{ id: 'again', executor: 'deploy-agent' }]);
    await supervised.event('run.settled', 'again');
    await playground.writeConfig('[executors.deploy-agent]\ntype = "command"\ncommand = ["false"]\n');
    expect((await supervisor(playground, ['reload'])).status).toBe(0);
    expect((await supervised.control.status()).problems).toEqual([]);
  });
});
