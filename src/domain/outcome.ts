// The outcome of a run. Failed work is expected, so outcomes are values and are never thrown.

/**
 * Why work failed. A closed list: retry rules are written against it.
 * - `exit`           the program exited with a status other than 0 (product)
 * - `reported`       the agent itself reported failure (product)
 * - `timeout`        the attempt's time ran out
 * - `silent`         no output or heartbeat within the profile's silence_timeout
 * - `interrupted`    the process vanished without an exit status (infrastructure)
 * - `unreachable`    the endpoint could not be reached or kept answering that it is unavailable (infrastructure)
 * - `refused`        the endpoint refused the request for good (product)
 * - `rate-limited`   the account's quota is used up (quota)
 * - `provider`       the model provider failed (infrastructure)
 */
export const FAILURE_KINDS = [
  'exit',
  'reported',
  'timeout',
  'silent',
  'interrupted',
  'unreachable',
  'refused',
  'rate-limited',
  'provider',
] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/**
 * Why a run was stopped. A closed list.
 * - `cancelled`   a person or the API asked for it
 * - `shutdown`    the supervisor stops and was asked to stop its agents
 * - `lost-claim`  the graph says that the task is no longer the run's
 * - `overruled`   the graph says that the task is finished
 * - `replaced`    its next occurrence is due, and its schedule says `overlap = "replace"`
 * - `budget`      a budget that says so is spent
 * - `completed`   the result arrived another way while the process still ran
 * - `timeout`, `silent`  its time ran out
 * - `detached`    not stopped at all: this supervisor stops attending, the next one reattaches
 */
export type StopReason =
  | 'cancelled'
  | 'shutdown'
  | 'lost-claim'
  | 'overruled'
  | 'replaced'
  | 'budget'
  | 'completed'
  | 'timeout'
  | 'silent'
  | 'detached';

/** Tokens and money that one run used, as far as its executor reports them. */
export interface Usage {
  readonly costUsd?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cacheReadInputTokens?: number;
  readonly cacheCreationInputTokens?: number;
  readonly turns?: number;
  readonly durationMs?: number;
}

/** The sum of two usage counts. */
export function sumUsage(so: Usage, more: Usage): Usage {
  const sum: { -readonly [K in keyof Usage]: Usage[K] } = { ...so };
  for (const [key, value] of Object.entries(more) as [keyof Usage, number | undefined][])
    if (value !== undefined) sum[key] = (sum[key] ?? 0) + value;
  return sum;
}

/** A usage count without what was counted before. */
export function lessUsage(all: Usage, before: Usage): Usage {
  const rest: { -readonly [K in keyof Usage]: Usage[K] } = { ...all };
  for (const [key, value] of Object.entries(before) as [keyof Usage, number | undefined][])
    if (value !== undefined && rest[key] !== undefined) rest[key] = Math.max(0, rest[key] - value);
  return rest;
}

export interface Succeeded {
  readonly kind: 'succeeded';
  readonly summary?: string;
  /** Any JSON value; kept with the task. */
  readonly artifacts?: unknown;
  /** The reporter, if not the run's own agent. */
  readonly by?: string;
  readonly usage?: Usage;
}

export interface Failed {
  readonly kind: 'failed';
  readonly failure: FailureKind;
  readonly message: string;
  /** What the agent reported before a gate refused it. */
  readonly summary?: string;
  /** Whether retrying could help. */
  readonly retryable: boolean;
  /** The earliest retry that the other side allows, ms; absent: not given. */
  readonly notBefore?: number;
  /** The reporter, if not the run's own agent. */
  readonly by?: string;
  readonly exitCode?: number;
  readonly usage?: Usage;
}

export interface Stopped {
  readonly kind: 'stopped';
  readonly reason: StopReason;
  /** The reason given by the stopping side. */
  readonly because?: string;
  readonly usage?: Usage;
}

/** What an account may lack, for all that is billed to it. */
export const ACCOUNT_CODES = ['quota', 'provider'] as const;

/** That a worker's account lacks something, and until when, ms; absent: not known. */
export interface AccountLack {
  readonly code: (typeof ACCOUNT_CODES)[number];
  readonly until?: number;
}

/** The account's part of why a run was not done; null: it is about something else. */
export function accountLack({ code, scope, until }: Deferred): AccountLack | null {
  const known = ACCOUNT_CODES.find((one) => one === code);
  if (scope !== 'account' || known === undefined) return null;
  return { code: known, ...(until === undefined ? {} : { until }) };
}

/** Not started, or released: costs no attempt. Without `until`, something must change first (a missing program). */
export interface Deferred {
  readonly kind: 'deferred';
  /** Code of the block, e.g. `executor-unavailable`, `quota`. */
  readonly code: string;
  readonly because: string;
  /** ms since the epoch, when known. */
  readonly until?: number;
  /** `task`: only this one; `profile`: everything of its profile; `account`: everything of its account. */
  readonly scope: 'task' | 'profile' | 'account';
}

export type Outcome = Succeeded | Failed | Stopped | Deferred;
