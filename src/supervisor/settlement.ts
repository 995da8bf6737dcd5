// Writing what came of a run into the graph, and nothing else: every write is conditional on the task still being
// the run's (in-progress and assigned to its agent). What the graph says outranks us.

import type { RetryDecision } from '../decide/retry.ts';
import { claimPatch, releasePatch, reopenPatch, settlePatch, type TaskPatch } from '../decide/settle.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import { isTerminal } from '../domain/task.ts';
import type { GraphDraft, GraphStore } from '../graph/store.ts';

/** Whether a write found the task as the run left it. */
export type GraphWrite =
  | { readonly kind: 'written'; readonly status: string }
  /** The task is no longer the run's; nothing was written. `status` is null when the task is gone. */
  | { readonly kind: 'kept'; readonly status: string | null; readonly assigned: string | null };

/** Applies a patch with its log line to a draft. */
export function applyPatch(draft: GraphDraft, task: string, patch: TaskPatch): void {
  draft.patch(task, patch.fields);
  if (patch.log) draft.appendLog(task, patch.log);
}

/** Makes the task the run's, when `refuse` (judged on the fresh bytes, under the lock) has nothing against it. */
export function claimInGraph(
  store: GraphStore,
  run: Run,
  agent: string,
  facts: { readonly executorName: string; readonly external: boolean; readonly now: number },
  refuse: (draft: GraphDraft) => string | null,
): Promise<{ readonly because: string | null }> {
  return store.change((draft) => {
    const because = refuse(draft);
    const task = draft.snapshot.tasks.get(run.task);
    if (because !== null || !task) return { because: because ?? 'the task is gone' };
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
  });
}

/** Gives the task back to the open ones, no attempt counted. */
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
  return whileOurs(store, run, (draft) => {
    const task = draft.detail(run.task);
    if (task) applyPatch(draft, run.task, releasePatch({ task, agent: run.agent, ...facts }));
  });
}

/** Opens a failed, incomplete, paused or abandoned task again, as `wg retry` does; other states are left alone. */
export function reopenInGraph(store: GraphStore, task: string, now: number): Promise<void> {
  return store.change((draft) => {
    const detail = draft.detail(task);
    if (!detail) return;
    const patch = reopenPatch({ task: detail, now });
    if (patch) applyPatch(draft, task, patch);
  });
}

function whileOurs(store: GraphStore, run: Run, write: (draft: GraphDraft) => void): Promise<GraphWrite> {
  return store.change((draft): GraphWrite => {
    const task = draft.snapshot.tasks.get(run.task);
    if (!task) return { kind: 'kept', status: null, assigned: null };
    if (task.status !== 'in-progress' || task.assigned !== run.agent)
      return { kind: 'kept', status: task.status, assigned: task.assigned ?? null };
    write(draft);
    return { kind: 'written', status: draft.snapshot.tasks.get(run.task)?.status ?? 'gone' };
  });
}
