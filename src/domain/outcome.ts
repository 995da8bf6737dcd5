// What came of a run. Work may fail: that is news, not an error, so outcomes are values and are never thrown.

/**
 * Why work failed. A closed list: people write retry rules against it.
 * - `exit`           the program ended with a status other than 0 (product)
 * - `reported`       the agent itself said that it failed (product)
 * - `timeout`        the attempt's time ran out
 * - `silent`         no sign of life past the profile's silence_timeout
 * - `interrupted`    the process vanished without an exit status (infrastructure)
 * - `unreachable`    the endpoint could not be reached or kept answering that it cannot just now (infrastructure)
 * - `refused`        the endpoint refused the request for good (product)
 * - `rate-limited`   the account's quota is used up (quota)
 * - `provider`       the model provider failed (infrastructure)
 */
export type FailureKind =
  | 'exit'
  | 'reported'
  | 'timeout'
  | 'silent'
  | 'interrupted'
  | 'unreachable'
  | 'refused'
  | 'rate-limited'
  | 'provider';

/**
 * Why a run was ended from outside. A closed list.
 * - `cancelled`   a person or the API asked for it
 * - `shutdown`    the supervisor stops and was told to end its agents
 * - `lost-claim`  the graph says that the task is no longer ours
 * - `overruled`   the graph says that the task is finished
 * - `replaced`    its next occurrence is due, and its schedule says `overlap = "replace"`
 * - `completed`   the result arrived by another way while the process still ran
 * - `timeout`, `silent`  its time ran out
 * - `detached`    not ended at all: this supervisor stops attending, the next one takes the run up
 */
export type StopReason =
  | 'cancelled'
  | 'shutdown'
  | 'lost-claim'
  | 'overruled'
  | 'replaced'
  | 'completed'
  | 'timeout'
  | 'silent'
  | 'detached';

/** Tokens and money that one run used, as far as its executor knows. */
export interface Usage {
  readonly costUsd?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cacheReadInputTokens?: number;
  readonly cacheCreationInputTokens?: number;
  readonly turns?: number;
  readonly durationMs?: number;
}

export interface Succeeded {
  readonly kind: 'succeeded';
  readonly summary?: string;
  /** Any JSON value; kept with the task. */
  readonly artifacts?: unknown;
  /** Who reported it, where that is not the run's own agent. */
  readonly by?: string;
  readonly usage?: Usage;
}

export interface Failed {
  readonly kind: 'failed';
  readonly failure: FailureKind;
  readonly message: string;
  /** Whether trying again could help. */
  readonly retryable: boolean;
  /** When the other side wants to be tried again at the earliest, ms; absent: it did not say. */
  readonly notBefore?: number;
  /** Who reported it, where that is not the run's own agent. */
  readonly by?: string;
  readonly exitCode?: number;
  readonly usage?: Usage;
}

export interface Stopped {
  readonly kind: 'stopped';
  readonly reason: StopReason;
  /** What whoever stopped it said of it. */
  readonly because?: string;
  readonly usage?: Usage;
}

/** Not begun, or given back: costs no attempt. Without `until` something must change first (a missing program). */
export interface Deferred {
  readonly kind: 'deferred';
  /** Code of the hold, e.g. `executor-unavailable`, `quota`. */
  readonly code: string;
  readonly because: string;
  /** ms since the epoch, when known. */
  readonly until?: number;
  /** `task`: only this one; `profile`: everything of its profile; `account`: everything of its account. */
  readonly scope: 'task' | 'profile' | 'account';
}

export type Outcome = Succeeded | Failed | Stopped | Deferred;
