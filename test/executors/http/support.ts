// Assignments, servers and a clock for the tests of the HTTP executor.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StopReason } from '../../../src/domain/outcome.ts';
import type { HttpProfile } from '../../../src/domain/profile.ts';
import type { TaskDetail } from '../../../src/domain/task.ts';
import type { Assignment, Begun, RunControl } from '../../../src/executors/executor.ts';
import { createHttpExecutor } from '../../../src/executors/http/executor.ts';
import type { HttpExecutorParts } from '../../../src/executors/http/options.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import type { Log } from '../../../src/platform/log.ts';

export const RUN = 'run_01JDABCDEFGHJKMNPQRSTVWXYZ';
export const TOKEN = `wgl_${'t'.repeat(43)}`;

export function httpProfile(changes: Partial<HttpProfile> = {}): HttpProfile {
  return {
    type: 'http',
    name: 'deploy-agent',
    origin: { file: '/home/u/supervisor.toml', line: 7 },
    maxConcurrent: null,
    timeoutMs: 0,
    retry: { attempts: 3, backoffMs: 1000, maxBackoffMs: 1000 },
    match: [],
    env: {},
    overridable: false,
    endpoint: 'http://127.0.0.1:1/api/task',
    method: 'POST',
    headers: {},
    body: null,
    completion: 'callback',
    statusUrl: null,
    pollIntervalMs: 20,
    secrets: [],
    format: 'standard',
    ...changes,
  };
}

export function taskDetail(changes: Partial<TaskDetail> = {}): TaskDetail {
  return {
    id: 'build-api',
    title: 'Build the API',
    status: 'in-progress',
    priority: 10,
    after: ['design'],
    before: [],
    tags: ['category:deploy', 'eu'],
    cronEnabled: false,
    paused: false,
    retryCount: 0,
    spawnFailures: 0,
    dispatchCount: 1,
    hasCycleConfig: false,
    recentDeaths: [],
    foreignKeys: [],
    description: 'Build it well.',
    skills: [],
    inputs: ['spec.md'],
    deliverables: ['api/'],
    artifacts: [],
    log: [],
    fields: {},
    ...changes,
  };
}

export function assignmentFor(
  profile: HttpProfile,
  folder: string,
  changes: Partial<Assignment> = {},
): Assignment {
  return {
    run: RUN,
    attempt: 2,
    maxAttempts: 3,
    fence: 17,
    agent: 'agent-7',
    task: taskDetail(),
    globalTaskId: 'wt3f9a~build-api',
    dependencies: [
      { id: 'design', title: 'Design', status: 'done', artifacts: ['design.md'], log: ['drew boxes'] },
    ],
    profile,
    graph: '/home/u/p/.workgraph',
    worktree: { id: 'wt3f9a', path: '/home/u/p', branch: 'feat/x', head: 'abc123' },
    repo: { name: 'p', path: '/home/u/p' },
    folder,
    deadlineAt: null,
    callback: { url: 'http://127.0.0.1:7420/api/task/wt3f9a~build-api', socket: null, token: TOKEN },
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    environment: {},
    previousFailure: null,
    resumeSession: null,
    ...changes,
  };
}

/** The executor with a clock that does not wait and no chance. */
export function executor(parts: Partial<HttpExecutorParts> = {}) {
  return createHttpExecutor({ clock: eagerClock(), identity: { random: () => 0.5 }, ...parts });
}

export function outcomeOf(begun: Begun) {
  if (begun.kind !== 'ended') throw new Error(`expected the run to have ended, it is ${begun.kind}`);
  return begun.outcome;
}

/** Everything that was logged, as one text. */
export function recordingLog() {
  const lines: string[] = [];
  const write = (name: string, fields?: object) => lines.push(JSON.stringify({ name, ...fields }));
  const log: Log = { debug: write, info: write, warn: write, error: write };
  return { log, text: () => lines.join('\n') };
}

export interface Controlled extends RunControl {
  readonly said: string[];
  stop(reason: StopReason): void;
}

export function runControl(onProgress: (message: string) => void = () => {}): Controlled {
  const abort = new AbortController();
  const said: string[] = [];
  return {
    signal: abort.signal,
    said,
    stop: (reason) => abort.abort(reason),
    progress(message) {
      said.push(message);
      onProgress(message);
    },
    note() {},
  };
}

/** A clock whose sleeps pass at once; it remembers them. A sleep that is aborted before the next turn takes no time. */
export function eagerClock(
  start = Date.parse('2026-11-22T05:57:52.120Z'),
): Clock & { readonly slept: number[] } {
  let now = start;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    after: () => () => {},
    async sleep(ms, signal) {
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted) return;
      slept.push(ms);
      now += ms;
    },
  };
}

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  close(): Promise<void>;
}

/** A real server on loopback; `answer` gets each request with its whole body, and how many came before it. */
export async function listen(
  answer: (request: Received, response: ServerResponse, before: number) => void,
): Promise<TestServer> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const entry = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      received.push(entry);
      answer(entry, response, received.length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Collects what a test must tidy up, and does so. */
export function tidying() {
  const acts: (() => Promise<unknown>)[] = [];
  const folder = async (): Promise<string> => {
    const path = await mkdtemp(join(tmpdir(), 'http-run-'));
    acts.push(() => rm(path, { recursive: true, force: true }));
    return path;
  };
  return {
    add: <T extends { close(): Promise<void> }>(closable: T): T => {
      acts.push(() => closable.close());
      return closable;
    },
    folder,
    /** An assignment in a folder of its own. */
    assign: async (changes: Partial<HttpProfile>, run: Partial<Assignment> = {}): Promise<Assignment> =>
      assignmentFor(httpProfile(changes), await folder(), run),
    async run(): Promise<void> {
      for (const act of acts.splice(0).reverse()) await act();
    },
  };
}
