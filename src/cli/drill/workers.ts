// Agents that are no children of the supervisor: a web service that takes tasks with 202 and reports when it is done,
// and a worker that claims. Both outlive every supervisor and report until someone takes it.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../platform/clock.ts';
import type { Journal } from './journal.ts';

export interface Workers {
  /** Where the web service takes tasks. */
  readonly url: string;
  /** Reports that were refused for good, in words. */
  readonly refusals: readonly string[];
  /** How many runs are being worked on or reported. */
  busy(): number;
  stop(): Promise<void>;
}

/** How long a claim holds that its worker never heard of, because the supervisor was killed while it answered, s. */
const LEASE_S = 15;

interface Given {
  readonly task: { readonly local_id: string };
  readonly attempt: { readonly id: string };
  readonly lease: { readonly token: string };
  readonly callback: { readonly complete_url: string };
}

/** Begins both. The supervisor need not run. */
export async function startWorkers(options: {
  readonly journal: Journal;
  readonly stateDir: string;
  /** Where the supervisor listens when it runs. */
  readonly api: string;
  /** How long each run takes, ms. */
  readonly workMs: number;
  /** How long the web service takes to answer that it has begun, ms; absent: it answers at once. */
  readonly answerMs?: number;
  readonly clock: Clock;
  /** Hears of each request and of each answered report, before anything follows from it. */
  readonly hear?: (what: 'request' | 'report') => void;
}): Promise<Workers> {
  const { journal, stateDir, api, workMs, clock, answerMs = 0, hear = () => {} } = options;
  const stopped = new AbortController();
  const { signal } = stopped;
  const refusals: string[] = [];
  const begun = new Set<string>();
  let busy = 0;

  const work = async ({ task, attempt, lease, callback }: Given): Promise<void> => {
    if (begun.has(attempt.id)) return;
    begun.add(attempt.id);
    busy++;
    journal.note('start', attempt.id, task.local_id);
    await clock.sleep(workMs, signal);
    // It is stopped in the middle of its work: nothing of it counts.
    if (signal.aborted) return;
    journal.note('end', attempt.id, task.local_id);
    while (!signal.aborted) {
      const answer = await post(callback.complete_url, lease.token, { summary: 'done outside' }, signal);
      if (answer !== null) hear('report');
      if (answer !== null && answer.status < 500 && answer.status !== 429) {
        if (answer.status >= 400) refusals.push(`${task.local_id}: ${answer.status} ${answer.text}`);
        break;
      }
      await clock.sleep(200, signal);
    }
    busy--;
  };

  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (data: Buffer) => {
      text += data.toString();
    });
    request.on('end', () => {
      if (request.method !== 'POST') return void response.writeHead(404).end();
      hear('request');
      void work((JSON.parse(text) as { data: Given }).data);
      void clock
        .sleep(answerMs, signal)
        .then(() => response.writeHead(202, { 'content-type': 'application/json' }).end('{}'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  const claiming = (async () => {
    while (!signal.aborted) {
      const token = await operatorToken(stateDir);
      const wish = { worker_id: 'outside', max_tasks: 2, wait_s: 0, lease_s: LEASE_S };
      const answer = token === null ? null : await post(`${api}/api/tasks/claim`, token, wish, signal);
      if (answer?.status === 200)
        for (const given of (JSON.parse(answer.text) as { tasks: Given[] }).tasks) void work(given);
      await clock.sleep(300, signal);
    }
  })();

  return {
    url: `http://127.0.0.1:${port}/task`,
    refusals,
    busy: () => busy,
    async stop() {
      stopped.abort();
      await claiming;
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
}

async function operatorToken(stateDir: string): Promise<string | null> {
  try {
    return (JSON.parse(await readFile(join(stateDir, 'api.json'), 'utf8')) as { token: string }).token;
  } catch {
    // It is just being started, or was just killed.
    return null;
  }
}

/** null: no one answered. */
async function post(
  url: string,
  token: string,
  body: unknown,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string } | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, connection: 'close' },
      body: JSON.stringify(body),
      signal,
    });
    return { status: response.status, text: await response.text() };
  } catch {
    // Killed before or while it answered: the client does not know which.
    return null;
  }
}
