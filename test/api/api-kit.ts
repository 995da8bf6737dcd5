// A real API server on real sockets in a temporary folder, over a scripted supervisor, and ways to talk to it.

import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../../src/api/server.ts';
import type { Config } from '../../src/domain/config.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Log } from '../../src/platform/log.ts';
import { OPERATOR_TOKEN, type ScriptedControl, scriptedControl } from './scripted-control.ts';
import { scriptedViews } from './scripted-views.ts';

export const API_DEFAULTS: Config['api'] & { maxBodyBytes: number } = {
  listen: { kind: 'auto' },
  publicUrl: null,
  allowRemote: false,
  allowedHosts: [],
  allowedOrigins: [],
  page: true,
  maxBodyBytes: 64 * 1024,
};

export interface Logged {
  readonly level: string;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that keeps what it is told. */
export function recordingLog(): Log & { readonly lines: Logged[] } {
  const lines: Logged[] = [];
  const at =
    (level: string) =>
    (name: string, fields: Readonly<Record<string, unknown>> = {}) =>
      void lines.push({ level, name, fields });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A clock that moves only by hand. */
export function handClock(
  start: number,
): Clock & { advance(ms: number): void; readonly waiting: () => number } {
  let now = start;
  let pending: { readonly at: number; readonly act: () => void }[] = [];
  return {
    now: () => now,
    waiting: () => pending.length,
    after(ms, act) {
      const entry = { at: now + ms, act };
      pending.push(entry);
      return () => {
        pending = pending.filter((one) => one !== entry);
      };
    },
    sleep: () => Promise.reject(new Error('the API does not sleep')),
    advance(ms) {
      now += ms;
      for (let due = pending.find((one) => one.at <= now); due; due = pending.find((one) => one.at <= now)) {
        pending.splice(pending.indexOf(due), 1);
        due.act();
      }
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body, undefined when it is empty. */
  readonly json: unknown;
}

export interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** A text is sent as it is, a value as JSON with its content type. */
  readonly body?: unknown;
}

export interface TestApi {
  readonly server: ApiServer;
  readonly control: ScriptedControl;
  readonly log: ReturnType<typeof recordingLog>;
  readonly folder: string;
  readonly socket: string;
  readonly apiFile: string;
  /** Over the unix socket. */
  ask(ask: Ask): Promise<Answer>;
  /** Over TCP (opened when needed), with the operator's token unless an authorization header is given. */
  askTcp(ask: Ask): Promise<Answer>;
  stop(): Promise<void>;
}

export async function startApi(
  options: Partial<Omit<ApiServerOptions, 'config' | 'control'>> & {
    readonly config?: Partial<typeof API_DEFAULTS>;
    readonly control?: ScriptedControl;
  } = {},
): Promise<TestApi> {
  const folder = await mkdtemp(join(tmpdir(), 'api-'));
  const control = options.control ?? scriptedControl();
  const log = recordingLog();
  const socket = options.socketPath ?? join(folder, 's.sock');
  const apiFile = options.apiFile ?? join(folder, 'api.json');
  const server = createApiServer({
    control,
    views: scriptedViews(),
    log,
    tokens: { operator: OPERATOR_TOKEN },
    clock: systemClock(),
    version: '1.2.3',
    ...options,
    socketPath: socket,
    apiFile,
    config: { ...API_DEFAULTS, ...options.config },
  });
  await server.start();
  return {
    server,
    control,
    log,
    folder,
    socket,
    apiFile,
    ask: (ask) => send({ socketPath: socket }, ask),
    async askTcp(ask) {
      await server.openTcp();
      const url = new URL(server.address().url ?? '');
      return send(
        { host: url.hostname, port: Number(url.port) },
        { ...ask, headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, ...ask.headers } },
      );
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One request on a connection of its own. An empty authorization header is not sent. */
export function send(
  where: { readonly socketPath: string } | { readonly host: string; readonly port: number },
  { method = 'GET', path, headers = {}, body }: Ask,
): Promise<Answer> {
  const { authorization, ...others } = headers;
  const payload = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...where,
        method,
        path,
        agent: false,
        headers: {
          ...(payload === null || typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
          ...(payload === null ? {} : { 'content-length': String(Buffer.byteLength(payload)) }),
          ...(authorization ? { authorization } : {}),
          ...others,
        } as Record<string, string>,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          let json: unknown;
          try {
            json = text === '' ? undefined : JSON.parse(text);
          } catch {
            // Not every answer is JSON; tests that need it look at `json`.
          }
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
        });
      },
    );
    sent.on('error', reject);
    sent.end(payload ?? undefined);
  });
}

/** Bytes as they are on a connection of their own; resolves with all that came back when the server hangs up. */
export function sendRaw(
  where: { readonly path: string } | { readonly host: string; readonly port: number },
  bytes: string | Buffer,
  options: { readonly end?: boolean } = {},
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {
      // The server may hang up while we still write: what came back counts.
    });
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    if (options.end === false) socket.write(bytes);
    else socket.end(bytes);
  });
}
