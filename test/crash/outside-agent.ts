// An HTTP agent that outlives every supervisor: accepts with 202 and reports a moment later, again and again until
// someone listens.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Journal } from '../../src/cli/drill/journal.ts';

export interface OutsideAgent {
  readonly url: string;
  /** Run ids by task, one for each request. */
  readonly deliveries: ReadonlyMap<string, readonly string[]>;
  /** Reports that were refused for good, in words. */
  readonly refusals: readonly string[];
  stop(): void;
}

interface Dispatched {
  readonly data: {
    readonly task: { readonly local_id: string };
    readonly attempt: { readonly id: string };
    readonly lease: { readonly token: string };
    readonly callback: { readonly complete_url: string };
  };
}

/** `journal` hears when it begins a run and when it is done with it. */
export async function startOutsideAgent(journal?: Journal): Promise<OutsideAgent> {
  const deliveries = new Map<string, string[]>();
  const refusals: string[] = [];
  const stopped = new AbortController();
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (data: Buffer) => {
      text += data.toString();
    });
    request.on('end', () => {
      if (request.method !== 'POST') return void response.writeHead(404).end();
      const { task, attempt, lease, callback } = (JSON.parse(text) as Dispatched).data;
      const known = deliveries.get(task.local_id) ?? [];
      deliveries.set(task.local_id, [...known, attempt.id]);
      response.writeHead(202, { 'content-type': 'application/json' }).end('{}');
      if (known.includes(attempt.id)) return;
      journal?.note('start', attempt.id, task.local_id);
      const done = () => journal?.note('end', attempt.id, task.local_id);
      void report(callback.complete_url, lease.token, stopped.signal, done).then((refusal) => {
        if (refusal !== null) refusals.push(`${task.local_id}: ${refusal}`);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/task`,
    deliveries,
    refusals,
    stop() {
      stopped.abort();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Reports success until it is taken; what refused it for good, or null. */
async function report(
  url: string,
  token: string,
  signal: AbortSignal,
  done: () => void,
): Promise<string | null> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  done();
  while (!signal.aborted) {
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ summary: 'done outside' }),
        signal,
      });
      const text = await answer.text();
      if (answer.ok) return null;
      if (answer.status < 500 && answer.status !== 429) return `${answer.status} ${text}`;
    } catch {
      // No one listens just now: the supervisor was killed, or is starting.
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return null;
}

/** A port that is free now and, as no one else asks for it, a moment later still is. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
