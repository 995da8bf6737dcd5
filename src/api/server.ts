// The API as a service: the unix socket always, TCP if wanted, api.json for discovery.

import { closeSync } from 'node:fs';
import type { Server, ServerResponse } from 'node:http';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import type { SupervisorControl } from '../control/control.ts';
import type { SupervisorViews } from '../control/views/views.ts';
import type { Config, ListenSetting } from '../domain/config.ts';
import { SupervisorError, systemCode } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Listening } from '../platform/handover.ts';
import type { Log } from '../platform/log.ts';
import type { Service } from '../platform/service.ts';
import type { IdempotencyStore } from '../runs/idempotency-store.ts';
import type { NamedTokens } from '../runs/named-tokens.ts';
import { keepPort, lastPort, removeApiFile, writeApiFile } from './api-file.ts';
import { descriptorOf, listenOnSocket, listenOnTcp } from './listen.ts';
import { createListener, createRequestBook } from './listener.ts';
import type { McpCaller } from './mcp/mcp-tools.ts';
import { readPageFiles } from './page/page-files.ts';
import type { PageParts } from './page/page-routes.ts';
import { always, createOnce } from './request/idempotency.ts';
import type { PageSessions } from './request/page-sessions.ts';
import { createGatekeeper, PAGE_HOST, type Transport, tcpDoor } from './request/security.ts';
import { createEventStream, type EventStream } from './routes/event-stream.ts';
import { createApiApp } from './routes/routes.ts';

export interface ApiServerOptions {
  readonly control: SupervisorControl;
  readonly views: SupervisorViews;
  /** `named`: tokens that outlive a restart. */
  readonly tokens: { readonly operator: string; readonly named?: NamedTokens };
  readonly config: Config['api'] & { readonly maxBodyBytes: number };
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Responses to repeated requests; without it an Idempotency-Key is ignored. */
  readonly answers?: IdempotencyStore;
  /** Text for Prometheus; absent: there is none. */
  readonly metrics?: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** The page: its sessions, and the folder that its build left; absent: there is none. */
  readonly page?: { readonly sessions: PageSessions; readonly folder: string };
  /** Path of api.json; without it none is written. */
  readonly apiFile?: string;
  /** Sockets that an earlier program of this process left listening. */
  readonly inherited?: Listening | undefined;
  /** Other tools for callers of MCP, for tests; absent: those about tasks. */
  readonly mcp?: (who: McpCaller) => McpHttpHandler;
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
  /**
   * Stops like `stop`, but the sockets keep listening by the descriptors that are returned, and api.json stays: who
   * calls from now on waits for the successor. `copy` copies a descriptor; `endWaits` is called once no more requests
   * come, to have those answered that wait for something. Null if it is not started.
   */
  handOver(copy: (fd: number) => number, endWaits: () => void): Promise<Listening | null>;
}

/** On TCP; agents need few, and a web page or a neighbour must not take all of them. */
const MAX_TCP_CONNECTIONS = 64;
/** On the socket, for this user only: enough for hundreds of watchers, within the usual file limit. */
const MAX_SOCKET_CONNECTIONS = 512;

/** How long a stop waits for responses under way, ms. */
const STOP_MS = 2000;
/** The same before a successor takes over: callers wait meanwhile, and none need send a request again. */
const HANDOVER_MS = 30_000;

/** State between a start and the next stop. */
interface Running {
  readonly events: EventStream;
  readonly listener: (door: () => Transport | null, maxConnections: number) => Server;
  /** Each with its address; null: the unix socket. */
  readonly servers: Map<Server, { readonly host: string; readonly port: number } | null>;
  /** Responses under way. */
  readonly answering: ReadonlySet<ServerResponse>;
  /** Removes the file of the unix socket. */
  removeSocket: () => Promise<void>;
  tcp: Promise<string> | null;
  url: string | null;
  /** No one else answers where browsers look for the page's host name. */
  isPageNameOurs: boolean;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { control, views, config, clock, log } = options;
  let running: Running | null = null;
  let stopping = false;
  /** Connections end with their responses. */
  let ending = false;
  let inherited: Listening | null = options.inherited ?? null;
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
    const page = config.page ? (options.page ?? null) : null;
    const pageParts: PageParts | null = page && {
      sessions: page.sessions,
      files: remembered(() => readPageFiles(page.folder, page.sessions.life)),
      open: () => inTurn(openPage),
    };
    const events = createEventStream({ control, clock });
    const gate = createGatekeeper({
      operatorToken: options.tokens.operator,
      named: options.tokens.named,
      pageSessions: pageParts?.sessions,
      control,
      clock,
    });
    const { maxBodyBytes } = config;
    const once = options.answers ? createOnce(options.answers) : always;
    const app = createApiApp(
      {
        ...{ control, views, gate, maxBodyBytes, events, clock, once },
        version: options.version,
        page: pageParts,
        metrics: options.metrics ?? null,
        ...(options.mcp ? { mcp: options.mcp } : {}),
      },
      book.answer,
    );
    const limits = {
      headersTimeoutMs: options.patience?.headersTimeoutMs ?? 10_000,
      requestTimeoutMs: options.patience?.requestTimeoutMs ?? 60_000,
    };
    const servers: Running['servers'] = new Map();
    const answering = new Set<ServerResponse>();
    return {
      events,
      servers,
      answering,
      removeSocket: async () => {},
      tcp: null,
      url: null,
      isPageNameOurs: true,
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
        server.on('request', (_incoming, outgoing) => {
          if (ending) outgoing.shouldKeepAlive = false;
          answering.add(outgoing);
          outgoing.once('close', () => {
            answering.delete(outgoing);
            // A response that completes while stopping may leave an idle connection behind, which would stay open.
            if (ending) server.closeIdleConnections();
          });
        });
        servers.set(server, null);
        return server;
      },
    };
  }

  async function announce(parts: Running, isRestarting = false): Promise<void> {
    if (options.apiFile === undefined) return;
    await writeApiFile(options.apiFile, {
      pid: process.pid,
      socket: options.socketPath,
      url: parts.url,
      token: options.tokens.operator,
      ...(isRestarting ? { restarting: true } : {}),
    });
  }

  async function listenTcp(parts: Running, wish: Exclude<ListenSetting, { kind: 'off' }>): Promise<string> {
    let door: Transport | null = null;
    const server = parts.listener(() => door, MAX_TCP_CONNECTIONS);
    try {
      const last = await lastPort(options.apiFile);
      const { host, port } = await listenOnTcp(server, wish, last, inherited?.tcp);
      parts.servers.set(server, { host, port });
      // Before anything is awaited: requests may have waited for this.
      door = tcpDoor(host, port, config);
      await keepPort(options.apiFile, port);
      parts.url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    } catch (error) {
      parts.servers.delete(server);
      throw error;
    }
    if (config.page && options.page && !parts.url.includes('['))
      parts.isPageNameOurs = await listenBeside(parts, Number(new URL(parts.url).port));
    log.info('api.listening', { url: parts.url });
    return (config.publicUrl ?? parts.url).replace(/\/+$/, '');
  }

  /**
   * Browsers take `workgraph.localhost` to ::1 first, where another user could answer in our place. True if we answer
   * there, too, or no one can: this machine has no IPv6.
   */
  async function listenBeside(parts: Running, port: number): Promise<boolean> {
    const door = tcpDoor('::1', port, config);
    const server = parts.listener(() => door, MAX_TCP_CONNECTIONS);
    try {
      await listenOnTcp(server, { kind: 'at', host: '::1', port }, null, inherited?.tcp);
      parts.servers.set(server, { host: '::1', port });
      return true;
    } catch (error) {
      parts.servers.delete(server);
      const code = error instanceof SupervisorError ? systemCode(error.cause) : undefined;
      return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' || code === 'EINVAL';
    }
  }

  /** Opens TCP unless it is open. In turn with everything else that starts and stops. */
  async function openTcpNow(off: SupervisorError): Promise<string> {
    const parts = running;
    if (!parts) throw new SupervisorError('not-running', 'The API is not started, so TCP cannot be opened.');
    const wish = config.listen;
    if (wish.kind === 'off') throw off;
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
  }

  async function openPage(): Promise<string> {
    await openTcpNow(
      new SupervisorError('config', 'No browser could reach the page: [api] listen is off.', {
        hint: "set [api] listen = 'auto' and start the supervisor again",
      }),
    );
    const { hostname, port } = new URL(running?.url ?? '');
    if (!['127.0.0.1', '0.0.0.0', '[::1]', '[::]'].includes(hostname))
      throw new SupervisorError(
        'config',
        `The page is served on loopback only, and [api] listen is ${hostname}.`,
        {
          hint: "set [api] listen = '127.0.0.1:0' or 'auto'",
        },
      );
    // A new name for each start: what another program left in the browser while it answered at this port is not found.
    const label = options.page ? `${options.page.sessions.life}.` : '';
    return `http://${running?.isPageNameOurs ? `${label}${PAGE_HOST}` : '127.0.0.1'}:${port}`;
  }

  async function bringUp(): Promise<void> {
    if (running) return;
    const wish = config.listen;
    const parts = build();
    stopping = false;
    ending = false;
    try {
      const door: Transport = { kind: 'socket' };
      parts.removeSocket = await listenOnSocket(
        parts.listener(() => door, MAX_SOCKET_CONNECTIONS),
        options.socketPath,
        inherited?.socket,
      );
      log.info('api.listening', { socket: options.socketPath });
      parts.events.open();
      if (wish.kind === 'at') {
        parts.tcp = listenTcp(parts, wish);
        await parts.tcp;
      }
      // A page that is still open somewhere comes back on its own, and callers may wait on what was left listening.
      const isAwaited = (inherited?.tcp.length ?? 0) > 0;
      if (wish.kind === 'auto' && (isAwaited || (config.page && options.page?.sessions.anyLive()))) {
        parts.tcp = listenTcp(parts, wish);
        await parts.tcp;
      }
      await announce(parts);
    } catch (error) {
      await bringDown(parts);
      throw error;
    }
    running = parts;
    closeUnused(parts);
  }

  /** What no one listens on any more, as the configuration names other addresses by now, is closed. */
  function closeUnused(parts: Running): void {
    const used = new Set([...parts.servers.keys()].map(descriptorOf));
    const left = inherited === null ? [] : [inherited.socket, ...inherited.tcp.map(({ fd }) => fd)];
    inherited = null;
    for (const fd of left) {
      if (used.has(fd)) continue;
      try {
        closeSync(fd);
      } catch {
        // Not a descriptor that was inherited, whatever the variable said.
      }
    }
  }

  async function bringDown(parts: Running): Promise<void> {
    stopping = true;
    running = null;
    if (options.apiFile !== undefined) await removeApiFile(options.apiFile, options.tokens.operator);
    await parts.removeSocket();
    await endConnections(parts, STOP_MS);
  }

  async function leaveListening(
    parts: Running,
    copy: (fd: number) => number,
    endWaits: () => void,
  ): Promise<Listening> {
    let socket: number | null = null;
    const tcp: { host: string; port: number; fd: number }[] = [];
    for (const [server, place] of parts.servers) {
      const fd = descriptorOf(server);
      if (fd === null) continue;
      if (place === null) socket = copy(fd);
      else tcp.push({ ...place, fd: copy(fd) });
    }
    if (socket === null) throw new Error('the unix socket has no descriptor');
    // From here on new connections wait in the sockets' own queues; what arrives on the others is still answered.
    running = null;
    const ended = endConnections(parts, HANDOVER_MS);
    endWaits();
    await announce(parts, true);
    await ended;
    return { socket, tcp };
  }

  async function endConnections(parts: Running, patienceMs: number): Promise<void> {
    ending = true;
    // So that no client sends its next request on a connection that is about to be closed.
    for (const outgoing of parts.answering) outgoing.shouldKeepAlive = false;
    parts.events.close();
    await Promise.all([...parts.servers.keys()].map((server) => close(server, patienceMs)));
    await options.tokens.named?.flush();
  }

  function close(server: Server, patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(options.patience?.stopMs ?? patienceMs, () => server.closeAllConnections());
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
    handOver: (copy, endWaits) =>
      inTurn(async () => (running ? leaveListening(running, copy, endWaits) : null)),
    openTcp: () =>
      inTurn(() =>
        openTcpNow(
          new SupervisorError('config', 'Agents could not call back: [api] listen is off.', {
            hint: "Set [api] listen = 'auto', or have these profiles do without (completion = 'response' or 'poll', no {{callback.complete_url}}).",
          }),
        ),
      ),
  };
}

/** What was found once, until it could be found. */
function remembered<T>(find: () => T): () => T {
  let found: { readonly value: T } | null = null;
  return () => {
    found ??= { value: find() };
    return found.value;
  };
}
