// Sends a run to an HTTP agent and, where it can be asked, learns when it is over. One run at a time is all it knows:
// new attempts belong to the dispatcher, results that are called back to the API. What is sent is in http-payload.ts,
// what answers mean in http-response.ts.

import { hostname } from 'node:os';
import type { Outcome } from '../domain/outcome.ts';
import { silentLog } from '../seams/log.ts';
import { nextDelay } from './backoff.ts';
import { createCircuits, type Permit } from './circuit.ts';
import {
  type Assignment,
  type Begun,
  type Executor,
  type Handle,
  type RunControl,
  stopReason,
} from './executor.ts';
import { parseEndpoint, systemLookup } from './http-address.ts';
import { sendWithGot } from './http-client.ts';
import { CIRCUIT, DELIVERIES, type HttpExecutorParts, LIMITS } from './http-options.ts';
import {
  type Body,
  dispatchBody,
  dispatchHeaders,
  MAX_PAYLOAD_BYTES,
  messageId,
  pollHeaders,
} from './http-payload.ts';
import { pollUntilOver, statusUrl } from './http-poll.ts';
import { type DispatchMeaning, readDispatchAnswer } from './http-response.ts';
import { scrub } from './http-secrets.ts';
import { createSender } from './http-sender.ts';
import { httpProfile, refused, type Target, targetOf } from './http-target.ts';
import { aborted, stoppedOutcome } from './stopped.ts';

type Answered = Exclude<Begun, { kind: 'running' }>;

/** The executor of `type = "http"`. */
export function createHttpExecutor(parts: HttpExecutorParts): Executor {
  const { clock, identity } = parts;
  const log = parts.log ?? silentLog;
  const variables = parts.variables ?? {};
  const version = parts.version ?? '';
  const pace = { ...DELIVERIES, ...parts.deliveries };
  const limits = { ...LIMITS, ...parts.limits };
  const circuits = createCircuits(clock, { ...CIRCUIT, ...parts.circuit });
  const sender = createSender({
    clock,
    log,
    client: parts.client ?? sendWithGot,
    lookup: parts.lookup ?? systemLookup,
    connectMs: limits.connectMs,
  });

  async function begin(assignment: Assignment, control: RunControl): Promise<Begun> {
    if (control.signal.aborted) return stopped(control.signal);
    const target = targetOf(assignment, variables);
    if ('outcome' in target) return ended(target.outcome);
    const body = dispatchBody(assignment, target.profile, clock.now(), parts.host ?? hostname());
    if (body !== null && target.profile.body === null && body.bytes.length > MAX_PAYLOAD_BYTES)
      return ended(
        refused(
          `the task is larger than ${MAX_PAYLOAD_BYTES} bytes even without its description; give [executors.${target.profile.name}] a body of its own`,
        ),
      );
    const permit = circuits.admit(target.name);
    if (permit.kind === 'open')
      return ended({
        kind: 'deferred',
        code: 'circuit-open',
        because: permit.because,
        until: permit.until,
        scope: 'profile',
      });
    try {
      return await deliver(assignment, target, body, permit, control);
    } finally {
      permit.dropped();
    }
  }

  async function deliver(
    assignment: Assignment,
    target: Target,
    body: Body | null,
    permit: Permit,
    control: RunControl,
  ): Promise<Answered> {
    const { profile, endpoint, secrets } = target;
    const end = Math.min(clock.now() + pace.windowMs, assignment.deadlineAt ?? Number.POSITIVE_INFINITY);
    for (let delivery = 1; ; delivery++) {
      const now = clock.now();
      const answer = await sender.send(
        {
          method: profile.method,
          url: endpoint,
          headers: dispatchHeaders(assignment, secrets, body, delivery, now, version),
          body: body?.bytes ?? null,
          responseMs: responseMs(assignment, now),
          maxBytes: profile.completion === 'response' ? limits.maxResultBytes : limits.maxAnswerBytes,
        },
        target.namedBy,
        control.signal,
      );
      if (control.signal.aborted) return stopped(control.signal);
      if (answer.kind === 'refused') return ended(refused(answer.because));

      const meaning = scrub(
        readDispatchAnswer(answer, { completion: profile.completion, delivery, endpoint }),
        secrets.hidden,
      );
      log.debug('http.delivery', {
        run: assignment.run,
        message: messageId(assignment.run),
        endpoint: target.name,
        delivery,
        meaning: meaning.kind,
        ms: clock.now() - now,
        ...(answer.kind === 'answer' ? { status: answer.status } : {}),
      });
      await sender.record(assignment, `delivery ${delivery} to ${target.name}: ${inWords(meaning)}`);
      await sender.recordBody(assignment, answer, secrets.hidden);
      if (meaning.kind !== 'retry') {
        tellCircuit(permit, meaning);
        return begunBy(meaning, assignment, target);
      }

      const delay = nextDelay(delivery, pace, identity.random(), meaning.retryAfter, clock.now());
      if (delivery >= pace.attempts || clock.now() + delay > end) {
        permit.failed();
        return ended({
          kind: 'failed',
          failure: 'unreachable',
          message: `${target.name} did not take the task in ${delivery} ${delivery === 1 ? 'delivery' : 'deliveries'}; the last answer: ${meaning.because}`,
          retryable: true,
        });
      }
      control.progress(`delivery ${delivery + 1} in ${Math.ceil(delay / 1000)} s: ${meaning.because}`);
      await clock.sleep(delay, control.signal);
      if (control.signal.aborted) return stopped(control.signal);
    }
  }

  async function attend(assignment: Assignment, handle: Handle, control: RunControl): Promise<Outcome> {
    const profile = httpProfile(assignment);
    if (profile.completion === 'response' && !control.signal.aborted)
      return {
        kind: 'failed',
        failure: 'interrupted',
        message: `the supervisor stopped while it waited for the answer of ${profile.name}`,
        retryable: true,
      };
    if (profile.completion === 'callback' || control.signal.aborted) return untilStopped(control.signal);

    // The work goes on elsewhere: a missing secret or a changed profile only keeps us from asking about it.
    const target = targetOf(assignment, variables);
    if ('outcome' in target) return unasked(assignment, control, outcomeInWords(target.outcome));
    const text = statusUrl(profile, assignment, target.endpoint, handle.reference);
    const url = text === null ? { because: 'no status URL comes of this task' } : parseEndpoint(text);
    if ('because' in url) return unasked(assignment, control, url.because);

    const { hidden } = target.secrets;
    const outcome = await pollUntilOver(profile, control, {
      clock,
      random: () => identity.random(),
      clean: (words) => scrub(words, hidden),
      record: (line) => sender.record(assignment, line),
      ask: async () => {
        const answer = await sender.send(
          {
            method: 'GET',
            url,
            headers: pollHeaders(assignment, target.secrets, version),
            body: null,
            responseMs: limits.responseMs,
            maxBytes: limits.maxResultBytes,
          },
          target.namedBy,
          control.signal,
        );
        return answer.kind === 'refused'
          ? { kind: 'none', timedOut: false, message: answer.because }
          : answer;
      },
    });
    return scrub(outcome, hidden);
  }

  /** Asking is not possible: a callback, a person or the deadline must end this run, and the run says so. */
  async function unasked(assignment: Assignment, control: RunControl, because: string): Promise<Outcome> {
    log.warn('http.poll-impossible', { run: assignment.run, because });
    await sender.record(assignment, `the agent cannot be asked how it is getting on: ${because}`);
    return untilStopped(control.signal);
  }

  function responseMs(assignment: Assignment, now: number): number {
    if (httpProfile(assignment).completion !== 'response') return limits.responseMs;
    const left = (assignment.deadlineAt ?? Number.POSITIVE_INFINITY) - now;
    return Math.max(1, Math.min(left, limits.longResponseMs));
  }

  return { type: 'http', begin, attend };
}

function begunBy(
  meaning: Exclude<DispatchMeaning, { kind: 'retry' }>,
  assignment: Assignment,
  { profile, endpoint, name }: Target,
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
        because: `${name}: ${meaning.because}; change [executors.${profile.name}], or resume it`,
        scope: 'profile',
      });
    case 'accepted': {
      const named = meaning.monitor ?? meaning.externalId;
      const reference =
        profile.completion === 'poll' ? statusUrl(profile, assignment, endpoint, named) : named;
      return { kind: 'handed-off', reference, deadlineAt: assignment.deadlineAt };
    }
  }
}

/** An agent that reports failed work is well; one that refuses or lets its time run out is not. */
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

async function untilStopped(signal: AbortSignal): Promise<Outcome> {
  await aborted(signal);
  return stoppedOutcome(stopReason(signal));
}

function stopped(signal: AbortSignal): Answered {
  return ended(stoppedOutcome(stopReason(signal)));
}

function ended(outcome: Outcome): Answered {
  return { kind: 'ended', outcome };
}

function outcomeInWords(outcome: Outcome): string {
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
