// What a run's outcome means for the next attempt: one rule for each kind of failure. Knows no clock and no dice; the
// caller gives both.

import { isAgentType } from '../domain/agent-cli.ts';
import type { RetryPolicy } from '../domain/config.ts';
import type { Failed, FailureKind, Outcome, StopReason } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import { instantText } from './instant.ts';

/** So often in a row an agent may vanish without a word before its task is parked: it costs no attempt, but never ends. */
export const VANISHED_AT_MOST = 3;
/** The same for a task whose start the supervisor itself does not survive. */
export const NEVER_STARTED_AT_MOST = 10;
/** The same for a task that was taken away from its agent, and for one that was moved on under it (`wg wait` is one). */
export const LOST_AT_MOST = 5;
export const OVERRULED_AT_MOST = 10;
/** From the second time in a row a task that was taken away rests; it doubles up to the longest, ms. */
const LOST_REST_MS = 10_000;
const LONGEST_LOST_REST_MS = 5 * 60_000;

/** How long a task rests that was taken away from its agents so often in a row, ms. Once is a person's decision. */
export function restAfterLoss(lost: number): number {
  return lost < 2 ? 0 : Math.min(LOST_REST_MS * 2 ** Math.min(lost - 2, 20), LONGEST_LOST_REST_MS);
}

/** Failed attempts in a task's lifetime, whatever opened it again, until a person says `retry`. */
const FAILURES_FOR_LIFE = 15;

/** How many attempts of a task may fail before it is parked, at the least what its policy allows. */
export function failuresForLife(attemptsAllowed: number): number {
  return Math.max(FAILURES_FOR_LIFE, attemptsAllowed);
}

/** How often a task's runs (newest first) were interrupted since one came to an end that tells something. */
export function interruptionsInARow(
  runs: readonly Pick<Run, 'phase' | 'outcome' | 'type' | 'process'>[],
): Interruptions {
  const count = { vanished: 0, neverStarted: 0, lost: 0, overruled: 0 };
  for (const { phase, outcome, type, process } of runs) {
    const isOurs = isAgentType(type) || type === 'command';
    if (phase === 'superseded') count.lost++;
    else if (phase === 'overruled') count.overruled++;
    else if (outcome?.kind === 'failed' && outcome.failure === 'interrupted') count.vanished++;
    else if (outcome?.kind === 'failed' || outcome?.kind === 'succeeded') break;
    else if (phase === 'interrupted' && outcome === null && isOurs && process === null) count.neverStarted++;
    // Anything else (given back for want of something, stopped by a person) says nothing either way.
  }
  return count;
}

/** What cut a task's runs short, in a row. */
export interface Interruptions {
  readonly vanished: number;
  readonly neverStarted: number;
  /** The graph gave the task to somebody else, or to nobody. */
  readonly lost: number;
  /** The graph said that it was over, or waits. */
  readonly overruled: number;
}

/** Whether a task is tried again, when, and because of which rule. */
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

/** What is tried at the least when the work itself was not to blame. */
const INFRASTRUCTURE_ATTEMPTS = 3;
/** The first wait after a used-up quota; it doubles up to the longest. */
const QUOTA_WAIT_MS = 60_000;
const LONGEST_QUOTA_WAIT_MS = 30 * 60_000;

/**
 * Judges a run that is over. `countedAttempts`: attempts of this task that were allowed to fail, this one included.
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

/** The surroundings failed, not the work. */
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
      return { again: false, because: 'the graph says that the task is over' };
    case 'replaced':
      return { again: false, because: 'its next occurrence took its place' };
    case 'completed':
      return { again: false, because: 'its result arrived by another way' };
    case 'detached':
      return { again: false, because: 'it is still running; only the attending ended' };
  }
}

/** Up to a quarter more, so that what failed together does not come back together. */
function withJitter(wait: number, random: number): number {
  return Math.round(wait * (1 + 0.25 * random));
}
