// The legal moves of a run's phase, and their effect on the run. Pure: the ledger records them.

import { isOpenRun, type Run, type RunPhase } from '../domain/run.ts';
import type { RunFacts } from './run-row.ts';

/**
 * From each phase, the phases it may go to:
 *
 *     opened      claimed · abandoned
 *     claimed     started · handed-off · finished · abandoned
 *     started     handed-off · finished
 *     handed-off  finished
 *     finished    settled
 *
 * `claimed` may skip `started`: an executor may hand the work off, or learn that it has finished, before any process
 * ran. Besides, every open run may be superseded (a newer fence) or overruled (the graph moved on), and every open
 * run whose outcome is unknown may be interrupted; a known outcome is never replaced by an unknown one.
 */
const ONWARD: Readonly<Partial<Record<RunPhase, readonly RunPhase[]>>> = {
  opened: ['claimed', 'abandoned'],
  claimed: ['started', 'handed-off', 'finished', 'abandoned'],
  started: ['handed-off', 'finished'],
  'handed-off': ['finished'],
  finished: ['settled'],
};

/** Whether a run may go from one phase to another. Staying is always legal. */
export function mayMove(from: RunPhase, to: RunPhase): boolean {
  if (from === to) return true;
  if (!isOpenRun({ phase: from })) return false;
  if (to === 'superseded' || to === 'overruled') return true;
  if (to === 'interrupted') return from !== 'finished';
  return ONWARD[from]?.includes(to) ?? false;
}

/**
 * The run after the move, with its new facts. An illegal move, or `finished` without an outcome, is a bug and throws.
 * The first outcome counts: a later one does not overwrite it.
 */
export function moved(run: Run, to: RunPhase, facts: RunFacts, now: number): Run {
  if (!mayMove(run.phase, to)) throw new Error(`run ${run.id} cannot go from ${run.phase} to ${to}`);
  const outcome = run.outcome ?? facts.outcome ?? null;
  if (outcome === null && (to === 'finished' || to === 'settled'))
    throw new Error(`run ${run.id} cannot be ${to} without an outcome`);
  const begins = to === 'started' || to === 'handed-off';
  const ends = to === 'finished' || !isOpenRun({ phase: to });
  return {
    ...run,
    agent: facts.agent ?? run.agent,
    process: facts.process === undefined ? run.process : facts.process,
    folder: facts.folder === undefined ? run.folder : facts.folder,
    reference: facts.reference === undefined ? run.reference : facts.reference,
    deadlineAt: facts.deadlineAt === undefined ? run.deadlineAt : facts.deadlineAt,
    startedAt: facts.startedAt ?? run.startedAt ?? (begins ? now : null),
    finishedAt: run.finishedAt ?? facts.finishedAt ?? (ends ? now : null),
    outcome,
    phase: to,
  };
}
