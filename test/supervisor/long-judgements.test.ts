// Judging large graphs beside the tick: whatever happens in between, a decision follows from its world alone, and in the
// end all is as a first look would find it.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createMemo, decide } from '../../src/decide/decide.ts';
import type { Interims } from '../../src/decide/judge/interim.ts';
import type { Decision, GraphView, World } from '../../src/decide/world.ts';
import { taskKey } from '../../src/domain/ids.ts';
import type { Steps } from '../../src/domain/steps.ts';
import type { Task } from '../../src/domain/task.ts';
import { nextTurn } from '../../src/platform/cooperative.ts';
import { silentLog } from '../../src/platform/log.ts';
import { LongJudgements } from '../../src/supervisor/long-judgements.ts';
import { graphView, NOW, snapshot, task, world } from '../support/tasks.ts';

const MADE = { createdAt: '2027-01-01T00:00:00Z' };

/** Judges with as many steps as the test allows. */
function stepwise(manyTasks = 1) {
  const memo = createMemo();
  let allowed = 0;
  let now = NOW;
  const long = new LongJudgements({
    ...{ memo, manyTasks, log: silentLog },
    clock: { now: () => now },
    wake() {},
    turn(steps: Steps<void>) {
      while (allowed > 0) {
        allowed--;
        if (steps.next().done) return { value: undefined };
      }
      return null;
    },
  });
  return {
    long,
    look(at: World): { decision: Decision; interims: Interims } {
      now = at.now;
      const interims = long.of(at);
      return { decision: decide(at, memo, interims), interims };
    },
    /** Lets it work on. */
    async work(steps: number) {
      allowed = steps;
      for (let turn = 0; turn < 3 && allowed > 0; turn++) await nextTurn();
      allowed = 0;
    },
    allowAll() {
      allowed = Number.POSITIVE_INFINITY;
    },
    stop: () => long.stop(),
  };
}

const said = ({ actions, offers, verdicts, wakeAt, schedules }: Decision) => ({
  ...{ actions, offers, wakeAt, schedules },
  verdicts: [...verdicts],
});

const statuses = ['open', 'open', 'done', 'in-progress', 'failed'] as const;
const tasks = fc
  .uniqueArray(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', '.evaluate-a'),
      status: fc.constantFrom(...statuses),
      after: fc.array(fc.constantFrom('a', 'b', 'c', 'gone'), { maxLength: 2 }),
      paused: fc.constantFrom(false, false, true),
      priority: fc.constantFrom(0, 10, 50),
      notBefore: fc.constantFrom(undefined, new Date(NOW + 20_000).toISOString()),
      createdAt: fc.constantFrom(MADE.createdAt, '2027-03-10T11:00:00Z'),
    }),
    { selector: (one) => one.id, maxLength: 5 },
  )
  .map((all) =>
    all.map(({ id, notBefore, ...more }) => task(id, { ...more, ...(notBefore ? { notBefore } : {}) })),
  );

const happening = fc.oneof(
  fc.record({ kind: fc.constant('change' as const), graph: fc.nat(2), tasks }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(0, 1000, 30_000) }),
  fc.record({ kind: fc.constant('work' as const), steps: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant('look' as const) }),
  fc.record({ kind: fc.constant('act' as const) }),
  fc.record({ kind: fc.constant('leave' as const), graph: fc.nat(2) }),
);

test('every decision follows from its world, and the last one is that of a first look', async () => {
  let interim = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(tasks, tasks, tasks),
      fc.array(happening, { maxLength: 20 }),
      async (first, events) => {
        const repo = { repo: '/r/.git', tracked: true };
        const views: GraphView[] = ['main', 'side', 'third'].map((name, n) =>
          graphView(name, first[n] ?? [], { ...repo, worktreeIsMain: n === 0 }),
        );
        const away = new Set<number>();
        let at = NOW;
        const now = () =>
          world(
            views.filter((_, n) => !away.has(n)),
            { now: at },
          );
        const judging = stepwise();
        const look = () => {
          const { decision, interims } = judging.look(now());
          interim += interims.size;
          expect(said(decision)).toEqual(said(decide(now(), createMemo(), interims)));
          return interims;
        };
        try {
          for (const event of events) {
            if (event.kind === 'time') at += event.ms;
            if (event.kind === 'work') await judging.work(event.steps);
            if (event.kind === 'look') look();
            if (event.kind === 'act') {
              look();
              judging.long.actedOn();
            }
            if (event.kind === 'leave') if (!away.delete(event.graph)) away.add(event.graph);
            const view = event.kind === 'change' ? views[event.graph] : undefined;
            if (event.kind === 'change' && view)
              views[event.graph] = { ...view, snapshot: snapshot(view.graph, event.tasks) };
          }
          judging.allowAll();
          for (let looks = 0; look().size > 0; looks++) {
            expect(looks).toBeLessThan(20);
            judging.long.actedOn();
            // What only time made invalid rests for a moment.
            at += 2000;
            await nextTurn();
          }
          expect(said(judging.look(now()).decision)).toEqual(said(decide(now())));
        } finally {
          judging.allowAll();
          await judging.stop();
        }
      },
    ),
    { numRuns: 100 },
  );
  expect(interim).toBeGreaterThan(150);
});

/** A graph beside another one. */
function pair(large: readonly Task[], small: readonly Task[] = [task('small')]) {
  return world([graphView('large', large), graphView('small', small)]);
}

const started = ({ actions }: Decision) =>
  actions.flatMap((action) => (action.kind === 'dispatch' ? [action.plan.task] : []));
const code = ({ verdicts }: Decision, id: string) => verdicts.get(taskKey('/large/.workgraph', id))?.code;

test('until a changed graph is judged, the others are dispatched and it says so', async () => {
  const judging = stepwise(2);
  const first = pair([task('a', { paused: true }), task('b', { status: 'done' })]);
  judging.allowAll();
  expect(code(judging.look(first).decision, 'a')).toBe('paused');
  await judging.work(0);
  const second = pair([task('a'), task('b', { status: 'open' }), task('c', { status: 'failed' })]);
  const { decision } = judging.look(second);
  expect(started(decision)).toEqual(['small']);
  expect(decision.unjudged).toEqual(new Set(['/large/.workgraph']));
  // Its state is still the same, so what was said of it stands; what is finished or changed is not guessed.
  expect([code(decision, 'a'), code(decision, 'b'), code(decision, 'c')]).toEqual([
    'paused',
    'judging',
    'status-failed',
  ]);
  judging.allowAll();
  await nextTurn();
  expect(started(judging.look(second).decision).sort()).toEqual(['a', 'b', 'small']);
  await judging.stop();
});

test('a graph that changes each time it was judged is acted on all the same, without what it lost', async () => {
  const judging = stepwise(2);
  const round = (n: number) => pair([task('same'), task(`only-${n}`), task('held', { paused: n > 0 })], []);
  expect(started(judging.look(round(0)).decision)).toEqual([]);
  for (let n = 1; n < 5; n++) {
    judging.allowAll();
    await nextTurn();
    await judging.work(0);
    // What was judged is the state before.
    expect(started(judging.look(round(n)).decision)).toEqual(['same']);
    expect(judging.long.actedOn()).toBe(true);
    expect(started(judging.look(round(n)).decision)).toEqual([]);
  }
  judging.allowAll();
  await judging.stop();
});

test('what was judged is not acted on where the graph is held by now', async () => {
  const judging = stepwise(2);
  judging.look(pair([task('same'), task('other')], []));
  judging.allowAll();
  await nextTurn();
  await judging.work(0);
  const changed = graphView('large', [task('same'), task('new')]);
  const hold = { code: 'wg-daemon', because: 'another dispatcher serves it' };
  expect(started(judging.look(world([{ ...changed, hold }])).decision)).toEqual([]);
  expect(started(judging.look(world([changed])).decision)).toEqual(['same']);
  judging.allowAll();
  await judging.stop();
});

test('a failure is told, and tried again a second later', async () => {
  const warned: string[] = [];
  const memo = createMemo();
  let now = NOW;
  let isBroken = true;
  const long = new LongJudgements({
    ...{ memo, manyTasks: 1, clock: { now: () => now }, wake() {} },
    log: { warn: (event) => void warned.push(event) },
    turn(steps) {
      if (isBroken) throw new Error('no memory');
      while (!steps.next().done);
      return { value: undefined };
    },
  });
  const view = graphView('large', [task('a')]);
  const at = () => world([view], { now });
  expect(long.of(at()).size).toBe(1);
  expect(warned).toEqual(['graph.unjudged']);
  expect(long.nextAt).toBe(NOW + 1000);
  isBroken = false;
  expect(long.of(at()).size).toBe(1);
  now += 1000;
  expect(long.of(at()).size).toBe(0);
  expect(long.nextAt).toBeNull();
  await long.stop();
});
