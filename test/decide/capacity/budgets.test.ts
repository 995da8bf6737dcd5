import { describe, expect, test } from '@jest/globals';
import { budgetWindow } from '../../../src/decide/capacity/budget-window.ts';
import type { Spending, Spent, SpentRow } from '../../../src/decide/capacity/budgets.ts';
import { learn } from '../../../src/decide/capacity/learn.ts';
import { decide } from '../../../src/decide/decide.ts';
import { explainTask } from '../../../src/decide/explain.ts';
import { verdictOf } from '../../../src/decide/judge/verdicts.ts';
import { wallClock } from '../../../src/decide/schedules/wall-clock.ts';
import type { Budget } from '../../../src/domain/budget.ts';
import type { Run } from '../../../src/domain/run.ts';
import {
  budget,
  claude,
  command,
  config,
  graphView,
  NOW,
  profiles,
  run,
  task,
  world,
} from '../../support/tasks.ts';

const NOTHING: Spent = { usd: 0, tokens: 0, runs: 0, untoldUsd: 0, untoldTokens: 0 };

function row(more: Partial<SpentRow> = {}): SpentRow {
  const of = { graph: '/r/.workgraph', repo: '/r/.git', executor: 'claude', model: null };
  return { ...NOTHING, ...of, ...more };
}

/** `took`: what earlier runs of every profile took, in US dollars and tokens alike. */
function spending(
  took: readonly number[],
  rows: readonly SpentRow[] = [],
  ofTask: Partial<Spent> = {},
): Spending {
  return {
    since: () => rows,
    ofTask: () => ({ ...NOTHING, ...ofTask }),
    learned: () => ({ runs: took.length, usd: learn(took), tokens: learn(took) }),
  };
}

const OPEN = ['a', 'b', 'c'].map((id) => task(id));

function decided(budgets: readonly Budget[], spent: Spending, runs: readonly Run[] = [], tasks = OPEN) {
  const view = graphView(
    'r',
    [...tasks, ...runs.map(({ task: id }) => task(id, { status: 'in-progress', assigned: 'agent-1' }))],
    {
      profiles: profiles([claude('opus', { model: 'claude-opus-4', account: 'work' }), command('make')]),
    },
  );
  const all = world([view], {
    config: config({ budgets }),
    spending: spent,
    runs,
    attended: new Set(runs.map(({ id }) => id)),
  });
  const decision = decide(all);
  return {
    all,
    decision,
    started: decision.actions.flatMap((one) => (one.kind === 'dispatch' ? [one.plan.task] : [])),
    verdict: (id: string) => verdictOf(decision.verdicts, view.graph, id),
  };
}

describe('what may start', () => {
  test('as many as are expected to fit into what is left', () => {
    const { started, verdict } = decided([budget()], spending([1, 1, 1], [row({ usd: 8.5 })]));
    expect(started).toEqual(['a']);
    expect(verdict('b')).toMatchObject({
      state: 'queued',
      code: 'budget',
      because:
        'budget day: 8.50 USD of 10.00 USD spent, about 1.00 USD for 1 that runs, one more takes about 1.00 USD; the next day begins 2027-03-11T00:00:00Z',
      nextAt: Date.parse('2027-03-11T00:00:00Z'),
    });
  });

  test('running work counts with what it is expected to come to, or with what it used where that is more', () => {
    const running = run('r', 'z', { usage: { costUsd: 8.5 } });
    expect(decided([budget()], spending([1]), [running]).started).toEqual(['a']);
    expect(decided([budget()], spending([1]), [{ ...running, usage: { costUsd: 9.5 } }]).started).toEqual([]);
    expect(decided([budget({ cap: 2 })], spending([1]), [run('r', 'z')]).started).toEqual(['a']);
  });

  test('a tenth of the cap at most is kept back for the rare costly run', () => {
    const took = [...Array(99).fill(0.1), 50];
    expect(decided([budget({ cap: 100 })], spending(took, [row({ usd: 89 })])).started).toEqual(['a']);
    expect(decided([budget({ cap: 100 })], spending(took, [row({ usd: 91 })])).started).toEqual([]);
  });

  test('of an unknown profile one goes first; one that never reports delays no other', () => {
    const { started, verdict } = decided([budget()], spending([]));
    expect(started).toEqual(['a']);
    expect(verdict('b')?.because).toContain('what a run of claude takes is not known yet, so one goes first');
    const silent = { ...spending([]), learned: () => ({ runs: 3, usd: learn([]), tokens: learn([]) }) };
    expect(decided([budget()], silent).started).toEqual(['a', 'b', 'c']);
  });

  test('the first one begins though it is expected to take more than all; with a cap of 0 none does', () => {
    expect(decided([budget({ cap: 1 })], spending([7])).started).toEqual(['a']);
    expect(decided([budget({ cap: 0 })], spending([7])).started).toEqual([]);
    expect(decided([budget({ cap: 0 })], spending([])).started).toEqual([]);
  });

  test('runs', () => {
    const runs = budget({ unit: 'runs', cap: 5 });
    expect(decided([runs], spending([], [row({ runs: 2 })]), [run('r', 'z')]).started).toEqual(['a', 'b']);
  });

  test('a task whose own budget is spent is held until a person says retry', () => {
    const { started, verdict } = decided(
      [budget({ per: 'task' })],
      spending([1], [], { usd: 9.5 }),
      [],
      [task('a')],
    );
    expect(started).toEqual([]);
    expect(verdict('a')).toMatchObject({ state: 'held', code: 'budget', nextAt: null });
  });

  test('only what a budget is for is held', () => {
    const tasks = [
      task('a'),
      task('b', { executor: 'opus' }),
      task('c', { executor: 'make' }),
      task('d', { model: 'claude:haiku' }),
      task('e', { executor: 'external' }),
    ];
    const spent = spending(
      [1],
      [row({ usd: 99 }), row({ usd: 99, executor: 'opus', model: 'claude-opus-4-1' })],
    );
    const held = (more: Partial<Budget>) => {
      const { started } = decided([budget(more)], spent, [], tasks);
      return tasks.map(({ id }) => id).filter((id) => !started.includes(id));
    };
    expect(held({})).toEqual(['a', 'b', 'c', 'd']);
    expect(held({ profile: 'opus' })).toEqual(['b']);
    expect(held({ account: 'work' })).toEqual(['b']);
    expect(held({ model: 'CLAUDE-OPUS-*' })).toEqual(['b']);
    expect(held({ model: 'haiku' })).toEqual([]);
    expect(held({ repo: 'r' })).toEqual(['a', 'b', 'c', 'd']);
    expect(held({ repo: 'elsewhere' })).toEqual([]);
  });

  test('without budgets, or a ledger, nothing is judged', () => {
    expect(decided([], spending([1], [row({ usd: 99 })])).started).toEqual(['a', 'b', 'c']);
    const { all } = decided([budget()], spending([1], [row({ usd: 99 })]));
    const { spending: _none, ...unknown } = all;
    expect(decide(unknown).actions.filter(({ kind }) => kind === 'dispatch')).toHaveLength(3);
  });
});

test('an agent is told what is left, and why has the numbers', () => {
  const { decision, all } = decided([budget({ onSpent: 'stop' })], spending([1], [row({ usd: 6 })]));
  const [first] = decision.actions.flatMap((one) => (one.kind === 'dispatch' ? [one.plan] : []));
  expect(first?.budgetsLeft).toEqual(['4.00 USD of 10.00 USD (budget day); when it is spent, you are ended']);
  const { conditions } = explainTask(all, '/r/.workgraph', 'a');
  expect(conditions).toContainEqual({
    name: 'budget day',
    met: true,
    because: '6.00 USD of 10.00 USD spent; one more takes about 1.00 USD',
  });
  expect(decision.wakeAt).toBe(Date.parse('2027-03-11T00:00:00Z'));
});

describe('what runs when it is spent', () => {
  const running = [
    run('r', 'y', { usage: { costUsd: 4 } }),
    run('r', 'z', { usage: { costUsd: 1.5 }, executor: 'opus' }),
  ];
  const stopped = (more: Partial<Budget>, usd: number) =>
    decided(
      [budget({ onSpent: 'stop', ...more })],
      spending([1], [row({ usd })]),
      running,
    ).decision.actions.flatMap((one) => (one.kind === 'stop' ? [`${one.run.task} ${one.reason}`] : []));

  test('is ended where the budget says so, by what was really used', () => {
    expect(stopped({}, 4.4)).toEqual([]);
    expect(stopped({}, 4.5)).toEqual(['y budget', 'z budget']);
    expect(stopped({ onSpent: 'finish' }, 99)).toEqual([]);
    expect(stopped({ profile: 'opus' }, 9)).toEqual([]);
    expect(stopped({ unit: 'runs', cap: 1 }, 0)).toEqual([]);
  });

  test('of a task, only that task', () => {
    expect(stopped({ per: 'task', cap: 4 }, 0)).toEqual(['y budget']);
  });
});

describe('days and weeks', () => {
  const clock = wallClock('Europe/Berlin');
  if (!clock) throw new Error('no zone');
  const at = (text: string) => Date.parse(text);

  test('are local ones, with 23 or 25 hours where the clock changes', () => {
    const spring = budgetWindow('day', at('2027-03-28T12:00:00Z'), clock);
    expect(spring).toEqual({ from: at('2027-03-27T23:00:00Z'), until: at('2027-03-28T22:00:00Z') });
    const autumn = budgetWindow('day', at('2027-10-31T12:00:00Z'), clock);
    expect((autumn.until ?? 0) - autumn.from).toBe(25 * 3_600_000);
  });

  test('a week begins on Monday; a task has no next window', () => {
    const monday = at('2027-03-07T23:00:00Z');
    expect(budgetWindow('week', NOW, clock)).toEqual({ from: monday, until: at('2027-03-14T23:00:00Z') });
    expect(budgetWindow('week', at('2027-03-14T22:59:59Z'), clock).from).toBe(monday);
    expect(budgetWindow('task', NOW, clock).until).toBeNull();
  });
});
