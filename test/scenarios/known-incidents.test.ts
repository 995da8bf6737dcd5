// Ways in which daemons that dispatch task graphs are known to have gone wrong, and what is decided here in the same
// place. The data are ours; each case is one moment, put before the decision that it concerns.
//
// Two have no case, because they cannot happen here: tasks that are archived in a batch no one asked for (nothing is ever
// archived here; what is left of another's archiving is under "what is waited for"), and a conversation that is made twice
// because an old daemon's answer was lost (there are no conversations; a claim whose answer was lost has its case).

import { describe, expect, test } from '@jest/globals';
import { decide } from '../../src/decide/decide.ts';
import { verifyFailedPatch } from '../../src/decide/readiness/completion-need.ts';
import { assessReadiness } from '../../src/decide/readiness/readiness.ts';
import { orphans, type RegisteredAgent } from '../../src/decide/reconcile/orphans.ts';
import { reconcileRuns } from '../../src/decide/reconcile/reconcile.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { Run } from '../../src/domain/run.ts';
import type { Task } from '../../src/domain/task.ts';
import { moved } from '../../src/runs/run-moves.ts';
import { detail, graphView, NOW, run, task, view, world } from '../support/tasks.ts';

const SUCCEEDED: Outcome = { kind: 'succeeded', summary: 'made it' };
const OURS: Partial<Task> = { status: 'in-progress', assigned: 'agent-1' };
const COMMAND: Partial<Task> = { exec: 'true' };

/** What is done about one run of task `a`. */
function about(more: Partial<Run>, taskMore: Partial<Task>, attended = true): readonly object[] {
  const one = run('g', 'a', more);
  const { actions } = reconcileRuns(
    world([graphView('g', [task('a', taskMore)])], {
      runs: [one],
      attended: new Set(attended ? [one.id] : []),
      // Whatever is missing is missing for long enough.
      doubts: new Map([[one.id, NOW - 5000]]),
    }),
  );
  return actions;
}

/** The tasks that are begun now. */
function begun(tasks: readonly Task[], runs: readonly Run[] = []): string[] {
  const { actions } = decide(
    world([graphView('g', tasks)], { runs, attended: new Set(runs.map(({ id }) => id)) }),
  );
  return actions.flatMap((action) => (action.kind === 'dispatch' ? [action.plan.task] : []));
}

const entry = (id: string, more: Partial<RegisteredAgent> = {}): [string, RegisteredAgent] => [
  id,
  { id, pid: 4711, status: 'working', started_at: new Date(NOW - 60_000).toISOString(), ...more },
];
const left = (assigned: string, agents: readonly [string, RegisteredAgent][], live: boolean) =>
  orphans([{ ...task('a', { status: 'in-progress', assigned }) }], new Map(agents), {
    now: NOW,
    isOurs: () => false,
    isLive: () => live,
  }).map(({ agent }) => agent);

describe('an owner that is gone, and one that is not', () => {
  test('the claim of a dead owner is released', () => {
    expect(left('agent-1', [entry('agent-1')], false)).toEqual(['agent-1']);
  });

  test('that of a living one is not, whatever happened to an earlier owner of the same task', () => {
    const agents = [entry('agent-1', { status: 'dead' }), entry('agent-2')];
    expect(left('agent-2', agents, true)).toEqual([]);
  });

  test('a task that is opened under a running agent is not begun again before that agent is ended', () => {
    expect(about({ phase: 'started' }, { status: 'open' })).toMatchObject([
      { kind: 'stop', reason: 'lost-claim' },
    ]);
    expect(begun([task('a', COMMAND)], [run('g', 'a', { phase: 'started' })])).toEqual([]);
    expect(begun([task('a', COMMAND)])).toEqual(['a']);
  });

  test('a claim that was written before anything was started is released, and counts as no attempt', () => {
    expect(about({ phase: 'claimed' }, OURS, false)).toMatchObject([{ kind: 'release' }]);
  });

  test('a claim whose answer was lost is neither repeated nor kept', () => {
    expect(about({ phase: 'opened', agent: '' }, {}, false)).toMatchObject([
      { kind: 'close', phase: 'abandoned' },
    ]);
  });
});

describe('a folder that an earlier owner left', () => {
  test('is free for the next attempt once that owner is known to be gone, and not before', () => {
    const former = run('g', 'a', { id: 'former', phase: 'started' });
    const tasks = [task('a', COMMAND)];
    expect(begun(tasks, [former])).toEqual([]);
    expect(begun(tasks, [{ ...former, phase: 'interrupted' }])).toEqual(['a']);
  });
});

describe('a result that is known', () => {
  test('that of an agent which has ended is written as long as the task is still its own', () => {
    expect(about({ phase: 'finished', outcome: SUCCEEDED }, OURS, false)).toMatchObject([
      { kind: 'settle', outcome: SUCCEEDED },
    ]);
  });

  test('is not lost to a failure that comes later', () => {
    const finished = moved(run('g', 'a', { phase: 'started' }), 'finished', { outcome: SUCCEEDED }, NOW);
    const failed: Outcome = { kind: 'failed', failure: 'provider', message: 'gone', retryable: true };
    expect(moved(finished, 'settled', { outcome: failed }, NOW).outcome).toEqual(SUCCEEDED);
  });

  test('does not replace the work of the current assignee', () => {
    const others = { status: 'in-progress', assigned: 'agent-9' } as const;
    expect(about({ phase: 'finished', outcome: SUCCEEDED }, others)).toMatchObject([
      { kind: 'close', phase: 'superseded' },
    ]);
  });

  test('is judged by what the graph says now, when that moved while it was being written', () => {
    const done = { status: 'done', assigned: 'agent-1' } as const;
    expect(about({ phase: 'finished', outcome: SUCCEEDED }, done)).toMatchObject([
      { kind: 'close', phase: 'settled' },
    ]);
  });
});

describe('what is waited for', () => {
  test('a task that an agent parked until someone speaks is not begun because its time came', () => {
    expect(
      begun([task('a', { ...COMMAND, status: 'waiting', readyAfter: new Date(NOW - 1).toISOString() })]),
    ).toEqual([]);
  });

  test('a dependency that was archived out of the graph is named, not taken for done', () => {
    const readiness = assessReadiness(task('b', { after: ['a'] }), view([task('b', { after: ['a'] })]));
    expect(readiness).toMatchObject({ ready: false, because: 'waits for a, which does not exist' });
  });

  test('a dependency that was abandoned is not taken for done', () => {
    expect(begun([task('a', { status: 'abandoned' }), task('b', { ...COMMAND, after: ['a'] })])).toEqual([]);
  });

  test('a task is not begun while another program keeps a result of its own for it', () => {
    const kept = task('a', { ...COMMAND, foreignKeys: ['completion_candidate'] });
    expect(begun([kept])).toEqual([]);
    expect(assessReadiness(kept, view([kept]))).toMatchObject({ ready: false, code: 'needs-wg' });
  });

  test('a dependency that made no progress and failed is not taken for done', () => {
    expect(begun([task('a', { status: 'failed' }), task('b', { ...COMMAND, after: ['a'] })])).toEqual([]);
  });
});

describe('work that was judged', () => {
  test('a refused verification stays with the task and is counted; at the limit it needs a person', () => {
    const first = verifyFailedPatch(detail('a', { ...OURS }), 'not yet', 2, 'agent-1', NOW);
    expect(first.fields).toEqual({ verify_failures: 1 });
    const again = detail('a', { ...OURS, fields: { verify_failures: 1 } });
    expect(verifyFailedPatch(again, 'not yet', 2, 'agent-1', NOW).fields).toMatchObject({ status: 'failed' });
  });
});
