import { describe, expect, test } from '@jest/globals';
import { isOpenRun, RUN_PHASES, type Run, type RunPhase } from '../../src/domain/run.ts';
import { mayMove, moved } from '../../src/runs/run-moves.ts';

/** The whole table, written out by hand so that a slip in the rules shows. */
const LEGAL: Record<RunPhase, RunPhase[]> = {
  opened: ['claimed', 'abandoned', 'interrupted', 'superseded', 'overruled'],
  claimed: ['started', 'handed-off', 'finished', 'abandoned', 'interrupted', 'superseded', 'overruled'],
  started: ['handed-off', 'finished', 'interrupted', 'superseded', 'overruled'],
  'handed-off': ['finished', 'interrupted', 'superseded', 'overruled'],
  finished: ['settled', 'superseded', 'overruled'],
  settled: [],
  abandoned: [],
  interrupted: [],
  superseded: [],
  overruled: [],
};

function run(phase: RunPhase): Run {
  return {
    id: 'r',
    graph: '/g',
    task: 't',
    taskCreatedAt: null,
    worktree: '/g',
    repo: '/g/.git',
    executor: 'default',
    type: 'claude',
    because: '',
    attempt: 1,
    fence: 1,
    agent: 'agent-1',
    phase,
    process: null,
    folder: null,
    reference: 'ref',
    deadlineAt: 50,
    occurrence: null,
    openedAt: 1,
    startedAt: null,
    finishedAt: null,
    outcome: null,
  };
}

describe('moves of a run', () => {
  test.each(RUN_PHASES)('from %s exactly the listed ones are legal, and staying', (from) => {
    const legal = RUN_PHASES.filter((to) => mayMove(from, to));
    expect(new Set(legal)).toEqual(new Set([from, ...LEGAL[from]]));
  });

  test('nothing leaves a phase in which the run has finished', () => {
    for (const from of RUN_PHASES)
      if (!isOpenRun({ phase: from }))
        expect(RUN_PHASES.filter((to) => to !== from && mayMove(from, to))).toEqual([]);
  });

  test('start and end are stamped once, and facts given outrank the stamp', () => {
    const started = moved(run('claimed'), 'started', {}, 10);
    expect(started).toMatchObject({ startedAt: 10, finishedAt: null });
    expect(moved(started, 'handed-off', {}, 20).startedAt).toBe(10);
    expect(moved(run('claimed'), 'started', { startedAt: 7 }, 10).startedAt).toBe(7);
    const over = moved(started, 'interrupted', {}, 30);
    expect(over.finishedAt).toBe(30);
    expect(moved(over, 'interrupted', {}, 40).finishedAt).toBe(30);
  });

  test('a fact that is absent keeps what is known, one that is null clears it', () => {
    expect(moved(run('claimed'), 'started', {}, 1)).toMatchObject({ reference: 'ref', deadlineAt: 50 });
    expect(moved(run('claimed'), 'started', { reference: null, deadlineAt: null }, 1)).toMatchObject({
      reference: null,
      deadlineAt: null,
    });
  });
});
