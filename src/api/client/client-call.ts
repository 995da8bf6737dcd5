// One request over the unix socket, and its response or the SupervisorError it contains. For client.ts alone.

import { type Agent, type IncomingMessage, request } from 'node:http';
import { ERROR_CODES, type ErrorCode, messageOf, SupervisorError } from '../../domain/errors.ts';

export interface SocketCall {
  readonly socket: string;
  readonly agent: Agent;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Any JSON value; undefined: no body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Tolerated silence before the response begins and while it arrives, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** The parsed response. Throws the server's own error, or `not-running` with the system's error as its cause. */
export async function callSocket(call: SocketCall): Promise<unknown> {
  const response = await open(call);
  return read(call, response);
}

/** The response as a stream, once its status is known to be good. */
export async function streamSocket(call: SocketCall): Promise<IncomingMessage> {
  const response = await open(call);
  if (response.statusCode !== 200) await read(call, response);
  // Silence on an event stream is normal; keep-alive comments show that it is alive.
  response.socket.setTimeout(0);
  return response;
}

function open(call: SocketCall): Promise<IncomingMessage> {
  const payload = call.body === undefined ? null : Buffer.from(JSON.stringify(call.body));
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: call.socket,
        agent: call.agent,
        method: call.method,
        path: call.path,
        timeout: call.timeoutMs,
        ...(call.signal === undefined ? {} : { signal: call.signal }),
        headers: {
          host: 'localhost',
          accept: 'application/json',
          ...call.headers,
          ...(payload === null
            ? {}
            : { 'content-type': 'application/json', 'content-length': String(payload.length) }),
        },
      },
      resolve,
    );
    sent.once('error', (error) => reject(lost(call, error)));
    sent.once('timeout', () => sent.destroy(new Error(`no answer within ${call.timeoutMs / 1000} s`)));
    sent.end(payload ?? undefined);
  });
}

async function read(call: SocketCall, response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (error) {
    throw lost(call, error);
  }
  const status = response.statusCode ?? 0;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new SupervisorError('failed', `What answers on ${call.socket} does not speak our language.`, {
      hint: 'check that commands and supervisor are of the same version',
      cause: error,
    });
  }
  if (status >= 200 && status < 300) return value;
  throw errorOf(status, value);
}

/** The SupervisorError of a problem document. */
function errorOf(status: number, value: unknown): SupervisorError {
  const problem = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const { type: _type, title, status: _status, detail, category, code, hint, ...details } = problem;
  const sentence = typeof detail === 'string' ? detail : typeof title === 'string' ? title : `HTTP ${status}`;
  return new SupervisorError(isErrorCode(category) ? category : codeOfStatus(status), sentence, {
    ...(typeof hint === 'string' ? { hint } : {}),
    details: { ...details, code },
  });
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}

/** For a server that sends no category: the first code with that HTTP status. */
function codeOfStatus(status: number): ErrorCode {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];
  return codes.find((code) => ERROR_CODES[code].http === status) ?? 'failed';
}

function lost(call: SocketCall, error: unknown): SupervisorError {
  return new SupervisorError(
    'not-running',
    `The supervisor on ${call.socket} gave no answer: ${messageOf(error)}.`,
    {
      hint: 'see `supervisor service status` or start it with `supervisor run`',
      cause: error,
    },
  );
}

/** The messages that answer one MCP message; none for a notification. */
export async function callMcp(call: SocketCall): Promise<readonly unknown[]> {
  const response = await open(call);
  let text = '';
  try {
    response.setEncoding('utf8');
    for await (const chunk of response) text += chunk as string;
  } catch (error) {
    throw lost(call, error);
  }
  if (text.trim() === '') return [];
  const isStream = response.headers['content-type']?.startsWith('text/event-stream') ?? false;
  if (isStream)
    return [...text.matchAll(/^data: ?(.+)$/gm)].map(([, data = 'null']) => JSON.parse(data) as unknown);
  const value = JSON.parse(text) as unknown;
  const status = response.statusCode ?? 0;
  // The protocol's own errors come with any status.
  if (typeof value === 'object' && value !== null && 'jsonrpc' in value) return [value];
  throw errorOf(status, value);
}
