// How the completion gate changes an outcome: a refused success is a failure, and what wg wrote itself is not written
// again.

import type { Failed, Succeeded } from '../domain/outcome.ts';
import { isForWorkers } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { GraphStore } from '../graph/store.ts';
import type { CompletionGate, Passed } from '../graphs/completion-gate.ts';
import { keepLargeOf } from '../graphs/large-results.ts';
import { claimInGraph, type GraphWrite, kept, releaseInGraph } from '../graphs/task-writes.ts';
import type { Registry } from '../wg/registry.ts';
import type { LiveRun } from './live-run.ts';

/** An outcome that may be recorded; `settledAs`: the graph has it already, with this status. */
export interface GatedOutcome {
  readonly outcome: Succeeded | Failed;
  readonly settledAs?: string;
}

/** Passes an executor's outcome through the gate. Meanwhile the run counts as declared: no one else may finish it. */
export async function gateOutcome(
  gate: CompletionGate,
  store: GraphStore | undefined,
  live: LiveRun,
  said: Succeeded | Failed,
): Promise<GatedOutcome> {
  if (!store) return { outcome: said };
  live.declared = said;
  const outcome = await keepLargeOf(said, store.graph);
  const { task, agent } = live.run;
  const passed =
    outcome.kind === 'succeeded'
      ? await gate.pass(store, task, outcome, agent, isForWorkers(live.run.type) ? 'worker' : 'us')
      : await gate.fail(store, task, outcome, agent);
  return gated(passed, outcome);
}

/**
 * A killed agent may have been killed by `wg kill`, which says so in the graph only afterwards, holding the
 * registry's lock all the while: waits for it, so that the kill is not mistaken for a failure of the work.
 */
export async function awaitKiller(
  registry: Registry,
  agent: string,
  outcome: Succeeded | Failed,
): Promise<void> {
  if (outcome.kind !== 'failed' || agent === '') return;
  const killed = outcome.failure === 'interrupted' || (outcome.exitCode ?? 0) > 128;
  if (!killed) return;
  await registry.update([{ agent }]).catch(() => {
    // The registry cannot be locked or read: then the exit status is all there is.
  });
}

/** An outcome after the gate. */
export function gated(passed: Passed | null, outcome: Succeeded | Failed): GatedOutcome {
  switch (passed?.kind) {
    case undefined:
    case 'native':
      return { outcome };
    case 'by-wg':
      return { outcome, settledAs: passed.status };
    case 'refused':
      return {
        outcome: {
          kind: 'failed',
          failure: 'reported',
          message: passed.because,
          retryable: true,
          ...(outcome.usage ? { usage: outcome.usage } : {}),
        },
      };
  }
}

/** Releases a task, through wg if only wg may write it. */
export async function giveBack(
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
