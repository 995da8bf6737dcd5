// Delivers one run to its endpoint, repeatedly with the same message id while the endpoint is unavailable, until it
// is accepted, refused, given up or aborted. Knows nothing of what happens to the run afterwards.

import type { Outcome } from '../../domain/outcome.ts';
import type { HttpProfile } from '../../domain/profile.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Identity } from '../../platform/identity.ts';
import type { Log } from '../../platform/log.ts';
import { type Assignment, type Begun, type RunControl, stopReason } from '../executor.ts';
import { stoppedOutcome } from '../stopped.ts';
import { nextDelay, retryAfterMs } from './backoff.ts';
import type { Permit } from './circuit-breaker.ts';
import type { HttpLimits } from './options.ts';
import { type Body, dispatchHeaders, messageId } from './payload.ts';
import { type DispatchMeaning, readDispatchAnswer } from './response.ts';
import { scrub } from './secrets.ts';
import type { Sender } from './sender.ts';
import { refused, type Target } from './target.ts';

/** The result of a dispatch: finished, or handed off. */
export type Answered = Exclude<Begun, { kind: 'running' }>;

export interface DeliveryParts {
  readonly clock: Clock;
  readonly identity: Pick<Identity, 'random'>;
  readonly log: Log;
  readonly sender: Sender;
  readonly limits: HttpLimits;
  readonly version: string;
}

/** One run, ready to be sent. */
export interface Dispatch {
  readonly assignment: Assignment;
  readonly target: Target;
  readonly body: Body | null;
  readonly permit: Permit;
  /** Reports that the message waits for another delivery; the returned function, that it no longer does. */
  rest(): () => void;
}

/** Creates the function that delivers a run. It never rejects for anything that an endpoint does. */
export function createDelivery({ clock, identity, log, sender, limits, version }: DeliveryParts) {
  async function deliver(dispatch: Dispatch, control: RunControl): Promise<Answered> {
    const { assignment, target, permit } = dispatch;
    const { attempts, backoffMs, maxBackoffMs, windowMs } = target.delivery;
    const pace = { baseMs: backoffMs, capMs: maxBackoffMs };
    const end = Math.min(clock.now() + windowMs, assignment.deadlineAt ?? Number.POSITIVE_INFINITY);
    for (let count = 1; ; count++) {
      const delivery = control.deliveries?.begin(messageId(assignment.run), target.name) ?? count;
      const meaning = await sendOnce(dispatch, control, delivery);
      if (meaning.kind === 'over') return meaning.answered;
      if (meaning.kind !== 'retry') {
        tellCircuit(permit, meaning);
        return begunBy(meaning, assignment, target, clock.now());
      }

      const delay = nextDelay(delivery, pace, identity.random(), meaning.retryAfter, clock.now());
      if (delivery >= attempts || clock.now() + delay > end) {
        permit.failed();
        return givenUp(target, delivery, meaning, clock.now());
      }
      control.progress(`delivery ${delivery + 1} in ${Math.ceil(delay / 1000)} s: ${meaning.because}`);
      // As many as may be in flight. Without such a limit, slots are the limit.
      if (Number.isFinite(target.delivery.inFlight)) control.waits?.();
      const awake = dispatch.rest();
      await clock.sleep(delay, control.signal);
      awake();
      if (control.signal.aborted) return interruptedDelivery(control.signal, target.name, clock.now());
    }
  }

  /** One delivery, noted and recorded; `over`: the run was stopped, or its message cannot be sent at all. */
  async function sendOnce(
    { assignment, target, body }: Dispatch,
    control: RunControl,
    delivery: number,
  ): Promise<DispatchMeaning | { readonly kind: 'over'; readonly answered: Answered }> {
    const { profile, endpoint, secrets } = target;
    const message = messageId(assignment.run);
    const notes = control.deliveries;
    const now = clock.now();
    const isResult = profile.completion === 'response';
    const request = {
      method: profile.method,
      url: endpoint,
      headers: dispatchHeaders(assignment, profile, secrets, body, delivery, now, version),
      body: body?.bytes ?? null,
      connectMs: target.delivery.connectMs,
      responseMs: responseMs(target, assignment.deadlineAt, now),
      maxBytes: isResult ? limits.maxResultBytes : limits.maxAnswerBytes,
    };
    const answer = await withDetachGrace(control.signal, (signal) =>
      sender.send(request, target.namedBy, signal),
    );
    // A response within the grace period of a detached run is still valid: it says who has the work.
    const late = control.signal.aborted && stopReason(control.signal) === 'detached';
    if (control.signal.aborted && (!late || answer.kind === 'none'))
      return { kind: 'over', answered: stopped(control.signal) };
    if (answer.kind === 'refused') {
      notes?.end(message, 'refused', answer.because);
      return { kind: 'over', answered: ended(refused(answer.because)) };
    }

    const read = readDispatchAnswer(answer, { completion: profile.completion, delivery, endpoint });
    const meaning = scrub(read, secrets.hidden);
    log.debug('http.delivery', {
      run: assignment.run,
      message,
      endpoint: target.name,
      delivery,
      meaning: meaning.kind,
      ms: clock.now() - now,
      ...(answer.kind === 'answer' ? { status: answer.status } : {}),
    });
    const state = meaning.kind === 'retry' ? 'retrying' : meaning.kind;
    notes?.end(message, state, 'because' in meaning ? meaning.because : null);
    await sender.record(assignment, `delivery ${delivery} to ${target.name}: ${inWords(meaning)}`);
    await sender.recordBody(assignment, answer, secrets.hidden, isResult);
    return meaning;
  }

  /** Runs a request with a signal that aborts with the run's, but a little later if the run is only detached. */
  async function withDetachGrace<T>(
    signal: AbortSignal,
    request: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const own = new AbortController();
    let cancel = () => {};
    const stop = () => {
      if (stopReason(signal) === 'detached') cancel = clock.after(limits.detachGraceMs, () => own.abort());
      else own.abort();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await request(own.signal);
    } finally {
      cancel();
      signal.removeEventListener('abort', stop);
    }
  }

  return deliver;
}

/** The endpoint did not take it in all that time. */
function givenUp(
  { name }: Target,
  delivery: number,
  meaning: DispatchMeaning & { readonly kind: 'retry' },
  now: number,
): Answered {
  if (meaning.refusedInTheEnd)
    return ended(refused(`${name} refused the task in ${deliveries(delivery)}: ${meaning.because}`));
  const asked = retryAfterMs(meaning.retryAfter, now);
  return ended({
    kind: 'failed',
    failure: 'unreachable',
    // A longer delay than we may wait here is honoured, too: the next attempt begins then.
    ...(asked === null ? {} : { notBefore: now + asked }),
    message: `${name} did not take the task in ${deliveries(delivery)}; the last answer: ${meaning.because}`,
    retryable: true,
  });
}

function deliveries(count: number): string {
  return count === 1 ? '1 delivery' : `${count} deliveries`;
}

/** A response that is the result cannot come after the run's deadline. */
function responseMs({ profile, delivery }: Target, deadlineAt: number | null, now: number): number {
  if (profile.completion !== 'response' || deadlineAt === null) return delivery.responseMs;
  return Math.max(1, Math.min(deadlineAt - now, delivery.responseMs));
}

/**
 * The run was aborted between two deliveries: the agent has not got the work. Left as `detached`, the next supervisor
 * would wait for a callback that never comes; released, the task is simply dispatched again.
 */
export function interruptedDelivery(signal: AbortSignal, name: string, now: number): Answered {
  if (stopReason(signal) !== 'detached') return stopped(signal);
  return ended({
    kind: 'deferred',
    code: 'interrupted',
    because: `the supervisor stopped before ${name} had taken the task`,
    until: now,
    scope: 'task',
  });
}

function begunBy(
  meaning: Exclude<DispatchMeaning, { kind: 'retry' }>,
  assignment: Assignment,
  { profile, name }: Target,
  now: number,
): Answered {
  switch (meaning.kind) {
    case 'ended':
      return ended(meaning.outcome);
    case 'refused':
      return ended(refused(`${name} refused the task: ${meaning.because}`));
    case 'closed':
      return ended({
        kind: 'deferred',
        code: meaning.code,
        because: `${name}: ${meaning.because}; ${wayOut(profile)}, or \`supervisor resume ${profile.name}\``,
        scope: 'profile',
      });
    case 'accepted': {
      const { monitor, externalId, heartbeatEveryS } = meaning;
      const askAfterMs = retryAfterMs(meaning.retryAfter, now);
      return {
        kind: 'handed-off',
        // The name it gave, and none of our own URLs: the polling URL may contain the endpoint's credentials.
        reference: monitor ?? externalId,
        deadlineAt: assignment.deadlineAt,
        ...(externalId === null ? {} : { externalId }),
        // An agent that is polled need not send heartbeats.
        ...(heartbeatEveryS === null || profile.completion === 'poll' ? {} : { heartbeatEveryS }),
        ...(askAfterMs === null ? {} : { askAt: now + askAfterMs }),
      };
    }
  }
}

/** What must change before an endpoint that refuses all work is dispatched to again. */
function wayOut({ name, origin }: HttpProfile): string {
  return origin.file === 'task' ? 'name another executor on the task' : `change [executors.${name}]`;
}

/** An agent that reports failed work is healthy; one that refuses or times out is not. */
function tellCircuit(permit: Permit, meaning: Exclude<DispatchMeaning, { kind: 'retry' }>): void {
  if (meaning.kind === 'closed') {
    permit.dropped();
    return;
  }
  const unwell =
    meaning.kind === 'refused' ||
    (meaning.kind === 'ended' && meaning.outcome.kind === 'failed' && meaning.outcome.failure !== 'reported');
  if (unwell) permit.failed();
  else permit.taken();
}

function stopped(signal: AbortSignal): Answered {
  return ended(stoppedOutcome(stopReason(signal)));
}

/** A run that has finished, or that never began. */
export function ended(outcome: Outcome): Answered {
  return { kind: 'ended', outcome };
}

/** The line about an outcome in the run's output. */
export function outcomeInWords(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'failed':
      return outcome.message;
    case 'deferred':
      return outcome.because;
    default:
      return outcome.kind;
  }
}

function inWords(meaning: DispatchMeaning): string {
  switch (meaning.kind) {
    case 'ended':
      return outcomeInWords(meaning.outcome);
    case 'accepted':
      return `accepted (${meaning.message})`;
    default:
      return meaning.because;
  }
}
