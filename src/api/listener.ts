// Between a socket and the app: the checks of every request before any route, and the common parts of every response.
// Owns timeouts, malformed requests and the request log; knows no route.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { messageOf, systemCode } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import { type Log, redact } from '../platform/log.ts';
import { checkDeclaredLength } from './request/body.ts';
import { ApiProblem, type ProblemAnswer, problemAnswer } from './request/problem.ts';
import type { ApiApp } from './request/route.ts';
import { checkOrigin, type Transport } from './request/security.ts';

/** How long a disconnected peer has to read the reason, ms. */
const LINGER_MS = 1000;

/** Time and size limits for one peer. */
export interface ListenerLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
}

/** Turns any thrown value into the response of the request, and logs bugs. */
export type Answering = (thrown: unknown, outgoing: ServerResponse) => Response;

/** Names requests and turns their errors into responses. */
export interface RequestBook {
  readonly answer: Answering;
  /** Assigns the request its id. */
  open(outgoing: ServerResponse): void;
  problem(thrown: unknown, outgoing: ServerResponse | null): ProblemAnswer;
}

export function createRequestBook(log: Log, clock: Clock): RequestBook {
  const names = new WeakMap<ServerResponse, string>();
  const life = clock.now().toString(36);
  let count = 0;
  const nextName = () => `req_${life}_${++count}`;

  function problem(thrown: unknown, outgoing: ServerResponse | null): ProblemAnswer {
    const instance = (outgoing && names.get(outgoing)) ?? nextName();
    const answer = problemAnswer(thrown, instance);
    if (answer.bug) log.error('api.bug', { request: instance, error: redact(stackOf(thrown)) });
    return answer;
  }

  return {
    problem,
    open: (outgoing) => void names.set(outgoing, nextName()),
    answer(thrown, outgoing) {
      const { status, headers, body } = problem(thrown, outgoing);
      return new Response(body, { status, headers });
    },
  };
}

function stackOf(thrown: unknown): string {
  const stack = typeof thrown === 'object' && thrown !== null && 'stack' in thrown ? thrown.stack : undefined;
  return typeof stack === 'string' ? stack : messageOf(thrown);
}

/** An HTTP server for the app that does not listen yet. `door` describes the transport; null: not open yet. */
export function createListener(options: {
  readonly app: ApiApp;
  readonly book: RequestBook;
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: ListenerLimits;
  readonly maxBodyBytes: number;
  readonly door: () => Transport | null;
}): Server {
  const { app, book, log, clock, limits } = options;
  const current = new WeakMap<Duplex, ServerResponse>();

  const serve = getRequestListener(
    async (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      const door = options.door();
      try {
        if (door === null) throw closed();
        return await app.fetch(request, { incoming, outgoing, door });
      } catch (error) {
        return book.answer(error, outgoing);
      }
    },
    {
      // The adapter's own Request and Response would replace the global ones for the whole process.
      overrideGlobalObjects: false,
      hostname: 'localhost',
      errorHandler(error) {
        const problem = new ApiProblem(
          'malformed-request',
          `The address cannot be read: ${messageOf(error)}.`,
        );
        const { status, headers, body } = book.problem(problem, null);
        return new Response(body, { status, headers });
      },
    },
  );

  function handle(incoming: IncomingMessage, outgoing: ServerResponse): void {
    book.open(outgoing);
    current.set(incoming.socket, outgoing);
    outgoing.setHeader('cache-control', 'no-store');
    outgoing.setHeader('x-content-type-options', 'nosniff');
    outgoing.setHeader('cross-origin-resource-policy', 'same-origin');
    logWhenDone(incoming, outgoing, log, clock);
    try {
      const door = options.door();
      if (door === null) throw closed();
      checkOrigin(incoming, door);
      checkTarget(incoming.url ?? '');
    } catch (error) {
      const { status, headers, body } = book.problem(error, outgoing);
      outgoing.writeHead(status, headers).end(body);
      return;
    }
    // The adapter builds a URL from the Host header. It has been validated; nothing reads it from here on.
    incoming.headers.host = 'localhost';
    serve(incoming, outgoing).catch((error: unknown) => {
      book.problem(error, outgoing);
      outgoing.destroy();
    });
  }

  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.max(20, Math.min(2000, Math.floor(limits.headersTimeoutMs / 4))),
      // A missing header is answered like every other mistake.
      requireHostHeader: false,
    },
    handle,
  );
  server.maxConnections = limits.maxConnections;
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    try {
      checkDeclaredLength(incoming, options.maxBodyBytes);
      outgoing.writeContinue();
    } catch {
      // The client does not send the body; the route gives the same answer as a response.
      outgoing.setHeader('connection', 'close');
    }
    handle(incoming, outgoing);
  });
  // Any other expectation is ignored, the client gets the response.
  server.on('checkExpectation', handle);
  server.on('connect', (_incoming: IncomingMessage, socket: Duplex) => {
    const problem = new ApiProblem('malformed-request', 'This is no proxy.');
    hangUp(socket, rawAnswer(book.problem(problem, null), false));
  });
  server.on('clientError', (error: Error, socket: Duplex) => {
    const response = current.get(socket);
    const midAnswer = response?.headersSent === true && !response.writableEnded;
    if (midAnswer || !socket.writable || systemCode(error) === 'ECONNRESET') return void socket.destroy();
    hangUp(socket, rawAnswer(book.problem(brokenRequest(error), null), isHead(error)));
  });
  /** Sends its final response. A peer that does not disconnect would keep one of few connections for good. */
  function hangUp(socket: Duplex, answer: string): void {
    const cancel = clock.after(LINGER_MS, () => socket.destroy());
    socket.once('close', cancel);
    socket.once('error', () => socket.destroy());
    socket.end(answer);
  }
  return server;
}

function closed(): ApiProblem {
  return new ApiProblem('not-running', 'The supervisor is starting or stopping.', {
    hint: 'try again shortly',
  });
}

/** The path must be valid, and its percent-encoding decodable: ids come from there. */
function checkTarget(target: string): void {
  if (!target.startsWith('/'))
    throw new ApiProblem('malformed-request', 'The request target must be a path.');
  try {
    for (const part of target.split('?')) decodeURIComponent(part);
  } catch {
    // A URIError's message says no more than that.
    throw new ApiProblem('malformed-request', 'The address has invalid percent-encoding.', {
      hint: "write a literal % as %25, for example with JavaScript's encodeURIComponent",
    });
  }
}

function brokenRequest(error: Error): ApiProblem {
  switch (systemCode(error)) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ApiProblem('request-timeout', 'The request did not arrive in time.');
    case 'HPE_HEADER_OVERFLOW':
      return new ApiProblem('headers-too-large', 'The headers have more than 16 KiB.');
    default:
      return new ApiProblem('malformed-request', 'This is not HTTP.');
  }
}

/**
 * A HEAD request is answered without a body even if the request is otherwise malformed, or its client misparses the
 * response.
 */
function isHead(error: object): boolean {
  return 'rawPacket' in error && Buffer.isBuffer(error.rawPacket) && error.rawPacket.indexOf('HEAD ') === 0;
}

function rawAnswer({ status, headers, body }: ProblemAnswer, headOnly: boolean): string {
  const lines = Object.entries({
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} Refused`, ...lines, '', headOnly ? '' : body].join('\r\n');
}

function logWhenDone(incoming: IncomingMessage, outgoing: ServerResponse, log: Log, clock: Clock): void {
  const begunAt = clock.now();
  outgoing.once('close', () => {
    log.debug('api.request', {
      method: incoming.method,
      // Never the query, and never a token that was mistaken for an id.
      path: redact((incoming.url ?? '').split('?', 1)[0] ?? '').slice(0, 300),
      status: outgoing.headersSent ? outgoing.statusCode : null,
      ms: clock.now() - begunAt,
    });
  });
}
