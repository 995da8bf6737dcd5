// Graphs that go while there is work in them: moved, deleted, taken out of the configuration, out of reach. Agents are
// attended to as long as they live, nothing of theirs takes a place that others wait for, and the result is written
// where the graph is found again.

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { eventually } from '../support/actors.ts';
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

const go = () => join(playground.folder, 'go');
const starts = () => join(playground.folder, 'starts');
const startCount = async () => (await readFile(starts(), 'utf8')).trim().split('\n').length;
/** A command that notes that it began and continues until it is released. */
const waits = (then = 'echo fine') =>
  `echo x >> ${starts()}; until [ -e ${go()} ]; do sleep 0.02; done; ${then}`;

async function working(worktree: string, config = ''): Promise<Supervised> {
  await playground.writeGraph(worktree, [{ id: 'long', exec: waits() }]);
  await playground.writeConfig(config);
  const running = await supervise(playground);
  supervised = running;
  await running.event('run.started', 'long');
  await eventually(() => readFile(starts(), 'utf8').catch(() => ''));
  return running;
}

async function restarted(): Promise<Supervised> {
  await supervised?.stop({ cancelAgents: false });
  supervised = await supervise(playground);
  return supervised;
}

const problemsOf = async (running: Supervised) => {
  const { worktrees, problems } = await running.control.status();
  return [...problems, ...worktrees.flatMap((row) => row.problems)];
};
const isTold = (running: Supervised) =>
  eventually(async () => (await problemsOf(running)).find(({ code }) => code === 'graph-gone'));

describe('a worktree that is moved under its agent', () => {
  test.each<[string, boolean, (from: string, to: string) => Promise<unknown>]>([
    ['git worktree move', false, (from, to) => playground.git(playground.repo, 'worktree', 'move', from, to)],
    [
      'git worktree move, and a restart',
      true,
      (from, to) => playground.git(playground.repo, 'worktree', 'move', from, to),
    ],
    [
      'mv and git worktree repair',
      false,
      async (from, to) => {
        await rename(from, to);
        await supervised?.control.reload();
        if (supervised) await isTold(supervised);
        await playground.git(to, 'worktree', 'repair');
      },
    ],
  ])('by %s: the agent continues, and its result is written where the graph is', async (_what, restarts, moves) => {
    const from = await playground.worktree('from');
    const to = join(playground.folder, 'to');
    let running = await working(from);
    await moves(from, to);
    if (restarts) running = await restarted();
    await running.control.reload();
    await eventually(async () => (await running.control.runs({ open: true }))[0]?.worktree === to);
    expect((await running.control.status()).runs).toMatchObject([{ task: 'long', phase: 'started' }]);
    expect(await running.control.why({ task: 'long' })).toMatchObject({ state: 'running', worktree: to });
    await writeFile(go(), '');
    expect(await running.event('run.settled', 'long')).toMatchObject({ status: 'done', worktree: to });
    expect((await playground.readGraph(to)).get('long')).toMatchObject({ status: 'done', dispatch_count: 1 });
    expect(await startCount()).toBe(1);
    expect(await problemsOf(running)).toEqual([]);
  });

  test('two that change places keep their own', async () => {
    const [a, b] = [await playground.worktree('a'), await playground.worktree('b')];
    await playground.writeGraph(b, [{ id: 'other', exec: waits() }]);
    const running = await working(a);
    await running.event('run.started', 'other');
    const c = join(playground.folder, 'c');
    for (const [from, to] of [
      [a, c],
      [b, a],
    ] as const) {
      await playground.git(playground.repo, 'worktree', 'move', from, to);
      await running.control.reload();
      await eventually(async () =>
        (await running.control.runs({ open: true })).some((run) => run.worktree === to),
      );
    }
    await writeFile(go(), '');
    expect(await running.event('run.settled', 'long')).toMatchObject({ worktree: c, status: 'done' });
    expect(await running.event('run.settled', 'other')).toMatchObject({ worktree: a, status: 'done' });
    expect(await startCount()).toBe(2);
  });
});

describe('a whole repository', () => {
  test('that is moved is found again by the folder of its graph', async () => {
    const running = await working(playground.repo);
    const to = join(playground.folder, 'elsewhere');
    await rename(playground.repo, to);
    await running.control.reload();
    await isTold(running);
    await writeFile(go(), '');
    await running.event('run.finished', 'long');
    await writeFile(playground.configFile, `[[repos]]\npath = ${JSON.stringify(to)}\n`);
    await running.control.reload();
    expect(await running.event('run.settled', 'long')).toMatchObject({ status: 'done' });
    expect((await playground.readGraph(to)).get('long')).toMatchObject({ status: 'done' });
    expect(await startCount()).toBe(1);
  });

  test('that is away for a moment, in which an agent of an earlier supervisor ends: its result is learned when it is back', async () => {
    await working(playground.repo);
    await supervised?.stop({ cancelAgents: false });
    const asked: string[] = [];
    let moved: Promise<void> | null = null;
    const away = join(playground.folder, 'away');
    supervised = await supervise(playground, {
      wrap: {
        // Gone before anyone looks, and back after someone has looked in vain.
        executor: (executor) => ({
          ...executor,
          async attend(assignment, handle, control) {
            moved ??= rename(playground.repo, away).then(() => writeFile(go(), ''));
            await moved;
            const outcome = await executor.attend(assignment, handle, control);
            asked.push(outcome.kind === 'stopped' ? outcome.reason : outcome.kind);
            if (asked.length === 1) await rename(away, playground.repo);
            return outcome;
          },
        }),
      },
    });
    expect(await supervised.event('run.settled', 'long')).toMatchObject({ status: 'done' });
    // An answer that comes while its graph is only just being read is asked for once more.
    expect([asked[0], ...new Set(asked.slice(1))]).toEqual(['detached', 'succeeded']);
    const told = { status: 'done', dispatch_count: 1 };
    expect((await playground.readGraph(playground.repo)).get('long')).toMatchObject(told);
    expect(await startCount()).toBe(1);
  });

  test('that is out of reach takes no place, and its result waits for it, over a restart too', async () => {
    let running = await working(playground.repo);
    const away = join(playground.folder, 'away');
    const other = join(playground.folder, 'other');
    await playground.git(playground.folder, 'init', '-q', other);
    await playground.git(other, 'commit', '-q', '--allow-empty', '-m', 'Begin');
    await playground.writeGraph(other, [{ id: 'next', exec: 'true' }]);
    await rename(playground.repo, away);
    const places = [playground.repo, other].map((path) => `[[repos]]\npath = ${JSON.stringify(path)}\n`);
    await writeFile(playground.configFile, `[supervisor]\nmax_concurrent = 1\n${places.join('')}`);
    running = await restarted();
    // There is one place, and it is free.
    await running.event('run.settled', 'next');
    await eventually(async () => (await running.control.status()).limits.running === 0);
    const told = await isTold(running);
    expect(told?.message).toContain('long');
    await writeFile(go(), '');
    await rename(away, playground.repo);
    await running.control.reload();
    expect(await running.event('run.settled', 'long')).toMatchObject({ status: 'done' });
    expect(await startCount()).toBe(1);
  });

  test('that is taken out of the configuration: `cancel` finds its run', async () => {
    const running = await working(playground.repo);
    await writeFile(playground.configFile, `[[repos]]\npath = "${playground.folder}/none"\n`);
    await running.control.reload();
    await isTold(running);
    await running.control.cancel({ task: 'long' }, 'enough');
    await eventually(async () => (await running.control.runs({ open: true })).length === 0);
    expect((await running.control.runs({}))[0]).toMatchObject({
      task: 'long',
      outcome: { kind: 'stopped', reason: 'cancelled' },
    });
    // It comes back with the claim in it: no one works on that.
    await playground.writeConfig('');
    await running.control.reload();
    const task = await eventually(async () => {
      const found = (await playground.readGraph(playground.repo)).get('long');
      return found?.status === 'open' ? found : null;
    });
    expect(task).toMatchObject({ paused: true });
    expect(task.assigned).toBeUndefined();
  });
});

describe('a graph that vanishes with open work', () => {
  test.each<[string, string]>([
    ['its file', 'graph.jsonl'],
    ['its folder', ''],
  ])('%s: status says what is known of it, over a restart too, until there is a new one', async (_what, name) => {
    await playground.writeGraph(playground.repo, [
      { id: 'one', executor: 'external', after: ['none'] },
      { id: 'two', paused: true },
      { id: 'over', status: 'done' },
    ]);
    await playground.writeConfig('');
    let running = await supervise(playground);
    supervised = running;
    await rm(join(playground.repo, '.workgraph', name), { recursive: true });
    await running.control.reload();
    for (let start = 1; start <= 2; start++) {
      const told = await isTold(running);
      expect(told?.message).toMatch(/2 unfinished tasks \(one, two\)/);
      const [row] = (await running.control.status()).worktrees;
      expect(row).toMatchObject({ state: 'graph-gone', problems: [{ code: 'graph-gone' }] });
      if (start === 1) running = await restarted();
    }
    await mkdir(join(playground.repo, '.workgraph'), { recursive: true });
    await playground.writeGraph(playground.repo, [{ id: 'new', exec: 'true' }]);
    await running.control.reload();
    await running.event('run.settled', 'new');
    expect(await problemsOf(running)).toEqual([]);
  });

  test('no one misses one in which everything had finished', async () => {
    await playground.writeGraph(playground.repo, [{ id: 'one', exec: 'true' }]);
    await playground.writeConfig('');
    supervised = await supervise(playground);
    await supervised.event('run.settled', 'one');
    await rm(join(playground.repo, '.workgraph'), { recursive: true });
    await supervised.control.reload();
    const running = supervised;
    await eventually(async () => (await running.control.status()).worktrees[0]?.state === 'no-graph');
    expect(await problemsOf(running)).toEqual([]);
  });
});

describe('a graph that is not found again', () => {
  const WEEK = 7 * 24 * 3_600_000;

  test('an agent that lives keeps its run; one that has finished is closed after a week, and its result is written when it is back all the same', async () => {
    let ahead = 0;
    const clock = {
      ...systemClock(),
      now: () => Date.now() + ahead,
      elapsed: () => performance.now() + ahead,
    };
    await playground.writeGraph(playground.repo, [{ id: 'long', exec: waits(), timeout: '400h' }]);
    await playground.writeConfig('');
    const running = await supervise(playground, { clock });
    supervised = running;
    await running.event('run.started', 'long');
    await writeFile(playground.configFile, `[[repos]]\npath = "${playground.folder}/none"\n`);
    await running.control.reload();
    await isTold(running);
    ahead = WEEK + 1;
    await running.control.reload();
    await running.supervisor.tick();
    expect((await running.control.status()).runs).toMatchObject([{ task: 'long', phase: 'started' }]);
    await writeFile(go(), '');
    await running.event('run.finished', 'long');
    await running.control.reload();
    expect((await running.event('run.overruled', 'long')).because).toContain('was not found again');
    await running.control.reload();
    await eventually(async () => (await problemsOf(running)).every(({ code }) => code !== 'graph-gone'));
    await playground.writeConfig('');
    await running.control.reload();
    await eventually(
      async () => (await playground.readGraph(playground.repo)).get('long')?.status === 'done',
    );
    expect(await startCount()).toBe(1);
  });
});
