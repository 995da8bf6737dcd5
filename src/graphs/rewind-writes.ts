// Writes again what an older state of a graph lost: a claim, or a result. Judged on the fresh bytes, under the lock:
// what came back meanwhile, or was decided by a person, is left unchanged.

import { isOurs, isSameTask } from '../decide/reconcile/reconcile.ts';
import { cameBack, enderOf, lastMark, lossOf } from '../decide/reconcile/rewind.ts';
import { claimPatch, settlePatch } from '../decide/settle.ts';
import { logLine } from '../decide/wg-spelling.ts';
import type { KnownResult, KnownResults } from '../decide/world.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import { isHold } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import { isTerminal } from '../domain/task.ts';
import type { EditSession, GraphStore } from '../graph/store.ts';
import type { SupervisedGraph } from './supervised-graphs.ts';
import { applyPatch } from './task-writes.ts';

/** Claims a rewound task for its run again. Returns whether anything was written. */
export function reclaimInGraph(store: GraphStore, run: Run, now: number): Promise<boolean> {
  return store.change((draft) => {
    const task = draft.detail(run.task);
    const claimedAt = run.startedAt;
    if (!task || claimedAt === null || isOurs(task, run) || !isSameTask(task, run)) return false;
    if (task.foreignKeys.length > 0 || lossOf(run, task) !== 'rewound') return false;
    const external = isHold(run.type);
    // With the instant of the first claim: the line then has the mark by which the run knows its claim.
    const claim = claimPatch({
      task,
      agent: run.agent,
      now: claimedAt,
      executorName: run.executor,
      external,
    });
    applyPatch(draft, run.task, claim);
    const words = `Claim of ${run.agent} written again: an older state of the graph had come back`;
    draft.appendLog(run.task, logLine(now, 'supervisor', words));
    return true;
  });
}

/** Writes a known result into an older line. Returns the line's new mark; null: nothing was written. */
export function restoreInGraph(
  graph: Pick<SupervisedGraph, 'path' | 'settings' | 'store'>,
  known: KnownResult,
  outcome: Succeeded | Failed,
  isSameContent: KnownResults['isSameContent'],
  now: number,
  /** Its consequences for other tasks, in the same write. */
  after: (draft: EditSession) => void = () => {},
): Promise<string | null> {
  const { path, settings, store } = graph;
  return store.change((draft) => {
    const task = draft.detail(known.task);
    const back = task && cameBack(known, { graph: path, settings }, task, () => task, isSameContent);
    if (!task || !back?.isProven) return null;
    const evaluation = draft.snapshot.tasks.get(`.evaluate-${known.task}`);
    const { fields, log } = settlePatch({
      task,
      outcome,
      agent: outcome.by ?? (known.agent || 'supervisor'),
      now,
      retry: null,
      hasOpenEvaluation: evaluation !== undefined && !isTerminal(evaluation.status),
    });
    applyPatch(draft, known.task, {
      fields: { ...fields, ...(known.run === '' ? {} : { assigned: known.agent }) },
      log,
    });
    const words = `Result of ${enderOf(known)} written again: an older state of the graph had come back`;
    draft.appendLog(known.task, logLine(now, 'supervisor', words));
    after(draft);
    const written = draft.detail(known.task);
    return written ? lastMark(written) : '';
  });
}
