// Sends one request to addresses that were judged, and records the exchange with the run. Does not interpret it.

import { join } from 'node:path';
import { messageOf } from '../../domain/errors.ts';
import { type Clock, isoTime } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { appendText } from '../../platform/regular-file.ts';
import type { Assignment } from '../executor.ts';
import { type Lookup, type NamedBy, resolveEndpoint } from './address.ts';
import type { HttpAnswer, HttpClient, HttpRequest } from './client.ts';
import { isCoded } from './response.ts';
import { scrub } from './secrets.ts';

/** How much of a response is recorded in the run's output, characters. */
const KEPT = 4096;

/** Extra time for a request beyond the timeouts of its client, ms. */
const GRACE_MS = 5000;

export interface SenderParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly client: HttpClient;
  readonly lookup: Lookup;
}

/** The address may not be used. */
export interface AddressRefused {
  readonly kind: 'refused';
  readonly because: string;
}

export interface Sender {
  /** Never rejects; ends at once when the signal aborts, and sends nothing after that. */
  send(
    request: Omit<HttpRequest, 'addresses'>,
    namedBy: NamedBy,
    signal: AbortSignal,
  ): Promise<HttpAnswer | AddressRefused>;
  /** Adds a line to the run's output. Never rejects. */
  record(assignment: Assignment, line: string): Promise<void>;
  /** Adds the beginning of a response's body to the run's output; all that was read if a result was cut off. */
  recordBody(
    assignment: Assignment,
    answer: HttpAnswer,
    hidden: readonly string[],
    isResult: boolean,
  ): Promise<void>;
}

export function createSender({ clock, log, client, lookup }: SenderParts): Sender {
  const none = (message: string): HttpAnswer => ({ kind: 'none', timedOut: false, message });

  async function record(assignment: Assignment, line: string): Promise<void> {
    try {
      await appendText(join(assignment.folder, 'output.log'), `${isoTime(clock.now())} ${line}\n`);
    } catch (error) {
      // The output is for people; a full disk or a removed folder must not fail the run.
      log.warn('http.output-lost', { run: assignment.run, message: messageOf(error) });
    }
  }

  /** The client has its own timeouts; one that hangs all the same must not block a run until its deadline. */
  async function withinReason(
    signal: AbortSignal,
    { connectMs, responseMs }: Pick<HttpRequest, 'connectMs' | 'responseMs'>,
    act: (signal: AbortSignal) => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    const bounded = new AbortController();
    const stop = () => bounded.abort();
    signal.addEventListener('abort', stop, { once: true });
    const cancel = clock.after(connectMs * 2 + responseMs + GRACE_MS, stop);
    try {
      return await act(bounded.signal);
    } finally {
      cancel();
      signal.removeEventListener('abort', stop);
    }
  }

  return {
    record,
    async send(request, namedBy, signal) {
      const looked = new AbortController();
      const stop = () => looked.abort();
      signal.addEventListener('abort', stop, { once: true });
      try {
        if (signal.aborted) return none('aborted');
        // getaddrinfo cannot be cancelled; a late answer is ignored.
        const resolution = await Promise.race([
          resolveEndpoint(request.url, namedBy, lookup),
          clock.sleep(request.connectMs, looked.signal).then(() => null),
        ]);
        looked.abort();
        if (signal.aborted) return none('aborted');
        if (resolution === null)
          return none(`${request.url.hostname} could not be looked up in ${request.connectMs} ms`);
        if (resolution.kind === 'refused') return resolution;
        if (resolution.kind === 'unresolved') return none(resolution.because);
        return await withinReason(signal, request, (bounded) =>
          client({ ...request, addresses: resolution.addresses }, bounded),
        );
      } finally {
        looked.abort();
        signal.removeEventListener('abort', stop);
      }
    },
    async recordBody(assignment, answer, hidden, isResult) {
      if (answer.kind !== 'answer' || answer.body.length === 0) return;
      const coding = answer.headers['content-encoding'];
      if (isCoded(answer))
        return record(
          assignment,
          `${answer.body.length} bytes in content-encoding ${coding}, which was not requested`,
        );
      // Redacted before it is cut: half a token at the cut would not be recognised.
      const text = scrub(answer.body.toString('utf8'), hidden);
      await record(assignment, answer.end === 'capped' && isResult ? text : text.slice(0, KEPT));
    },
  };
}
