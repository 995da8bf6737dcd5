// The current state of every task, and why. `status` and `why` show nothing else.

import type { TaskRef } from './ids.ts';

/**
 * - `running`    a run of the supervisor, or another program's claim, works on it
 * - `ready`      it starts now
 * - `queued`     ready, but a limit is reached (the code names it)
 * - `scheduled`  waits for an instant
 * - `waiting`    waits for other tasks, or for wg's agency
 * - `held`       a person must act first
 * - `paused`     a draft, or paused by a person
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

/** One condition that was judged, for `why`. */
export interface Condition {
  readonly name: string;
  readonly met: boolean;
  readonly because: string;
}

export interface Verdict extends TaskRef {
  readonly state: VerdictState;
  /** Stable code for programs, e.g. `machine-limit`, `dependency`, `no-profile`. */
  readonly code: string;
  /** One sentence for people. */
  readonly because: string;
  /** When it is judged again at the latest, ms; null: when something changes. */
  readonly nextAt: number | null;
  /** Name of the profile that would run it, if there is a route. */
  readonly executor: string | null;
}
