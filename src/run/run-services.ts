// The services that carrying out runs needs. All of them are passed in.

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

/** The services that carrying out runs needs. */
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
  /** Distinguishes this supervisor's runs from another's. */
  readonly stateDir: string;
  config(): Config;
  /** The address agents report to; opens TCP if the profile needs it. */
  callback(profile: Profile): Promise<CallbackAddress>;
  /** The commit and branch that a worktree is at now. */
  standing(worktree: Pick<Worktree, 'path' | 'head' | 'branch'>): Promise<Standing>;
  /** Judges a task on the fresh bytes with the same predicate as readiness; null: it may start. */
  refuseClaim(graph: SupervisedGraph, draft: EditSession, task: string): string | null;
  /** What a success must pass before it is written; absent: everything is written natively. */
  readonly gate?: CompletionGate;
  /** What a finished task means for others, in the same write. */
  afterEnd?(graph: SupervisedGraph, draft: EditSession, task: string): void;
  /** Requests a tick: a run finished. */
  wake(why: string): void;
}
