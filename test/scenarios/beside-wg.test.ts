// At home beside wg: what its daemon did for a graph still happens, its command keeps its effects, and the two never
// fight. The wg here is fixtures/agents/wg.mjs.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../support/actors.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';
import { pathWithWg, startDaemon, wgLike } from '../support/wg-like.ts';

let playground: Playground;
let supervised: Supervised | null = null;
let graph: string;

beforeEach(async () => {
  playground = await createPlayground();
  graph = join(playground.repo, '.workgraph');
  await playground.writeConfig('[supervisor]\ntimezone = "UTC"\n[limits]\nsafety_pass = "1s"\n');
});

afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

/** Without any real wg, wherever this runs. */
const withoutWg = () => ({
  PATH: (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !existsSync(join(folder, 'wg')))
    .join(':'),
});

async function begin(tasks: readonly TaskLine[], options: { wg?: boolean } = {}): Promise<Supervised> {
  await playground.writeGraph(playground.repo, tasks);
  const variables = options.wg ? { PATH: await pathWithWg(playground) } : withoutWg();
  supervised = await supervise(playground, { variables });
  return supervised;
}

const tasksNow = () => playground.readGraph(playground.repo);
const taskNow = async (id: string) => (await tasksNow()).get(id) ?? {};
const reaches = (id: string, status: string) =>
  eventually(async () => {
    const task = await taskNow(id);
    return task.status === status && task;
  });
const operations = () =>
  readFileSync(join(graph, 'log', 'operations.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { op: string; task_id: string });
const heldBecause = (id: string) =>
  eventually(() => {
    for (const verdict of supervised?.supervisor.decided?.decision.verdicts.values() ?? [])
      if (verdict.task === id && verdict.state === 'held') return verdict;
    return null;
  });

describe("the ticker's work", () => {
  test('a cycle goes round, its dependents wait for its end, and every task runs once an iteration', async () => {
    await begin([
      { id: 'a', exec: 'echo a >>ran', after: ['b'], cycle_config: { max_iterations: 3 } },
      { id: 'b', exec: 'echo b >>ran', after: ['a'] },
      { id: 'end', exec: 'echo end >>ran', after: ['a', 'b'] },
    ]);
    await reaches('end', 'done');
    expect(readFileSync(join(playground.repo, 'ran'), 'utf8')).toBe('a\nb\na\nb\na\nb\nend\n');
    expect((await taskNow('a')).loop_iteration).toBe(2);
  });

  test('a failed member restarts its cycle, so often and no more', async () => {
    await begin([
      {
        id: 'a',
        exec: 'echo a >>ran; false',
        after: ['b'],
        cycle_config: { max_iterations: 9, max_failure_restarts: 1 },
      },
      { id: 'b', exec: 'true', after: ['a'] },
    ]);
    const task = await eventually(async () => {
      const found = await taskNow('a');
      return found.status === 'failed' && found.cycle_failure_restarts === 1 && found;
    });
    expect(task.failure_reason).toContain('status 1');
    await supervised?.supervisor.quiet();
    expect(readFileSync(join(playground.repo, 'ran'), 'utf8')).toBe('a\na\n');
  });

  test('validation, evaluation, blocked and waiting come to their ends, and what depends on them starts', async () => {
    await begin([
      { id: 'validated', status: 'pending-validation' },
      { id: 'evaluated', status: 'pending-eval' },
      { id: 'blocked', status: 'blocked', after: ['validated'], exec: 'true' },
      {
        id: 'waiting',
        status: 'waiting',
        exec: 'true',
        wait_condition: {
          mode: 'all',
          conditions: [{ type: 'task-status', task_id: 'blocked', status: 'done' }],
        },
      },
      { id: 'last', exec: 'true', after: ['evaluated', 'waiting'] },
    ]);
    await reaches('last', 'done');
    expect([...(await tasksNow()).values()].map((task) => task.status)).toEqual(Array(5).fill('done'));
  });

  test('a message opens a finished task again, once', async () => {
    await begin([{ id: 'a', exec: 'echo a >>ran' }]);
    await reaches('a', 'done');
    await mkdir(join(graph, 'messages'), { recursive: true });
    const message = {
      id: 1,
      timestamp: new Date(Date.now() + 1000).toISOString(),
      sender: 'user',
      body: 'again',
      priority: 'normal',
      status: 'sent',
    };
    await appendFile(join(graph, 'messages', 'a.jsonl'), `${JSON.stringify(message)}\n`);
    // As `wg msg send` does.
    await wgLike(graph, 'log', 'a', 'a message');
    await eventually(async () => {
      const task = await taskNow('a');
      return task.status === 'done' && task.resurrection_count === 1;
    });
    expect(readFileSync(join(playground.repo, 'ran'), 'utf8')).toBe('a\na\n');
  });

  test('a task of another repository is waited for, by the name in federation.yaml', async () => {
    const lib = join(playground.folder, 'lib');
    await playground.writeGraph(lib, [{ id: 'build', status: 'open' }]);
    await mkdir(graph, { recursive: true });
    await writeFile(join(graph, 'federation.yaml'), `peers:\n  lib:\n    path: ../lib\n`);
    await begin([{ id: 'use', exec: 'true', after: ['lib:build'] }]);
    const because = await eventually(() => {
      for (const one of supervised?.supervisor.decided?.decision.verdicts.values() ?? [])
        if (one.code === 'dependency-peer') return one.because;
      return null;
    });
    expect(because).toContain('lib:build (open)');
    await playground.writeGraph(lib, [{ id: 'build', status: 'done' }]);
    supervised?.supervisor.wake();
    await reaches('use', 'done');
  });
});

describe('completion with wg semantics', () => {
  test('without wg the verify command is ours: refused with its output, counted, then passed', async () => {
    const { control } = await begin([{ id: 'a', tags: ['executor:external'], verify: 'cat proof' }]);
    await supervised?.event('run.handed-off', 'a');
    const report = () =>
      control.complete({ task: 'a', caller: { kind: 'operator' }, result: 'succeeded', summary: 'made it' });
    await expect(report()).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('proof'),
    });
    expect(await taskNow('a')).toMatchObject({ status: 'in-progress', verify_failures: 1 });
    await writeFile(join(playground.repo, 'proof'), 'here');
    expect(await report()).toMatchObject({ status: 'done' });
    await supervised?.event('run.settled', 'a');
  });

  test('at the third failure the task fails; a command whose verify fails fails too', async () => {
    const { control } = await begin([
      { id: 'a', tags: ['executor:external'], verify: 'false' },
      { id: 'b', exec: 'true', verify: 'echo not yet; exit 3' },
    ]);
    expect(await reaches('b', 'failed')).toMatchObject({
      verify_failures: 1,
      failure_reason: expect.stringContaining('not yet'),
    });
    await supervised?.event('run.handed-off', 'a');
    for (let n = 0; n < 3; n++)
      await expect(
        control.complete({ task: 'a', caller: { kind: 'operator' }, result: 'succeeded' }),
      ).rejects.toMatchObject({ code: 'failed' });
    expect(await taskNow('a')).toMatchObject({ status: 'failed', verify_failures: 3 });
  });

  test('a verify command that does not end is ended, with all that it started', async () => {
    await begin([{ id: 'a', exec: 'true', verify: 'sleep 300 & sleep 300', verify_timeout: '1s' }]);
    const task = await reaches('a', 'failed');
    expect(task.failure_reason).toContain('did not end within 1s');
  });

  test('edge 35: with wg its own done decides, and its word is read from the graph, not from its exit status', async () => {
    await begin(
      [
        { id: 'good', exec: 'true', verify: 'true' },
        { id: 'bad', exec: 'true', verify: 'echo broken; false' },
        { id: 'judged', exec: 'true', validation: 'external' },
        { id: 'plain', exec: 'true' },
      ],
      { wg: true },
    );
    await reaches('good', 'done');
    await reaches('judged', 'done');
    await reaches('plain', 'done');
    expect((await reaches('bad', 'failed')).failure_reason).toContain('broken');
    await eventually(() => operations().filter(({ op }) => op === 'done').length >= 3);
    const done = operations().filter(({ op }) => op === 'done');
    expect(done.map(({ task_id }) => task_id).sort()).toEqual(['good', 'judged', 'plain']);
  });

  test('a wg that opens a task again as it ends it: the run is settled, once, and the next one starts at once', async () => {
    const bin = join(playground.folder, 'reopening');
    await mkdir(bin);
    // Writes at once and answers late, so that the graph is looked at in between.
    const program = `
      const { readFileSync, renameSync, writeFileSync } = require('node:fs');
      const [, , folder, verb] = process.argv.slice(1);
      if (verb !== 'done') process.exit(1);
      const file = folder + '/graph.jsonl';
      const task = JSON.parse(readFileSync(file, 'utf8'));
      const turn = (task.loop_iteration ?? 0) + 1;
      if (turn < 3) Object.assign(task, { status: 'open', loop_iteration: turn, assigned: undefined });
      else task.status = 'done';
      writeFileSync(file + '.next', JSON.stringify(task) + '\\n');
      renameSync(file + '.next', file);
      setTimeout(() => {}, 1500);`;
    await writeFile(join(bin, 'program.cjs'), program);
    await writeFile(
      join(bin, 'wg'),
      `#!/bin/sh\nexec '${process.execPath}' '${join(bin, 'program.cjs')}' "$@"\n`,
      {
        mode: 0o755,
      },
    );
    await playground.writeGraph(playground.repo, [{ id: 'a', exec: 'echo a >>ran', verify: 'true' }]);
    supervised = await supervise(playground, { variables: { PATH: `${bin}:${withoutWg().PATH}` } });
    await supervised.nth(3, 'run.settled', 'a');
    expect(readFileSync(join(playground.repo, 'ran'), 'utf8')).toBe('a\na\na\n');
    expect([supervised.count('run.settled', 'a'), supervised.count('run.overruled', 'a')]).toEqual([3, 0]);
  });
});

describe('graphs of a newer wg', () => {
  const lifecycle = { attempts: 0, revision: 7 };

  test('held without wg, and nothing is written', async () => {
    const { control } = await begin([{ id: 'a', exec: 'true', lifecycle }]);
    expect((await heldBecause('a')).because).toContain('install wg');
    await expect(
      control.complete({ task: 'a', caller: { kind: 'operator' }, result: 'succeeded' }),
    ).rejects.toMatchObject({ message: expect.stringContaining('lifecycle') });
    expect(await taskNow('a')).toMatchObject({ status: 'open', lifecycle });
  });

  test('with wg it is claimed and finished by wg alone', async () => {
    await begin([{ id: 'a', exec: 'echo it works', lifecycle }], { wg: true });
    const task = await reaches('a', 'done');
    // What only wg writes, and what a native claim would have written.
    expect(task.lifecycle).toEqual({ attempts: 1, revision: 8 });
    expect(task).not.toHaveProperty('dispatch_count');
    await supervised?.event('run.settled', 'a');
  });

  test('a failure is written by wg too', async () => {
    await begin([{ id: 'a', exec: 'exit 4', lifecycle }], { wg: true });
    expect((await reaches('a', 'failed')).failure_reason).toContain('status 4');
    await supervised?.event('run.settled', 'a');
  });
});

describe('agency scaffolding (edge 28)', () => {
  const scaffolded = [
    {
      id: '.assign-a',
      exec: 'wg assign a --auto',
      tags: ['assignment', 'agency'],
      exec_mode: 'bare',
      before: ['a'],
    },
    { id: 'a', exec: 'true', after: ['.assign-a'] },
  ];

  test('with wg on PATH its exec is run, then the task', async () => {
    await begin(scaffolded, { wg: true });
    await reaches('a', 'done');
    expect(await taskNow('.assign-a')).toMatchObject({ status: 'done' });
    expect((await taskNow('a')).agent).toMatch(/^c0ffee/);
  });

  test('without, it is held with the setting that switches it off; done by hand it lets the task continue', async () => {
    const { control } = await begin(scaffolded);
    const { code, because } = await heldBecause('.assign-a');
    expect(code).toBe('wg-system-task');
    expect(because).toContain('[agency] auto_assign = false');
    await control.complete({ task: '.assign-a', caller: { kind: 'operator' }, result: 'succeeded' });
    await reaches('a', 'done');
  });
});

describe('a running daemon (edges 14, 15, 18)', () => {
  test('started later, it is yielded to before the next dispatch; when it ends, work continues', async () => {
    await begin([{ id: 'a', exec: 'while [ ! -e go ]; do sleep 0.02; done' }]);
    await supervised?.event('run.started', 'a');
    const daemon = await startDaemon(graph);
    await wgLike(graph, 'log', 'a', 'the daemon is up');
    const line = { kind: 'task', id: 'b', title: 'b', status: 'open', exec: 'true', after: ['a'] };
    await appendFile(join(graph, 'graph.jsonl'), `${JSON.stringify(line)}\n`);
    await writeFile(join(playground.repo, 'go'), '');
    // What runs continues to its end; nothing new begins.
    await reaches('a', 'done');
    const { code, because } = await heldBecause('b');
    expect(code).toBe('wg-daemon');
    expect(because).toContain(String(daemon.pid));
    expect(because).toContain('supervisor adopt');
    expect((await taskNow('b')).status).toBe('open');
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill();
    await ended;
    await reaches('b', 'done');
  });

  test("edge 48: wg's own pause holds the graph and says why", async () => {
    await mkdir(join(graph, 'service'), { recursive: true });
    const file = join(graph, 'service', 'provider_health.json');
    await writeFile(file, JSON.stringify({ providers: {}, service_paused: true, pause_reason: 'quota' }));
    await begin([{ id: 'a', exec: 'true' }]);
    expect(await heldBecause('a')).toMatchObject({
      code: 'wg-paused',
      because: expect.stringContaining('quota'),
    });
    await rm(file);
    await reaches('a', 'done');
  });
});

describe('the registry tells the truth', () => {
  const registryNow = () =>
    (
      JSON.parse(readFileSync(join(graph, 'service', 'registry.json'), 'utf8')) as {
        agents: Record<string, Record<string, unknown>>;
      }
    ).agents;
  const running = async (more: object = {}) => {
    await begin([{ id: 'a', exec: 'echo $$ >pid; exec sleep 300', ...more }]);
    const { agent, pid } = (await supervised?.event('run.started', 'a')) ?? { agent: '', pid: 0 };
    await eventually(() => registryNow()[agent]?.pid === pid);
    return { agent, pid: pid ?? 0 };
  };

  test('an agent is found by wg, its heartbeat is taken, its files are there', async () => {
    const { agent, pid } = await running();
    expect(registryNow()[agent]).toMatchObject({
      pid,
      task_id: 'a',
      status: 'working',
      worktree_path: playground.repo,
    });
    expect((await wgLike(graph, 'heartbeat', agent)).status).toBe(0);
    const metadata = JSON.parse(readFileSync(join(graph, 'agents', agent, 'metadata.json'), 'utf8'));
    expect(metadata).toMatchObject({ agent_id: agent, pid, task_id: 'a' });
    expect(operations()).toContainEqual(expect.objectContaining({ op: 'claim', task_id: 'a' }));
  });

  test('edges 19 and 20: work elsewhere has no process that a kill could hit, and its stream has begun', async () => {
    await begin([{ id: 'a', tags: ['executor:external'] }]);
    const { agent } = (await supervised?.event('run.claimed', 'a')) ?? { agent: '' };
    await supervised?.event('run.handed-off', 'a');
    expect(registryNow()[agent]).toMatchObject({ pid: 2_147_483_647, status: 'stopping' });
    const stream = readFileSync(join(graph, 'agents', agent, 'stream.jsonl'), 'utf8');
    expect(JSON.parse(stream)).toMatchObject({ type: 'init', executor_type: 'external' });
  });

  test('edge 10: wg kill ends the agent and pauses its task; nothing starts it again', async () => {
    const { agent } = await running();
    expect((await wgLike(graph, 'kill', agent)).status).toBe(0);
    await eventually(() => supervised?.runs.attended().length === 0);
    await supervised?.supervisor.quiet();
    expect(await taskNow('a')).toMatchObject({ status: 'open', paused: true });
    expect(supervised?.count('run.claimed', 'a')).toBe(1);
  });

  test('edge 10: wg unclaim ends the agent before the task may start again', async () => {
    const { pid } = await running();
    await wgLike(graph, 'unclaim', 'a');
    await eventually(() => supervised?.count('run.started', 'a') === 2);
    expect(() => process.kill(pid, 0)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
  });

  test('edge 12: wg done and wg retry have their effect', async () => {
    await begin([{ id: 'a', exec: 'echo a >>ran; exit 1' }]);
    await reaches('a', 'failed');
    await supervised?.event('run.settled', 'a');
    expect((await wgLike(graph, 'retry', 'a')).status).toBe(0);
    await eventually(() => supervised?.count('run.settled', 'a') === 2);
    expect(readFileSync(join(playground.repo, 'ran'), 'utf8')).toBe('a\na\n');
    expect((await wgLike(graph, 'done', 'a')).status).toBe(0);
    await supervised?.supervisor.quiet();
    expect((await taskNow('a')).status).toBe('done');
  });
});

test('stress: edits of a wg-like process and the work of the supervisor do not lose each other', async () => {
  const edits = Number(process.env.STRESS_EDITS ?? 150);
  const ids = Array.from({ length: 24 }, (_, n) => `job-${n}`);
  await begin([
    { id: 'churned', paused: true },
    ...ids.map((id, n) => ({
      id,
      tags: ['executor:worker'],
      executor: 'worker',
      ...(n > 2 ? { after: [ids[n - 3] ?? ''] } : {}),
    })),
  ]);
  await playground.writeConfig(
    `[supervisor]\ntimezone = "UTC"\n[executors.worker]\ntype = "command"\nshell = "echo {{task.id}} >>ran"\n`,
  );
  await supervised?.control.reload();
  const churned = await wgLike(graph, 'churn', String(edits), 'churned');
  expect(churned).toMatchObject({ status: 0 });
  for (const id of ids) await reaches(id, 'done');
  const tasks = await tasksNow();
  const { title, log } = tasks.get('churned') as { title: string; log: unknown[] };
  expect([title, log.length]).toEqual([`Edit ${edits}`, edits]);
  const ran = readFileSync(join(playground.repo, 'ran'), 'utf8').trimEnd().split('\n');
  expect(ran.sort()).toEqual([...ids].sort());
  for (const id of ids) expect(tasks.get(id)).toMatchObject({ tags: ['executor:worker'], dispatch_count: 1 });
  expect(readdirSync(graph).filter((name) => name.startsWith('.graph.tmp'))).toEqual([]);
}, 600_000);
