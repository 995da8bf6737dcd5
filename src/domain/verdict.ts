// For every task: what is to be said of it just now, and because of what. `status` and `why` show nothing else.

import type { TaskRef } from './ids.ts';

/**
 * - `running`    a run of ours, or somebody else's claim, is on it
 * - `ready`      it starts now
 * - `queued`     ready, but a limit has no room (code names the limit)
 * - `scheduled`  waits for an instant
 * - `waiting`    waits for other tasks, or for wg's own machinery
 * - `held`       something must be put right first
 * - `paused`     a draft or paused by a person
 * - `copy`       another worktree dispatches the same task
 * - `finished`   done, failed or abandoned
 */
export const VERDICT_STATES = [
  'running',
  'ready',
  'queued',
  'scheduled',
  'waiting',
  'held',
  'paused',
  'copy',
  'finished',
] as const;
export type VerdictState = (typeof VERDICT_STATES)[number];

/** One condition that was looked at, for `why`. */
export interface Condition {
  readonly name: string;
  readonly met: boolean;
  readonly because: string;
}

export interface Verdict extends TaskRef {
  readonly state: VerdictState;
  /** Stable word for programs, e.g. `machine-limit`, `dependency`, `no-profile`. */
  readonly code: string;
  /** One sentence for people. */
  readonly because: string;
  /** When it will be looked at next at the latest, ms; null: when something changes. */
  readonly nextAt: number | null;
  /** Name of the profile that would run it, where a route exists. */
  readonly executor: string | null;
}
