// Sends a run to an HTTP agent and, if it can be polled, learns when it has finished. It knows one run at a time:
// retries belong to the dispatcher, callbacks to the API. Requests are built in payload.ts, responses interpreted in
// response.ts, deliveries repeated in delivery.ts.

import { hostname } from 'node:os';
import type { Outcome } from '../../domain/outcome.ts';
import { silentLog } from '../../platform/log.ts';
import {
  type Assignment,
  type Begun,
  type Executor,
  type Handle,
  type RunControl,
  stopReason,
} from '../executor.ts';
import { aborted, stoppedOutcome } from '../stopped.ts';
import { askForEnd, taskUrl } from './a2a-catch-up.ts';
import { parseEndpoint, systemLookup } from './address.ts';
import { createCircuits } from './circuit-breaker.ts';
import { sendWithGot } from './client.ts';
import { createDelivery, ended, interruptedDelivery, outcomeInWords } from './delivery.ts';
import { MAX_PAYLOAD_BYTES } from './fit-body.ts';
import { CIRCUIT, type HttpExecutorParts, LIMITS } from './options.ts';
import { dispatchBody, pollHeaders } from './payload.ts';
import { type PollParts, pollUntilOver, statusUrl } from './poll.ts';
import { createEndpointPace } from './rate-limit.ts';
import { scrub } from './secrets.ts';
import { createSender } from './sender.ts';
import { httpProfile, refused, type Target, targetOf } from './target.ts';

/** The executor of `type = "http"`. */
export function createHttpExecutor(parts: HttpExecutorParts): Executor {
  const { clock, identity } = parts;
  const log = parts.log ?? silentLog;
  const variables = parts.variables ?? {};
  const version = parts.version ?? '';
  const limits = { ...LIMITS, ...parts.limits };
  const circuits = createCircuits(clock, { ...CIRCUIT, ...parts.circuit });
  const sender = createSender({
    clock,
    log,
    client: parts.client ?? sendWithGot,
    lookup: parts.lookup ?? systemLookup,
  });
  const deliver = createDelivery({ clock, identity, log, sender, limits, version });
  const pace = createEndpointPace(clock);

  async function begin(assignment: Assignment, control: RunControl): Promise<Begun> {
    if (control.signal.aborted) return interruptedDelivery(control.signal, 'the agent', clock.now());
    const target = targetOf(assignment, variables, parts.delivery);
    if ('outcome' in target) return ended(target.outcome);
    // Sent again after a crash it must be identical to the last byte: the idempotency key promises that.
    const at = assignment.claimedAt ?? clock.now();
    const body = dispatchBody(assignment, target.profile, at, parts.host ?? hostname());
    if (body !== null && body.bytes.length > MAX_PAYLOAD_BYTES)
      return ended(
        refused(
          `the task is larger than ${MAX_PAYLOAD_BYTES} bytes even without its description; give [executors.${target.profile.name}] a shorter body of its own`,
        ),
      );
    const permit = circuits.admit(target.key);
    if (permit.kind === 'open')
      return ended({
        kind: 'deferred',
        code: 'circuit-open',
        because: permit.because,
        until: permit.until,
        scope: 'profile',
      });
    const entry = await pace.enter(target.key, target.delivery, control.signal);
    try {
      if (control.signal.aborted) return interruptedDelivery(control.signal, target.name, clock.now());
      if (entry.kind === 'later')
        return ended({
          kind: 'deferred',
          code: 'endpoint-rate',
          because: entry.because,
          until: entry.until,
          scope: 'profile',
        });
      return await deliver({ assignment, target, body, permit, rest: entry.rest }, control);
    } finally {
      if (entry.kind === 'in') entry.leave();
      permit.dropped();
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
    const isCalledBack = profile.completion === 'callback';
    if (control.signal.aborted || (isCalledBack && !handle.adopted)) return untilStopped(control.signal);

    // The work continues elsewhere: a missing secret or a changed profile only prevents polling.
    const target = targetOf(assignment, variables, parts.delivery);
    if ('outcome' in target)
      return isCalledBack
        ? untilStopped(control.signal)
        : unasked(assignment, control, outcomeInWords(target.outcome));
    if (isCalledBack) {
      const asked = taskUrl(target.endpoint, handle.reference);
      if (asked === null) return untilStopped(control.signal);
      const end = await askForEnd(questionsAt(asked, assignment, target, control), control.signal);
      return end === null ? untilStopped(control.signal) : scrub(end, target.secrets.hidden);
    }
    const text = statusUrl(profile, assignment, target.endpoint, handle.reference);
    const url =
      text === null ? { because: 'the profile gives no status URL for this task' } : parseEndpoint(text);
    if ('because' in url) return unasked(assignment, control, url.because);

    const questions = questionsAt(url, assignment, target, control);
    return scrub(await pollUntilOver(profile, control, questions, handle.askAt), target.secrets.hidden);
  }

  function questionsAt(url: URL, assignment: Assignment, target: Target, control: RunControl): PollParts {
    const { hidden } = target.secrets;
    return {
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
            connectMs: target.delivery.connectMs,
            responseMs: target.delivery.responseMs,
            maxBytes: limits.maxResultBytes,
          },
          target.namedBy,
          control.signal,
        );
        return answer.kind === 'refused'
          ? { kind: 'none', timedOut: false, message: answer.because }
          : answer;
      },
    };
  }

  /** Polling is impossible: a callback, a person or the deadline must finish this run, and its output says so. */
  async function unasked(assignment: Assignment, control: RunControl, because: string): Promise<Outcome> {
    log.warn('http.poll-impossible', { run: assignment.run, because });
    await sender.record(assignment, `the agent cannot be asked how it is getting on: ${because}`);
    return untilStopped(control.signal);
  }

  return { type: 'http', begin, attend };
}

async function untilStopped(signal: AbortSignal): Promise<Outcome> {
  await aborted(signal);
  return stoppedOutcome(stopReason(signal));
}
