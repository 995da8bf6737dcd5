// `status --json`: the shape that the contract promises, a reason for everything that does not run, and counts that agree
// with the graphs; with a supervisor and without one.

import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { StatusReport } from '../../src/domain/report.ts';
import { supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

const text = expect.any(String);
const number = expect.any(Number);
const orNull = (value: unknown, is: 'string' | 'number') => value === null || typeof value === is;

/** Contract, section 5; further keys are allowed. */
function expectContract(status: StatusReport, running: boolean): void {
  expect(Date.parse(status.generated_at)).not.toBeNaN();
  expect(status.supervisor).toMatchObject({
    running,
    version: text,
    mode: 'dispatch',
    state: running ? 'running' : 'stopped',
  });
  expect(status.supervisor).toMatchObject(
    running ? { pid: number, started_at: text } : { pid: null, started_at: null },
  );
  expect(status.limits).toMatchObject({ max_concurrent: number, running: number, queued: number });
  for (const row of status.worktrees) {
    expect(row).toMatchObject({
      path: text,
      repo: text,
      state: text,
      because: text,
      problems: expect.any(Array),
    });
    for (const key of ['branch', 'head', 'graph'] as const) expect(orNull(row[key], 'string')).toBe(true);
    expect(row.because).not.toBe('');
    expect(Object.keys(row.counts)).toEqual(
      expect.arrayContaining(
        'open ready running scheduled waiting held paused in-progress done failed abandoned'.split(' '),
      ),
    );
    for (const problem of row.problems) expect(problem).toMatchObject({ code: text, message: text });
  }
  for (const run of status.runs) {
    expect(run).toMatchObject({ run: text, task: text, worktree: text, executor: text, type: text });
    expect(run).toMatchObject({ attempt: number, phase: text, agent: text, started_at: text });
    expect(orNull(run.pid, 'number') && orNull(run.output, 'string')).toBe(true);
  }
  for (const held of status.held) {
    expect(held).toMatchObject({ task: text, worktree: text, code: text, because: text });
    expect(held.because.length).toBeGreaterThan(5);
    expect(orNull(held.next_at, 'string')).toBe(true);
  }
  for (const row of status.schedules) {
    expect(row).toMatchObject({ task: text, worktree: text, schedule: text });
    expect(orNull(row.next_at, 'string')).toBe(true);
  }
}

/** Open and not running: named in `held`, exactly once, with a reason. Counts: as the graphs have it. */
async function expectAgreement(status: StatusReport): Promise<void> {
  for (const row of status.worktrees) {
    if (row.graph === null || row.state === 'alias') continue;
    const tasks = [...(await playground.readGraph(row.path)).values()].filter((task) => task.kind === 'task');
    const busy = new Set(status.runs.filter((run) => run.worktree === row.path).map((run) => run.task));
    const still = tasks.filter((task) => task.status === 'open' || task.status === 'incomplete');
    const named = status.held.filter((held) => held.worktree === row.path).map((held) => held.task);
    for (const task of still)
      if (!busy.has(String(task.id))) expect(named.filter((id) => id === task.id)).toEqual([task.id]);
    for (const word of ['open', 'in-progress', 'done', 'failed', 'abandoned'] as const)
      expect([row.path, word, row.counts[word]]).toEqual([
        row.path,
        word,
        tasks.filter((task) => task.status === word).length,
      ]);
    const { counts } = row;
    expect(counts.ready + counts.scheduled + counts.waiting + counts.held + counts.paused).toBe(
      status.held.filter((held) => held.worktree === row.path).length,
    );
  }
}

async function everyKindOfTask(): Promise<void> {
  const linked = await playground.worktree('linked');
  await playground.worktree('without-graph');
  await playground.writeGraph(playground.repo, [
    { id: 'running', exec: 'sleep 1000' },
    { id: 'room', exec: 'sleep 1000', executor: 'narrow' },
    { id: 'no-room', exec: 'sleep 1000', executor: 'narrow' },
    { id: 'outside', executor: 'external' },
    { id: 'waits', after: ['outside', 'running'], exec: 'true' },
    { id: 'waits-for-nothing', after: ['no-such-task'], exec: 'true' },
    { id: 'waits-for-failed', after: ['failed'], exec: 'true' },
    { id: 'timed', executor: 'scheduled', schedule: '2099-01-01T00:00:00Z' },
    { id: 'draft', paused: true },
    { id: 'not-yet', not_before: '2099-01-01T00:00:00+00:00', exec: 'true' },
    { id: 'nobody', executor: 'narow' },
    { id: 'broken', executor: 'broken' },
    { id: 'assigned', assigned: 'a-person', exec: 'true' },
    { id: 'theirs', status: 'in-progress', assigned: 'a-person' },
    { id: 'done', status: 'done' },
    { id: 'failed', status: 'failed' },
    { id: 'abandoned', status: 'abandoned' },
    { id: 'blocked', status: 'blocked' },
    { id: 'parked', status: 'waiting' },
    { id: 'incomplete', status: 'incomplete', paused: true },
    { id: 'judged', status: 'pending-eval' },
    { id: '.evaluate-judged', after: ['judged'], tags: ['evaluation'] },
  ]);
  await playground.writeGraph(linked, [{ id: 'there', executor: 'external' }]);
  await playground.writeConfig(
    '[executors.narrow]\ntype = "command"\nmax_concurrent = 1\n[executors.broken]\ntype = "http"\n',
  );
}

test('with a running supervisor: shape, reasons and counts', async () => {
  await everyKindOfTask();
  supervised = await supervise(playground);
  await supervised.event('run.started', 'running');
  await supervised.event('run.started', 'room');
  await supervised.event('run.handed-off', 'outside');
  await supervised.event('run.handed-off', 'there');
  await supervised.supervisor.tick();
  const ended = await supervisor(playground, ['status', '--json']);
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  const status = JSON.parse(ended.stdout) as StatusReport;
  expectContract(status, true);
  await expectAgreement(status);
  expect(status.limits).toMatchObject({ max_concurrent: 8, running: 2 });
  expect(status.runs.map((run) => [run.task, run.phase]).sort()).toEqual([
    ['outside', 'handed-off'],
    ['room', 'started'],
    ['running', 'started'],
    ['there', 'handed-off'],
  ]);
  expect(Object.fromEntries(status.held.map((row) => [row.task, row.code]))).toEqual({
    'no-room': 'profile-limit',
    waits: 'dependency',
    'waits-for-nothing': 'dependency-missing',
    'waits-for-failed': 'dependency-failed',
    timed: 'schedule',
    draft: 'paused',
    'not-yet': 'not-before',
    nobody: 'no-profile',
    broken: 'broken-profile',
    assigned: 'assigned',
    blocked: 'status-blocked',
    parked: 'status-waiting',
    incomplete: 'paused',
    judged: 'status-pending-eval',
    '.evaluate-judged': expect.any(String),
  });
  expect(status.held.find((row) => row.task === 'nobody')?.because).toContain('did you mean narrow?');
  expect(status.schedules).toEqual([
    {
      task: 'timed',
      worktree: playground.repo,
      schedule: '2099-01-01T00:00:00Z',
      next_at: '2099-01-01T00:00:00.000Z',
    },
  ]);
  const states = Object.fromEntries(status.worktrees.map((row) => [row.path, row.state]));
  expect(Object.values(states).sort()).toEqual(['no-graph', 'watched', 'watched']);
});

test('a broken profile of the machine is told once, not again for every worktree', async () => {
  await everyKindOfTask();
  supervised = await supervise(playground);
  const status = await supervised.control.status();
  const everywhere = [...status.problems, ...status.worktrees.flatMap((row) => row.problems)];
  expect(everywhere.filter(({ message }) => message.includes('executors.broken'))).toHaveLength(1);
});

test('without a supervisor: the same shape, and ready work says that none is running', async () => {
  await everyKindOfTask();
  const ended = await supervisor(playground, ['status', '--json']);
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  const status = JSON.parse(ended.stdout) as StatusReport;
  expectContract(status, false);
  await expectAgreement(status);
  expect(status.runs).toEqual([]);
  const running = status.held.find((row) => row.task === 'running');
  expect(running).toMatchObject({ code: 'not-running' });
  expect(running?.because).toContain('supervisor run');
  const table = await supervisor(playground, ['status']);
  expect(table.stdout).toMatch(/no supervisor is running|not running/i);
  // Nothing was written anywhere: no state, no lock.
  expect(await supervisor(playground, ['why', 'running'])).toMatchObject({ status: 0 });
});

test('where there is nothing at all, status says so and how to begin', async () => {
  const empty = join(playground.folder, 'empty');
  await mkdir(empty);
  await writeFile(playground.configFile, '');
  const ended = await supervisor(playground, ['status'], { cwd: empty });
  expect([ended.status, ended.stderr]).toEqual([0, '']);
  expect(ended.stdout).toContain(empty);
  const json = JSON.parse((await supervisor(playground, ['status', '--json'], { cwd: empty })).stdout);
  expectContract(json as StatusReport, false);
});

const REAL = join(import.meta.dirname, '../../../shared/graphs');
const real = existsSync(REAL) ? readdirSync(REAL).filter((name) => name.endsWith('.jsonl')) : [];

(real.length > 0 ? test : test.skip)(
  `over graphs of real projects (${real.length > 0 ? real.length : `none at ${REAL}`}), one worktree each`,
  async () => {
    for (const name of real) {
      const worktree = await playground.worktree(name.replace('.jsonl', ''));
      await mkdir(join(worktree, '.workgraph'));
      await copyFile(join(REAL, name), join(worktree, '.workgraph', 'graph.jsonl'));
    }
    await playground.writeConfig('');
    supervised = await supervise(playground, { observe: true });
    const status = await supervised.control.status();
    expectContract({ ...status, supervisor: { ...status.supervisor, mode: 'dispatch' } }, true);
    await expectAgreement(status);
    expect(status.worktrees.filter((row) => row.graph !== null).map((row) => row.state)).toEqual(
      real.map(() => 'watched'),
    );
    const tasks = await supervised.control.tasks({});
    expect(tasks.length).toBeGreaterThan(real.length);
    for (const task of tasks) expect([task.task, task.because.length > 3]).toEqual([task.task, true]);
    // Each is asked for on its own, with every condition that was looked at.
    for (const held of status.held.slice(0, 50)) {
      const why = await supervised.control.why({ task: held.task, worktree: held.worktree });
      expect([why.code, why.because]).toEqual([held.code, held.because]);
      expect(why.conditions.length).toBeGreaterThan(0);
    }
  },
);
