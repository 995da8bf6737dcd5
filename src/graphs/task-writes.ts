// Writes claims, outcomes and releases of a run into the graph, and nothing else: every write is conditional on the
// task still being the run's (in-progress and assigned to its agent). The graph takes precedence.

import { isSameTask } from '../decide/reconcile/reconcile.ts';
import { type Loss, lastMark, lossOf } from '../decide/reconcile/rewind.ts';
import type { RetryDecision } from '../decide/retry.ts';
import { claimPatch, releasePatch, reopenPatch, settlePatch, type TaskPatch } from '../decide/settle.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import { isTerminal, type Task, type TaskDetail } from '../domain/task.ts';
import type { EditSession, GraphStore } from '../graph/store.ts';

/** Whether a write found the task as the run left it. */
export type GraphWrite =
  | {
      readonly kind: 'written';
      readonly status: string;
      /** The mark that distinguishes the line from older ones from now on. */
      readonly mark: string;
    }
  /** The task is no longer the run's; nothing was written. `status` is null if the task is gone. */
  | {
      readonly kind: 'kept';
      readonly status: string | null;
      readonly assigned: string | null;
      readonly mark: string;
      /** How the task was lost. */
      readonly loss: Loss;
    };

/** Applies a patch with its log line to a draft. */
export function applyPatch(draft: EditSession, task: string, patch: TaskPatch): void {
  draft.patch(task, patch.fields);
  if (patch.log) draft.appendLog(task, patch.log);
}

/** Claims the task for the run, unless `refuse` (judged on the fresh bytes, under the lock) objects. */
export function claimInGraph(
  store: GraphStore,
  run: Run,
  agent: string,
  facts: { readonly executorName: string; readonly external: boolean; readonly now: number },
  refuse: (draft: EditSession) => string | null,
): Promise<{ readonly because: string | null; readonly byWg?: boolean }> {
  return store.change((draft) => {
    const because = refuse(draft);
    const task = draft.snapshot.tasks.get(run.task);
    if (because !== null || !task) return { because: because ?? 'the task is gone' };
    // If it may not be written natively, wg is asked to, outside the lock.
    if (task.foreignKeys.length > 0) return { because: null, byWg: true };
    applyPatch(draft, run.task, claimPatch({ task, agent, ...facts }));
    return { because: null };
  });
}

/** Writes an outcome that counts. */
export function settleInGraph(
  store: GraphStore,
  run: Run,
  outcome: Succeeded | Failed,
  facts: { readonly now: number; readonly retry: RetryDecision | null; readonly session?: string },
  /** Its consequences for other tasks, in the same write. */
  after: (draft: EditSession) => void = () => {},
): Promise<GraphWrite> {
  return whileOurs(store, run, (draft) => {
    const task = draft.detail(run.task);
    if (!task) return;
    const evaluation = draft.snapshot.tasks.get(`.evaluate-${run.task}`);
    applyPatch(
      draft,
      run.task,
      settlePatch({
        task,
        outcome,
        agent: outcome.by ?? run.agent,
        hasOpenEvaluation: evaluation !== undefined && !isTerminal(evaluation.status),
        ...facts,
      }),
    );
    after(draft);
  });
}

/** Reopens the task, no attempt counted. */
export function releaseInGraph(
  store: GraphStore,
  run: Run,
  facts: {
    readonly now: number;
    readonly because: string;
    readonly paused?: boolean;
    readonly failedStart?: boolean;
  },
): Promise<GraphWrite> {
  const write = (draft: EditSession) => {
    const task = draft.detail(run.task);
    if (task) applyPatch(draft, run.task, releasePatch({ task, agent: run.agent, ...facts }));
  };
  // A person's cancellation applies to an older line of it as well.
  return whileOurs(store, run, write, facts.paused === true);
}

/**
 * Reopens a failed, incomplete, paused or abandoned task, as `wg retry` does; other states are left unchanged, unless
 * they are older than the task's result.
 */
export function reopenInGraph(
  store: GraphStore,
  task: string,
  now: number,
  how: { readonly isRewound?: boolean; readonly doneToo?: boolean } = {},
): Promise<void> {
  return store.change((draft) => {
    const detail = draft.detail(task);
    if (!detail) return;
    if (detail.foreignKeys.length > 0) throw onlyByWg(detail, 'retry');
    const patch = reopenPatch({ task: detail, now, ...how });
    if (patch) applyPatch(draft, task, patch);
  });
}

/** The refusal to edit a task whose rules only wg knows. `verb`: the wg command that does it. */
export function onlyByWg(task: Pick<Task, 'id' | 'foreignKeys'>, verb: string): SupervisorError {
  return new SupervisorError(
    'graph',
    `${task.id} carries ${task.foreignKeys.join(', ')}, whose rules only wg knows`,
    { hint: `change it with wg itself: \`wg ${verb} ${task.id}\`` },
  );
}

function whileOurs(
  store: GraphStore,
  run: Run,
  write: (draft: EditSession) => void,
  alsoRewound = false,
): Promise<GraphWrite> {
  return store.change((draft): GraphWrite => {
    const task = draft.detail(run.task);
    if (!task || task.foreignKeys.length > 0) return kept(run, task);
    const isOurs = task.status === 'in-progress' && task.assigned === run.agent;
    const isRewound = alsoRewound && !isOurs && isSameTask(task, run) && lossOf(run, task) === 'rewound';
    if (!isOurs && !isRewound) return kept(run, task);
    write(draft);
    const after = draft.detail(run.task);
    return { kind: 'written', status: after?.status ?? 'gone', mark: after ? lastMark(after) : '' };
  });
}

/** The reason when nothing was written. */
export function kept(run: Run, task: TaskDetail | null): GraphWrite {
  if (!task) return { kind: 'kept', status: null, assigned: null, mark: '', loss: 'gone' };
  return {
    kind: 'kept',
    status: task.status,
    assigned: task.assigned ?? null,
    mark: lastMark(task),
    loss: isSameTask(task, run) ? lossOf(run, task) : 'decided',
  };
}
