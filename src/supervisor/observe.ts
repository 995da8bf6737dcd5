// Gathers graphs, runs, schedules, pauses and the time into one plain World. Reads nothing from disk itself.

import type { GraphHold, PeerStatuses, World } from '../decide/world.ts';
import type { Config } from '../domain/config.ts';
import type { RunId, TaskKey } from '../domain/ids.ts';
import type { Run } from '../domain/run.ts';
import { type SupervisedGraphs, viewOf } from '../graphs/supervised-graphs.ts';
import type { LedgerView } from '../runs/ledger.ts';

/** The world as it is now. `standstill` says why nothing at all is dispatched, null if dispatching is allowed. */
export function observeWorld(parts: {
  readonly now: number;
  readonly config: Config;
  readonly graphs: SupervisedGraphs;
  /** Null: no ledger, as for one-shot commands on a machine where no supervisor ever ran. */
  readonly ledger: LedgerView | null;
  readonly attended: ReadonlySet<RunId>;
  /** Those that yielded their slot. */
  readonly waiting?: ReadonlySet<RunId>;
  readonly endingTasks: ReadonlySet<TaskKey>;
  /** Runs whose task has finished but whose process has not exited. */
  readonly ending?: readonly Run[];
  readonly peers: PeerStatuses;
  readonly dispatchBlocked: GraphHold | null;
  readonly workers?: World['workers'];
  /** Null or absent: not known. */
  readonly machine?: World['machine'] | null;
  /** From the last decision. */
  readonly doubts?: ReadonlyMap<string, number>;
}): World {
  const { ledger } = parts;
  return {
    now: parts.now,
    config: parts.config,
    graphs: parts.graphs.all().map(viewOf),
    runs: withWaiting(ledger?.openRuns() ?? [], parts),
    attended: parts.attended,
    endingTasks: parts.endingTasks,
    ending: parts.ending ?? [],
    schedules: ledger?.scheduleMemory() ?? new Map(),
    // Expired ones, too: after a pause of a profile or an account one task tries first.
    pauses: ledger?.pauses() ?? [],
    peers: parts.peers,
    dispatchBlocked: parts.dispatchBlocked,
    ...(ledger ? { results: ledger.results() } : {}),
    ...(parts.workers ? { workers: parts.workers } : {}),
    ...(parts.machine ? { machine: parts.machine } : {}),
    ...(ledger && parts.config.budgets?.length ? { spending: ledger.spending() } : {}),
    ...(parts.doubts ? { doubts: parts.doubts } : {}),
  };
}

/** A run whose graph is gone uses no slot either: nothing could free it. */
function withWaiting(
  runs: readonly Run[],
  { waiting, graphs }: { readonly waiting?: ReadonlySet<RunId>; readonly graphs: SupervisedGraphs },
): readonly Run[] {
  const waits = (run: Run) => waiting?.has(run.id) || !graphs.get(run.graph);
  return runs.some(waits) ? runs.map((run) => (waits(run) ? { ...run, waits: true } : run)) : runs;
}
