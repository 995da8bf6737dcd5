// What a run's outcome means for the next attempt: one rule for each kind of failure. Uses neither clock nor
// randomness; the caller passes both.

import { isAgentType } from '../domain/agent-cli.ts';
import type { RetryPolicy } from '../domain/config.ts';
import type { Failed, FailureKind, Outcome, StopReason } from '../domain/outcome.ts';
import { runsHere } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import { instantText } from './instant.ts';

/**
 * How often in a row an agent may vanish without a report before its task is parked: it costs no attempt, but must
 * not repeat for ever.
 */
export const VANISHED_AT_MOST = 3;
/** The same for a task whose start crashes the supervisor itself. */
export const NEVER_STARTED_AT_MOST = 10;
/** The same for a task that was taken from its agent, or that changed state while it worked (`wg wait` does this). */
export const LOST_AT_MOST = 5;
export const OVERRULED_AT_MOST = 10;
/** From the second time in a row, a task taken from its agent backs off; the delay doubles up to the maximum, ms. */
const LOST_REST_MS = 10_000;
const LONGEST_LOST_REST_MS = 5 * 60_000;

/** Backoff of a task that was taken from its agents this often in a row, ms. Once is a person's decision. */
export function restAfterLoss(lost: number): number {
  return lost < 2 ? 0 : Math.min(LOST_REST_MS * 2 ** Math.min(lost - 2, 20), LONGEST_LOST_REST_MS);
}

/** Failed attempts in a task's lifetime, however it was reopened, until a person says `retry`. */
const FAILURES_FOR_LIFE = 15;

/** How many attempts of a task may fail before it is parked, at least what its policy allows. */
export function failuresForLife(attemptsAllowed: number): number {
  return Math.max(FAILURES_FOR_LIFE, attemptsAllowed);
}

/** How often a task's runs (newest first) were interrupted since one finished conclusively. */
export function interruptionsInARow(
  runs: readonly Pick<Run, 'phase' | 'outcome' | 'type' | 'process'>[],
): Interruptions {
  const count = { vanished: 0, neverStarted: 0, lost: 0, overruled: 0 };
  for (const { phase, outcome, type, process } of runs) {
    const isOurs = runsHere(type);
    if (phase === 'superseded') count.lost++;
    else if (phase === 'overruled') count.overruled++;
    else if (outcome?.kind === 'failed' && outcome.failure === 'interrupted') count.vanished++;
    else if (isLeftByWorker({ phase, outcome })) count.vanished++;
    else if (outcome?.kind === 'failed' || outcome?.kind === 'succeeded') break;
    else if (phase === 'interrupted' && outcome === null && isOurs && process === null) count.neverStarted++;
    // Anything else (released because something was missing, stopped by a person) is inconclusive.
  }
  return count;
}

/** Whether a worker on another machine had it and fell silent: nothing of the run is known, and it may start again. */
export function isLeftByWorker({ phase, outcome }: Pick<Run, 'phase' | 'outcome'>): boolean {
  return phase === 'interrupted' && outcome?.kind === 'stopped' && outcome.reason === 'silent';
}

/** This many attempts of an agent in a row that fail alike are no progress. */
export const ALIKE_AT_MOST = 3;

/**
 * What the last attempts of an agent all failed with, newest first given, where it was the same so often that one more
 * would only spend; null: it was not. Numbers may differ.
 */
export function failedAlike(runs: readonly Pick<Run, 'outcome' | 'type'>[]): string | null {
  const messages: string[] = [];
  for (const { outcome, type } of runs) {
    if (outcome?.kind === 'succeeded' || !isAgentType(type)) break;
    // What was released, stopped or interrupted says nothing about the work.
    if (outcome?.kind !== 'failed' || outcome.failure === 'interrupted') continue;
    messages.push(outcome.message);
    if (messages.length === ALIKE_AT_MOST) break;
  }
  const alike = new Set(messages.map((message) => message.replace(/\d+/g, '#').trim()));
  return messages.length === ALIKE_AT_MOST && alike.size === 1 ? (messages[0] ?? null) : null;
}

/** What interrupted a task's runs, in a row. */
export interface Interruptions {
  readonly vanished: number;
  readonly neverStarted: number;
  /** The graph assigned the task to another agent, or to none. */
  readonly lost: number;
  /** The graph said that it was finished, or waiting. */
  readonly overruled: number;
}

/** Whether a task is retried, when, and by which rule. */
export type RetryDecision =
  | {
      readonly again: true;
      /** ms. */
      readonly at: number;
      /** Whether this attempt counts towards the limit. */
      readonly counted: boolean;
      readonly because: string;
    }
  | { readonly again: false; readonly because: string };

/** The minimum number of retries when the work itself was not to blame. */
const INFRASTRUCTURE_ATTEMPTS = 3;
/** The first wait after a quota ran out; it doubles up to the maximum. */
const QUOTA_WAIT_MS = 60_000;
const LONGEST_QUOTA_WAIT_MS = 30 * 60_000;

/**
 * Judges a finished run. `countedAttempts`: attempts of this task that were allowed to fail, this one included.
 * `random`: in [0, 1), for the jitter.
 */
export function retryDecision(
  run: Pick<Run, 'attempt'>,
  outcome: Outcome,
  policy: RetryPolicy,
  countedAttempts: number,
  now: number,
  random: number,
): RetryDecision {
  switch (outcome.kind) {
    case 'succeeded':
      return { again: false, because: 'it succeeded' };
    case 'failed':
      return afterFailure(outcome, policy, Math.max(1, countedAttempts), run.attempt, now, random);
    case 'deferred': {
      const at = outcome.until ?? now + withJitter(policy.backoffMs, random);
      return { again: true, at, counted: false, because: outcome.because };
    }
    case 'stopped':
      return afterStop(outcome.reason, policy, Math.max(1, countedAttempts), now, random);
  }
}

function afterFailure(
  outcome: Failed,
  policy: RetryPolicy,
  counted: number,
  attempt: number,
  now: number,
  random: number,
): RetryDecision {
  if (!outcome.retryable)
    return { again: false, because: `trying again cannot help: ${outcome.failure}, ${outcome.message}` };
  if (outcome.failure === 'rate-limited') {
    const wait = Math.min(QUOTA_WAIT_MS * 2 ** Math.min(attempt - 1, 20), LONGEST_QUOTA_WAIT_MS);
    const because = 'the quota is used up; waiting for it costs no attempt';
    return { again: true, at: now + withJitter(wait, random), counted: false, because };
  }
  return nextAttempt(outcome, policy, counted, now, random);
}

function nextAttempt(
  { failure, notBefore = 0 }: Pick<Failed, 'failure' | 'notBefore'>,
  policy: RetryPolicy,
  counted: number,
  now: number,
  random: number,
): RetryDecision {
  const allowed = isInfrastructure(failure)
    ? Math.max(INFRASTRUCTURE_ATTEMPTS, policy.attempts)
    : policy.attempts;
  if (counted >= allowed)
    return { again: false, because: `attempt ${counted} of ${allowed} failed (${failure})` };
  const wait = Math.min(policy.backoffMs * 2 ** Math.min(counted - 1, 30), policy.maxBackoffMs);
  const at = Math.max(now + withJitter(wait, random), notBefore);
  const because = `attempt ${counted} of ${allowed} failed (${failure}); the next at ${instantText(at)}`;
  return { again: true, at, counted: true, because };
}

/** The environment failed, not the work. */
function isInfrastructure(failure: FailureKind): boolean {
  switch (failure) {
    case 'interrupted':
    case 'unreachable':
    case 'provider':
      return true;
    case 'exit':
    case 'reported':
    case 'timeout':
    case 'silent':
    case 'refused':
    case 'rate-limited':
      return false;
  }
}

function afterStop(
  reason: StopReason,
  policy: RetryPolicy,
  counted: number,
  now: number,
  random: number,
): RetryDecision {
  switch (reason) {
    case 'shutdown':
      return {
        again: true,
        at: now,
        counted: false,
        because: 'the supervisor ended it to stop; no attempt counted',
      };
    case 'timeout':
    case 'silent':
      return nextAttempt({ failure: reason }, policy, counted, now, random);
    case 'cancelled':
      return { again: false, because: 'it was cancelled' };
    case 'lost-claim':
      return { again: false, because: 'the graph says that the task is no longer ours' };
    case 'overruled':
      return { again: false, because: 'the graph says that the task has finished' };
    case 'replaced':
      return { again: false, because: 'its next occurrence took its place' };
    case 'budget':
      return { again: true, at: now, counted: false, because: 'a budget is spent; no attempt counted' };
    case 'completed':
      return { again: false, because: 'its result arrived by another way' };
    case 'detached':
      return { again: false, because: 'it is still running; only the attending ended' };
  }
}

/** Up to a quarter more, so that tasks that failed together do not come back together. */
function withJitter(wait: number, random: number): number {
  return Math.round(wait * (1 + 0.25 * random));
}
