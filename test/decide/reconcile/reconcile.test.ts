import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { reconcileRuns } from '../../../src/decide/reconcile/reconcile.ts';
import { releasePatch, settlePatch, type TaskPatch } from '../../../src/decide/settle.ts';
import type { Action, World } from '../../../src/decide/world.ts';
import type { Outcome } from '../../../src/domain/outcome.ts';
import { isOpenRun, RUN_PHASES, type Run } from '../../../src/domain/run.ts';
import { TASK_STATUSES, type Task } from '../../../src/domain/task.ts';
import { detail, graphView, NOW, run, snapshot, task, world } from '../../support/tasks.ts';

const SUCCEEDED: Outcome = { kind: 'succeeded' };
const FAILED: Outcome = { kind: 'failed', failure: 'exit', message: 'x', retryable: true };
const ours: Partial<Task> = { status: 'in-progress', assigned: 'agent-1' };

/** What is done about one run of task `a`; `null` for a task that is not there. */
function asked(more: Partial<Run>, taskMore: Partial<Task> | null, attended: boolean): string {
  const one = run('g', 'a', more);
  const tasks = taskMore === null ? [] : [task('a', taskMore)];
  const { actions } = reconcileRuns(
    world([graphView('g', tasks)], {
      runs: [one],
      attended: new Set(attended ? [one.id] : []),
      // Whatever is missing is missing for long enough.
      doubts: new Map([[one.id, NOW - 5000]]),
    }),
  );
  expect(actions.length).toBeLessThanOrEqual(1);
  const [action] = actions;
  if (!action) return 'nothing';
  switch (action.kind) {
    case 'stop':
      return `stop ${action.reason}`;
    case 'close':
      return `close ${action.phase}`;
    case 'settle':
      return `settle ${action.outcome.kind}`;
    default:
      return action.kind;
  }
}

describe('died after …', () => {
  test.each([
    ['ledger opened', { phase: 'opened', agent: '' }, {}, 'close abandoned'],
    ['graph claim, ledger still opened', { phase: 'opened' }, ours, 'release'],
    ['graph claim', { phase: 'claimed' }, ours, 'release'],
    ['claim, taken away since', { phase: 'claimed' }, {}, 'close abandoned'],
    ['start', { phase: 'started' }, ours, 'attend'],
    ['hand-off', { phase: 'handed-off' }, ours, 'attend'],
    ['ledger finished', { phase: 'finished', outcome: SUCCEEDED }, ours, 'settle succeeded'],
    ['ledger finished, failed', { phase: 'finished', outcome: FAILED }, ours, 'settle failed'],
    [
      'graph settled',
      { phase: 'finished', outcome: SUCCEEDED },
      { status: 'done', assigned: 'agent-1' },
      'close settled',
    ],
    ['graph settled for a retry', { phase: 'finished', outcome: FAILED }, {}, 'close settled'],
    [
      'graph settled, evaluation open',
      { phase: 'finished', outcome: SUCCEEDED },
      { status: 'pending-eval' },
      'close settled',
    ],
  ] as const)('%s: %p', (_when, more, taskMore, expected) => {
    expect(asked(more, taskMore, false)).toBe(expected);
  });
});

describe('while it runs, someone says …', () => {
  test.each([
    [ours, 'nothing'],
    [{ status: 'done', assigned: 'agent-1' }, 'stop overruled'],
    [{ status: 'failed', assigned: 'agent-1' }, 'stop overruled'],
    [{ status: 'abandoned' }, 'stop overruled'],
    [{ status: 'pending-eval' }, 'stop overruled'],
    [{ status: 'pending-validation' }, 'stop overruled'],
    [{ status: 'failed-pending-eval' }, 'stop overruled'],
    [{ status: 'waiting', assigned: 'agent-1' }, 'stop overruled'],
    [{ status: 'incomplete' }, 'stop overruled'],
    [{ status: 'open' }, 'stop lost-claim'],
    [{ status: 'open', assigned: 'agent-1' }, 'stop lost-claim'],
    [{ status: 'blocked' }, 'stop lost-claim'],
    [{ status: 'in-progress', assigned: 'agent-2' }, 'stop lost-claim'],
    [{ status: 'in-progress' }, 'stop lost-claim'],
    [null, 'stop lost-claim'],
  ] as const)('%j: %s', (taskMore, expected) => {
    expect(asked({ phase: 'started' }, taskMore, true)).toBe(expected);
    expect(asked({ phase: 'handed-off' }, taskMore, true)).toBe(expected);
    // Its process may live on though no one attends to it.
    if (expected !== 'nothing') expect(asked({ phase: 'started' }, taskMore, false)).toBe(expected);
  });

  test('a run that is just being claimed is not disturbed', () => {
    expect(asked({ phase: 'opened', agent: '' }, {}, true)).toBe('nothing');
    expect(asked({ phase: 'claimed' }, ours, true)).toBe('nothing');
    expect(asked({ phase: 'claimed' }, {}, true)).toBe('stop lost-claim');
  });
});

describe('a run that has finished', () => {
  test('never denies what the graph says', () => {
    const finished = { phase: 'finished', outcome: SUCCEEDED } as const;
    expect(asked(finished, { status: 'failed' }, true)).toBe('close settled');
    expect(asked(finished, {}, true)).toBe('close overruled');
    expect(asked(finished, null, true)).toBe('close overruled');
    expect(asked(finished, { status: 'in-progress', assigned: 'agent-9' }, true)).toBe('close superseded');
  });
  test('without a result gives the task back', () => {
    const stopped: Outcome = { kind: 'stopped', reason: 'shutdown' };
    expect(asked({ phase: 'finished', outcome: stopped }, ours, false)).toBe('release');
    expect(asked({ phase: 'finished', outcome: null }, ours, false)).toBe('release');
  });
});

describe('nothing is done', () => {
  test('about a graph that cannot be read, or is not there', () => {
    const problem = { code: 'missing', message: 'gone' } as const;
    const graph = graphView('g', []);
    const broken = { ...graph, snapshot: snapshot(graph.graph, [], { problem }) };
    for (const phase of RUN_PHASES) {
      const runs = [run('g', 'a', { phase })];
      expect(reconcileRuns(world([broken], { runs })).actions).toEqual([]);
      expect(reconcileRuns(world([], { runs })).actions).toEqual([]);
    }
  });
  test('about a run that is closed', () => {
    for (const phase of ['settled', 'abandoned', 'interrupted', 'superseded', 'overruled'] as const)
      expect(asked({ phase }, ours, false)).toBe('nothing');
  });
});

test('a task that was deleted and created again is another one', () => {
  const more = { phase: 'started', taskCreatedAt: '2027-01-01T00:00:00Z' } as const;
  expect(asked(more, { ...ours, createdAt: '2027-01-01T00:00:00Z' }, true)).toBe('nothing');
  expect(asked(more, { ...ours, createdAt: '2027-02-01T00:00:00Z' }, true)).toBe('stop lost-claim');
  expect(
    asked(
      { ...more, phase: 'finished', outcome: SUCCEEDED },
      { status: 'done', createdAt: '2027-02-01T00:00:00Z' },
      false,
    ),
  ).toBe('close overruled');
});

describe('property: applied to its own result it asks for nothing', () => {
  const outcomes: readonly (Outcome | null)[] = [
    SUCCEEDED,
    FAILED,
    { kind: 'stopped', reason: 'cancelled' },
    { kind: 'deferred', code: 'quota', because: 'x', scope: 'account' },
    null,
  ];
  const agents = fc.constantFrom('agent-1', 'agent-2', '');
  const runs = fc.record({
    phase: fc.constantFrom(...RUN_PHASES),
    agent: agents,
    outcome: fc.constantFrom(...outcomes),
    attended: fc.boolean(),
    taskCreatedAt: fc.constantFrom(null, '2027-01-01T00:00:00Z'),
  });
  const tasks = fc.option(
    fc.record({
      status: fc.constantFrom(...TASK_STATUSES),
      assigned: agents,
      createdAt: fc.constantFrom('2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z'),
    }),
  );

  test('whatever the ledger and the graph say', () => {
    fc.assert(
      fc.property(tasks, fc.array(runs, { minLength: 1, maxLength: 3 }), (taskMore, made) => {
        const present = taskMore === null ? [] : [task('a', { ...taskMore, assigned: taskMore.assigned })];
        const all = made.map((one, i) => run('g', 'a', { ...one, id: `run_${i}`, fence: i }));
        const attended = new Set(all.filter((_, i) => made[i]?.attended).map((one) => one.id));
        const doubts = new Map(all.map((one) => [one.id, NOW - 5000]));
        let now = world([graphView('g', present)], { runs: all, attended, doubts });
        let rounds = 0;
        for (let { actions } = reconcileRuns(now); actions.length > 0; { actions } = reconcileRuns(now)) {
          if (++rounds > 2)
            throw new Error(`still asks for ${actions.map((action) => action.kind).join(', ')}`);
          now = actions.reduce(applied, now);
        }
        for (const one of now.runs.filter(isOpenRun)) {
          const found = now.graphs[0]?.snapshot.tasks.get('a');
          // What stays open is work that continues, or is being begun.
          expect(now.attended.has(one.id)).toBe(true);
          if (one.phase !== 'opened') expect(found?.assigned).toBe(one.agent);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** A small dispatcher: what carrying out an action leaves behind. Like ours, it writes only while the task is the run's. */
function applied(before: World, action: Action): World {
  const close = (one: Run): World => ({
    ...before,
    runs: before.runs.filter((other) => other.id !== one.id),
  });
  switch (action.kind) {
    case 'attend':
      return { ...before, attended: new Set([...before.attended, action.run.id]) };
    case 'stop':
    case 'close':
      return close(action.run);
    case 'release':
      return patched(close(action.run), action.run, (found) =>
        releasePatch({ task: found, agent: action.run.agent, now: NOW, because: action.because }),
      );
    case 'settle':
      return patched(close(action.run), action.run, (found) =>
        settlePatch({
          task: detail('a', found),
          outcome: action.outcome,
          agent: action.run.agent,
          now: NOW,
          retry: null,
          hasOpenEvaluation: false,
        }),
      );
    default:
      return before;
  }
}

function patched(before: World, one: Run, patch: (found: Task) => TaskPatch): World {
  const [view] = before.graphs;
  const found = view?.snapshot.tasks.get('a');
  if (!view || !found || found.status !== 'in-progress' || found.assigned !== one.agent) return before;
  const { fields } = patch(found);
  const { assigned, ...rest } = found;
  const after: Task = {
    ...rest,
    status: fields.status as Task['status'],
    ...('assigned' in fields || assigned === undefined ? {} : { assigned }),
  };
  return { ...before, graphs: [{ ...view, snapshot: snapshot(view.graph, [after]) }] };
}
