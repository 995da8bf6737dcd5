// Claims and releases of tasks, through wg where only wg may write them.

import type { Run } from '../domain/run.ts';
import type { GraphStore } from '../graph/store.ts';
import type { CompletionGate } from '../graphs/completion-gate.ts';
import { claimInGraph, type GraphWrite, kept, releaseInGraph } from '../graphs/task-writes.ts';

/** Releases a task, through wg if only wg may write it. */
export async function releaseTask(
  gate: CompletionGate,
  store: GraphStore,
  run: Run,
  facts: Parameters<typeof releaseInGraph>[2],
): Promise<GraphWrite> {
  const task = store.snapshot().tasks.get(run.task);
  if (task && task.foreignKeys.length > 0) {
    if (task.status === 'in-progress' && task.assigned === run.agent) await gate.release(store, run.task);
    return kept(run, store.detail(run.task));
  }
  return await releaseInGraph(store, run, facts);
}

/** Claims the task for the run, through wg if only wg may write it. Null: claimed; else the reason why not. */
export async function claimTask(
  gate: CompletionGate,
  store: GraphStore,
  run: Run,
  agent: string,
  facts: Parameters<typeof claimInGraph>[3],
  refuse: Parameters<typeof claimInGraph>[4],
): Promise<string | null> {
  const claim = await claimInGraph(store, run, agent, facts, refuse);
  if (claim.because !== null || !claim.byWg) return claim.because;
  return await gate.claim(store, run.task, agent);
}
