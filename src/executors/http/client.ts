// One HTTP request, bounded in every way: addresses, time, size, no redirects, no retries. The only home of got,
// which is loaded with the first request because that takes a tenth of a second.

import { type ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { messageOf, systemCode } from '../../domain/errors.ts';
import type { Address } from './address.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  /** The only addresses that are connected to. */
  readonly addresses: readonly Address[];
  readonly headers: Readonly<Record<string, string>>;
  /** null: none is sent. */
  readonly body: Buffer | null;
  readonly connectMs: number;
  /** From the connection to the last byte of the response. */
  readonly responseMs: number;
  /** The response's body is cut off here and the connection closed. */
  readonly maxBytes: number;
}

export type HttpAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** Lower-case names. */
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Buffer;
      /** `capped`: we stopped reading; `broken`: the connection ended before the body did. */
      readonly end: 'complete' | 'capped' | 'broken';
    }
  /**
   * No status line came: refused connection, TLS error, timeout (`timedOut`: connected, no response), reset, our
   * abort.
   */
  | { readonly kind: 'none'; readonly timedOut: boolean; readonly message: string };

export type HttpClient = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>;

/** Sends one request. Never rejects; an aborted signal ends it at once with `none`. */
export const sendWithGot: HttpClient = async (request, signal) => {
  const { got } = await import('got');
  if (signal.aborted) return { kind: 'none', timedOut: false, message: 'aborted' };
  // Own agents: not affected by a proxy setting of Node, and no connection outlives the request.
  const agent = { http: new HttpAgent({ keepAlive: false }), https: new HttpsAgent({ keepAlive: false }) };
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let received = 0;
    let head: { status: number; headers: Record<string, string> } | null = null;
    // got leaves its listener on the signal; a run that is polled for days would gather thousands.
    const own = new AbortController();
    const stop = () => own.abort();
    signal.addEventListener('abort', stop, { once: true });
    let settled = false;
    const settle = (answer: HttpAnswer) => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', stop);
      resolve(answer);
    };
    const finish = (end: 'complete' | 'capped' | 'broken') => {
      if (head !== null) settle({ kind: 'answer', ...head, body: Buffer.concat(chunks), end });
    };

    try {
      const stream = got.stream(request.url, {
        method: request.method as 'POST',
        headers: { ...request.headers },
        ...(request.body === null ? {} : { body: request.body }),
        agent,
        dnsLookup: pinnedLookup(request.addresses) as never,
        timeout: {
          connect: request.connectMs,
          secureConnect: request.connectMs,
          request: request.connectMs * 2 + request.responseMs,
        },
        retry: { limit: 0 },
        followRedirect: false,
        throwHttpErrors: false,
        // The cap must count what is kept in memory: no compressed response was requested.
        decompress: false,
        signal: own.signal,
      });
      stream.on('request', (sent: ClientRequest) =>
        // got waits for a response that will not come any more, and its own timeouts with it.
        sent.on('upgrade', (response: IncomingMessage, socket: Duplex) => {
          socket.destroy();
          const message = `HTTP ${response.statusCode}: the endpoint wants to switch protocols`;
          settle({ kind: 'none', timedOut: false, message });
          stream.destroy();
        }),
      );
      stream.on('response', (response: { statusCode: number; headers: Record<string, unknown> }) => {
        head = { status: response.statusCode, headers: flatHeaders(response.headers) };
      });
      stream.on('data', (chunk: Buffer) => {
        if (received + chunk.length <= request.maxBytes) {
          received += chunk.length;
          chunks.push(chunk);
          return;
        }
        chunks.push(chunk.subarray(0, request.maxBytes - received));
        finish('capped');
        stream.destroy();
      });
      stream.on('end', () => finish('complete'));
      stream.on('error', (error: unknown) => {
        finish('broken');
        settle(noAnswer(error));
      });
      stream.on('close', () => {
        finish('broken');
        settle({ kind: 'none', timedOut: false, message: 'the connection was closed without an answer' });
      });
      if (request.body === null && !['GET', 'HEAD'].includes(request.method)) stream.end();
    } catch (error) {
      // got refuses some options by throwing before it connects.
      settle(noAnswer(error));
    }
  });
};

function noAnswer(error: unknown): HttpAnswer {
  const code = systemCode(error);
  const message = messageOf(error);
  return {
    kind: 'none',
    // got's messages; a connection that could not be made in time is not a response that took too long.
    timedOut: code === 'ETIMEDOUT' && message.startsWith("Timeout awaiting 'request'"),
    message: message === '' ? (code ?? 'no answer') : message,
  };
}

/** A replacement for dns.lookup that knows only the judged addresses. */
function pinnedLookup(addresses: readonly Address[]) {
  return (
    hostname: string,
    options: unknown,
    callback?: (error: Error | null, address?: unknown, family?: number) => void,
  ) => {
    const done = typeof options === 'function' ? (options as NonNullable<typeof callback>) : callback;
    const all = typeof options === 'object' && options !== null && 'all' in options && options.all === true;
    const first = addresses[0];
    if (done === undefined) return;
    if (first === undefined) return done(new Error(`${hostname} has no judged address`));
    if (all) return done(null, [...addresses]);
    done(null, first.address, first.family);
  };
}

function flatHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : String(value);
  return flat;
}
