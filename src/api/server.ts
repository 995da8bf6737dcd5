// The API as a service: the unix socket always, TCP if wanted, api.json for discovery.

import type { Server } from 'node:http';
import type { SupervisorControl } from '../control/control.ts';
import type { Config, ListenSetting } from '../domain/config.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Service } from '../platform/service.ts';
import type { IdempotencyStore } from '../runs/idempotency-store.ts';
import type { NamedTokens } from '../runs/named-tokens.ts';
import { keepPort, lastPort, removeApiFile, writeApiFile } from './api-file.ts';
import { createEventStream, type EventStream } from './event-stream.ts';
import { always, createOnce } from './idempotency.ts';
import { listenOnSocket, listenOnTcp } from './listen.ts';
import { createListener, createRequestBook } from './listener.ts';
import { createApiApp } from './routes.ts';
import { createGatekeeper, type Transport, tcpDoor } from './security.ts';

export interface ApiServerOptions {
  readonly control: SupervisorControl;
  /** `named`: tokens that outlive a restart. */
  readonly tokens: { readonly operator: string; readonly named?: NamedTokens };
  readonly config: Config['api'] & { readonly maxBodyBytes: number };
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Responses to repeated requests; without it an Idempotency-Key is ignored. */
  readonly answers?: IdempotencyStore;
  /** Path of api.json; without it none is written. */
  readonly apiFile?: string;
  /** Shorter timeouts, for tests. */
  readonly patience?: {
    readonly headersTimeoutMs?: number;
    readonly requestTimeoutMs?: number;
    /** How long `stop` waits for responses under way. */
    readonly stopMs?: number;
  };
}

export interface ApiServer extends Service {
  /** Where it can be reached. `url` is null unless TCP is open. */
  address(): { readonly socket: string; readonly url: string | null };
  /**
   * Opens TCP if it is not open yet and resolves with the base URL for callbacks: `public_url` if set, else the
   * loopback address. Throws `config` if `[api] listen` is off.
   */
  openTcp(): Promise<string>;
}

/** On TCP; agents need few, and a web page or a neighbour must not take all of them. */
const MAX_TCP_CONNECTIONS = 64;
/** On the socket, for this user only: enough for hundreds of watchers, within the usual file limit. */
const MAX_SOCKET_CONNECTIONS = 512;

/** State between a start and the next stop. */
interface Running {
  readonly events: EventStream;
  readonly listener: (door: () => Transport | null, maxConnections: number) => Server;
  readonly servers: Set<Server>;
  tcp: Promise<string> | null;
  url: string | null;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { control, config, clock, log } = options;
  let running: Running | null = null;
  let stopping = false;
  // Starts and stops are queued, in the order requested.
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const turn = queue.then(act);
    queue = turn.catch(() => {
      // The error is reported to the caller of that turn.
    });
    return turn;
  };

  function build(): Running {
    const book = createRequestBook(log, clock);
    const events = createEventStream({ control, clock });
    const gate = createGatekeeper({
      operatorToken: options.tokens.operator,
      named: options.tokens.named,
      control,
      clock,
    });
    const { maxBodyBytes } = config;
    const once = options.answers ? createOnce(options.answers) : always;
    const app = createApiApp(
      { control, gate, maxBodyBytes, events, clock, once, version: options.version },
      book.answer,
    );
    const limits = {
      headersTimeoutMs: options.patience?.headersTimeoutMs ?? 10_000,
      requestTimeoutMs: options.patience?.requestTimeoutMs ?? 60_000,
    };
    const servers = new Set<Server>();
    return {
      events,
      servers,
      tcp: null,
      url: null,
      listener(door, maxConnections) {
        const server = createListener({
          app,
          book,
          log,
          clock,
          maxBodyBytes,
          limits: { ...limits, maxConnections },
          door: () => (stopping ? null : door()),
        });
        // A response that completes while stopping leaves an idle connection behind, which would stay open.
        server.on('request', (_incoming, outgoing) =>
          outgoing.once('close', () => stopping && server.closeIdleConnections()),
        );
        servers.add(server);
        return server;
      },
    };
  }

  async function announce(parts: Running): Promise<void> {
    if (options.apiFile === undefined) return;
    await writeApiFile(options.apiFile, {
      pid: process.pid,
      socket: options.socketPath,
      url: parts.url,
      token: options.tokens.operator,
    });
  }

  async function listenTcp(parts: Running, wish: Exclude<ListenSetting, { kind: 'off' }>): Promise<string> {
    let door: Transport | null = null;
    const server = parts.listener(() => door, MAX_TCP_CONNECTIONS);
    try {
      const { host, port } = await listenOnTcp(server, wish, await lastPort(options.apiFile));
      await keepPort(options.apiFile, port);
      door = tcpDoor(host, port, config);
      parts.url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    } catch (error) {
      parts.servers.delete(server);
      throw error;
    }
    log.info('api.listening', { url: parts.url });
    return (config.publicUrl ?? parts.url).replace(/\/+$/, '');
  }

  async function bringUp(): Promise<void> {
    if (running) return;
    const wish = config.listen;
    const parts = build();
    stopping = false;
    try {
      const door: Transport = { kind: 'socket' };
      await listenOnSocket(
        parts.listener(() => door, MAX_SOCKET_CONNECTIONS),
        options.socketPath,
      );
      log.info('api.listening', { socket: options.socketPath });
      parts.events.open();
      if (wish.kind === 'at') {
        parts.tcp = listenTcp(parts, wish);
        await parts.tcp;
      }
      await announce(parts);
    } catch (error) {
      await bringDown(parts);
      throw error;
    }
    running = parts;
  }

  async function bringDown(parts: Running): Promise<void> {
    stopping = true;
    running = null;
    if (options.apiFile !== undefined) await removeApiFile(options.apiFile, options.tokens.operator);
    parts.events.close();
    await Promise.all([...parts.servers].map((server) => close(server)));
    await options.tokens.named?.flush();
  }

  function close(server: Server): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(options.patience?.stopMs ?? 2000, () => server.closeAllConnections());
      // Without a listener (it never listened) there is nothing to wait for, and the callback says so.
      server.close(() => {
        cancel();
        resolve();
      });
      server.closeIdleConnections();
    });
  }

  return {
    name: 'api',
    address: () => ({ socket: options.socketPath, url: running?.url ?? null }),
    start: () => inTurn(bringUp),
    stop: () => inTurn(async () => (running ? bringDown(running) : undefined)),
    openTcp: () =>
      inTurn(async () => {
        const parts = running;
        if (!parts)
          throw new SupervisorError('not-running', 'The API is not started, so TCP cannot be opened.');
        const wish = config.listen;
        if (wish.kind === 'off')
          throw new SupervisorError('config', 'Agents could not call back: [api] listen is off.', {
            hint: "Set [api] listen = 'auto', or have these profiles do without (completion = 'response' or 'poll', no {{callback.complete_url}}).",
          });
        if (parts.tcp) return parts.tcp;
        const opening = listenTcp(parts, wish);
        parts.tcp = opening;
        try {
          const url = await opening;
          await announce(parts);
          return url;
        } catch (error) {
          parts.tcp = null;
          throw error;
        }
      }),
  };
}
