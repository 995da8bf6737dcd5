// What carrying runs takes from the rest of the house. All of it is handed in.

import type { Config } from '../domain/config.ts';
import type { ExecutorType, Profile } from '../domain/profile.ts';
import type { Worktree } from '../domain/worktree.ts';
import type { Executor } from '../executors/executor.ts';
import type { EditSession } from '../graph/store.ts';
import type { CompletionGate } from '../graphs/completion-gate.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Bus } from '../platform/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Identity, RunTokens } from '../platform/identity.ts';
import type { Log } from '../platform/log.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { Standing } from '../worktrees/standing.ts';
import type { CallbackAddress } from './assignment.ts';

/** What carrying runs takes. */
export interface RunnerParts {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly executors: ReadonlyMap<ExecutorType, Executor>;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly tokens: RunTokens;
  readonly bus: Bus;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string>>;
  /** By which this supervisor's runs are told from another's. */
  readonly stateDir: string;
  config(): Config;
  /** Where agents report back to; opens TCP when the profile needs it. */
  callback(profile: Profile): Promise<CallbackAddress>;
  /** The commit and branch that a worktree stands on at this moment. */
  standing(worktree: Pick<Worktree, 'path' | 'head' | 'branch'>): Promise<Standing>;
  /** Judges a task on the fresh bytes with the same predicate as readiness; null: nothing against it. */
  refuseClaim(graph: SupervisedGraph, draft: EditSession, task: string): string | null;
  /** What a success passes before it is written; absent: everything is written natively. */
  readonly gate?: CompletionGate;
  /** What the end of a task means for others, in the same write. */
  afterEnd?(graph: SupervisedGraph, draft: EditSession, task: string): void;
  /** Asks for a tick: something came to an end. */
  wake(why: string): void;
}
