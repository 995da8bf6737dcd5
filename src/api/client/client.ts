// How the commands talk to a running supervisor: node:http over the unix socket, nothing else to load. Mirrors
// SupervisorControl; refusals of the server are thrown as the SupervisorError they were.

import { Agent } from 'node:http';
import type {
  CompletionAnswer,
  CompletionRequest,
  RunFilter,
  TaskFilter,
  TaskQuery,
} from '../../control/control.ts';
import { messageOf, SupervisorError, systemCode } from '../../domain/errors.ts';
import type { DigestReport } from '../../domain/overview.ts';
import type {
  PromptReport,
  RunReport,
  StatusReport,
  TaskDetailReport,
  TaskReport,
  VerdictsReport,
  WhyReport,
} from '../../domain/report.ts';
import { isoTime } from '../../platform/clock.ts';
import type { HeartbeatAnswer } from '../../run/leases.ts';
import type { AnsweredQuestion } from '../../run/questions.ts';
import { readApiFile } from '../api-file.ts';
import type { PageRole } from '../request/page-sessions.ts';
import { callSocket, type SocketCall, streamSocket } from './client-call.ts';
import { readServerEvents, type ServerEvent } from './server-events.ts';

/** A completion as a command sends it. With `token`, it is sent as the token's run. */
export type ClientCompletion = Omit<CompletionRequest, 'caller'> & { readonly token?: string };

/** A running supervisor, seen from another process. Everything throws SupervisorError. */
export interface SupervisorClient {
  /** Path of its socket. */
  readonly socket: string;
  /** Version of the running supervisor. */
  readonly version: string;
  status(): Promise<StatusReport>;
  why(query: TaskQuery): Promise<WhyReport>;
  /** What was said of the task within [from, to], ms. */
  verdicts(query: TaskQuery, period: { readonly from: number; readonly to: number }): Promise<VerdictsReport>;
  tasks(filter?: TaskFilter): Promise<readonly TaskReport[]>;
  /** Ids of tasks that begin so, over every worktree. */
  ids(prefix: string): Promise<readonly string[]>;
  task(query: TaskQuery): Promise<TaskDetailReport>;
  prompt(query: TaskQuery): Promise<PromptReport>;
  runs(filter?: RunFilter): Promise<readonly RunReport[]>;
  /** What happened since an instant (ms). */
  digest(since: number): Promise<DigestReport>;
  complete(request: ClientCompletion): Promise<CompletionAnswer>;
  heartbeat(
    query: TaskQuery,
    options?: { readonly token?: string; readonly message?: string },
  ): Promise<HeartbeatAnswer>;
  /** Answers a worker's question; with `question` only if that is what it asks. */
  answer(query: TaskQuery, answer: string, question?: string): Promise<AnsweredQuestion>;
  cancel(query: TaskQuery, reason?: string): Promise<RunReport>;
  retry(query: TaskQuery, how?: { readonly doneToo?: boolean }): Promise<TaskReport>;
  claim(query: TaskQuery, worker: string): Promise<{ readonly run: RunReport; readonly token: string }>;
  release(
    query: TaskQuery,
    options?: { readonly token?: string; readonly reason?: string },
  ): Promise<TaskReport>;
  pause(target: string | null, because?: string): Promise<void>;
  resume(target: string | null): Promise<void>;
  drain(): Promise<void>;
  /** Has a successor take over, and resolves with its version once it answers. */
  restart(): Promise<{ readonly version: string }>;
  reload(): Promise<{ readonly problems: readonly string[] }>;
  /** An address that opens the page once, within a minute. */
  openPage(role: PageRole): Promise<{ readonly url: string; readonly expires_at: string }>;
  /** Ends every session of the page. */
  revokePages(): Promise<{ readonly revoked: number }>;
  /** Every event from now on, or after `lastId` as far as they are kept. Ends when the supervisor stops. */
  events(options?: {
    readonly lastId?: string;
    readonly signal?: AbortSignal;
    /** From here on nothing is missed. */
    readonly onOpen?: () => void;
    /** End with the events that are kept. */
    readonly replayOnly?: boolean;
  }): AsyncGenerator<ServerEvent>;
  /** Closes the connection. A process may also just exit. */
  close(): void;
}

/** How long the supervisor may take to respond at all, ms: on a machine that is short of everything, seconds. */
const CONNECT_TIMEOUT_MS = 10_000;
/** How long one response may take, ms; includes waiting for a busy graph lock. */
const ANSWER_TIMEOUT_MS = 60_000;
/** How long a restart may take: the successor is tried before. */
const RESTART_TIMEOUT_MS = 120_000;
/** How long a completion may take, ms: includes a verify command, by wg's default up to fifteen minutes. */
const COMPLETION_TIMEOUT_MS = 20 * 60_000;

/**
 * The running supervisor found through api.json (or a socket path); null if none runs: no file, a stale file, or a
 * dead socket. Throws `not-running` if one exists but does not respond.
 */
export async function connectSupervisor(
  where: ({ readonly apiFile: string } | { readonly socket: string }) & {
    /** ms; for tests. */
    readonly connectTimeoutMs?: number;
  },
): Promise<SupervisorClient | null> {
  const found = 'socket' in where ? where : await readApiFile(where.apiFile);
  if (found === null) return null;
  const { socket } = found;
  const patienceMs = 'restarting' in found && found.restarting ? ANSWER_TIMEOUT_MS : CONNECT_TIMEOUT_MS;
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  try {
    const answer = await callSocket({
      socket,
      agent,
      method: 'GET',
      path: '/api/health',
      timeoutMs: where.connectTimeoutMs ?? patienceMs,
    });
    return clientOn(socket, agent, versionOf(answer));
  } catch (error) {
    agent.destroy();
    if (nobodyThere(error)) return null;
    throw error;
  }
}

function versionOf(health: unknown): string {
  const version = typeof health === 'object' && health !== null && 'version' in health ? health.version : '';
  return typeof version === 'string' ? version : '';
}

function startOf(health: unknown): string {
  const at = typeof health === 'object' && health !== null && 'started_at' in health ? health.started_at : '';
  return typeof at === 'string' ? at : '';
}

/** The connection was closed before the response. */
function brokeOff(error: unknown): boolean {
  const cause = error instanceof SupervisorError ? systemCode(error.cause) : undefined;
  return cause === 'ECONNRESET' || cause === 'EPIPE';
}

/** The socket's file is gone, or nothing listens on it any more. */
function nobodyThere(error: unknown): boolean {
  const cause = error instanceof SupervisorError ? systemCode(error.cause) : undefined;
  return cause === 'ECONNREFUSED' || cause === 'ENOENT' || cause === 'ENOTSOCK' || cause === 'ENOTDIR';
}

function clientOn(socket: string, agent: Agent, version: string): SupervisorClient {
  const base = { socket, agent, timeoutMs: ANSWER_TIMEOUT_MS };
  // The response comes from the server of this same package: its shape is trusted.
  const get = async <T>(path: string): Promise<T> =>
    (await callSocket({ ...base, method: 'GET', path })) as T;
  const post = async <T>(path: string, body: unknown, timeoutMs = ANSWER_TIMEOUT_MS): Promise<T> =>
    (await callSocket({ ...base, timeoutMs, method: 'POST', path, body })) as T;

  return {
    socket,
    version,
    status: () => get('/api/status'),
    why: (query) => get(taskPath(query, '/why')),
    verdicts: (query, { from, to }) => {
      const path = taskPath(query, '/verdicts');
      const more = search({ from: isoTime(from), to: isoTime(to) });
      return get(path.includes('?') ? `${path}&${more.slice(1)}` : path + more);
    },
    ids: async (prefix) =>
      (await get<{ ids: readonly string[] }>(`/api/ids?prefix=${encodeURIComponent(prefix)}`)).ids,
    tasks: async (filter = {}) =>
      (await get<{ tasks: readonly TaskReport[] }>(`/api/tasks${search({ ...filter })}`)).tasks,
    task: (query) => get(taskPath(query, '')),
    prompt: (query) => get(taskPath(query, '/prompt')),
    digest: (since) => get(`/api/digest${search({ since: isoTime(since) })}`),
    async runs({ since, ...filter } = {}) {
      const query = { ...filter, ...(since === undefined ? {} : { since: isoTime(since) }) };
      return (await get<{ runs: readonly RunReport[] }>(`/api/runs${search(query)}`)).runs;
    },
    complete(request) {
      const { result, token, agent, summary, artifacts, reason, retryable } = request;
      const path = taskPath(request, result === 'failed' ? '/fail' : '/complete');
      const body = { lease_token: token, agent, summary, artifacts, reason, retryable };
      return post(path, body, COMPLETION_TIMEOUT_MS);
    },
    heartbeat: (query, { token, message } = {}) =>
      post(taskPath(query, '/heartbeat'), { lease_token: token, message }),
    answer: (query, answer, question) => post(taskPath(query, '/answer'), { answer, question }),
    cancel: (query, reason) => post(taskPath(query, '/cancel'), { reason }),
    retry: (query, { doneToo } = {}) => post(taskPath(query, '/retry'), { done_too: doneToo }),
    async claim(query, worker) {
      const taken = await post<{ run: RunReport; lease: { token: string } }>(taskPath(query, '/claim'), {
        worker_id: worker,
        // A person at a shell sends no heartbeats.
        lease_s: 0,
      });
      return { run: taken.run, token: taken.lease.token };
    },
    release: (query, { token, reason } = {}) =>
      post(taskPath(query, '/release'), { lease_token: token, reason }),
    pause: (target, because) => post('/api/control/pause', { target, reason: because }),
    resume: (target) => post('/api/control/resume', { target }),
    drain: () => post('/api/control/drain', {}),
    async restart() {
      const before = startOf(await get('/api/health'));
      await post('/api/control/restart', {}, RESTART_TIMEOUT_MS);
      for (;;) {
        const now = await get<unknown>('/api/health').catch((thrown: unknown) => {
          // The connection ended with the old one: the next waits for the new one.
          if (brokeOff(thrown)) return null;
          throw thrown;
        });
        if (now !== null && startOf(now) !== before) return { version: versionOf(now) };
      }
    },
    reload: () => post('/api/control/reload', {}),
    openPage: (role) => post('/api/page/code', { role }),
    revokePages: () => post('/api/page/revoke', {}),
    async *events({ lastId, signal, onOpen, replayOnly } = {}) {
      const call: SocketCall = {
        socket,
        agent,
        method: 'GET',
        path: `/api/events${search({ replay: replayOnly ? 'only' : undefined })}`,
        timeoutMs: ANSWER_TIMEOUT_MS,
        ...(lastId === undefined ? {} : { headers: { 'last-event-id': lastId } }),
        ...(signal === undefined ? {} : { signal }),
      };
      const response = await streamSocket(call);
      onOpen?.();
      try {
        yield* readServerEvents(response);
      } catch (error) {
        if (signal?.aborted) return;
        throw new SupervisorError('not-running', `The event stream broke off: ${messageOf(error)}.`, {
          hint: 'see `supervisor status`',
          cause: error,
        });
      } finally {
        response.destroy();
      }
    },
    close: () => agent.destroy(),
  };
}

function taskPath(query: TaskQuery, rest: string): string {
  return `/api/task/${encodeURIComponent(query.task)}${rest}${search({ worktree: query.worktree, near: query.near })}`;
}

function search(values: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) given.set(name, String(value));
  const text = given.toString();
  return text === '' ? '' : `?${text}`;
}
