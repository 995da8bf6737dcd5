// Restarts under load: workers claim, send heartbeats and complete over TCP while commands are dispatched, and the
// supervisor stops and starts again all the while. A caller only does what every HTTP client does on its own: it sends
// a request again that got no answer. Long form: npm run test:restart.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { systemIdentity } from '../../src/platform/identity.ts';
import { addNamedToken } from '../../src/runs/named-tokens.ts';
import { eventually } from '../support/actors.ts';
import { callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const RESTARTS = Number(process.env.RESTARTS ?? 3);
/** Tasks of workers, and as many commands, that are gone through between two restarts. */
const BETWEEN = 4;
const WORKERS = 4;

let ground: Playground;
let supervised: Supervised | null = null;
beforeEach(async () => {
  ground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await ground.remove();
});

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

/** Calls until there is an answer: no connection and 503 are tried again, as clients do. */
function client(url: string, over: AbortSignal) {
  return async function post(path: string, body: object, token: string, key?: string): Promise<Answer> {
    for (;;) {
      over.throwIfAborted();
      try {
        const response = await fetch(path.startsWith('http') ? path : url + path, {
          method: 'POST',
          body: JSON.stringify(body),
          signal: over,
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${token}`,
            ...(key === undefined ? {} : { 'idempotency-key': key }),
          },
        });
        const json = (await response.json()) as Answer['json'];
        if (response.status !== 503) return { status: response.status, json };
      } catch {
        over.throwIfAborted();
      }
      await sleep(20);
    }
  };
}

interface Given {
  readonly task: { readonly local_id: string };
  readonly lease: { readonly token: string };
  readonly callback: { readonly complete_url: string; readonly heartbeat_url: string };
}

test(
  `${RESTARTS} restarts under claims, callbacks and dispatches: no call fails, nothing is lost or done twice`,
  async () => {
    const count = (RESTARTS + 1) * BETWEEN;
    const ran = join(ground.folder, 'ran');
    await writeFile(ran, '');
    await ground.writeConfig(
      `[[repos]]\npath = ${JSON.stringify(ground.repo)}\n[api]\nlisten = "127.0.0.1:0"\n[executors.out]\ntype = "external"\n[executors.note]\ntype = "command"\ncommand = ["sh", "-c", "echo {{task.id}} >> ${ran}"]\n`,
    );
    const held = Array.from({ length: count }, (_, n) => ({ id: `held-${n}`, tags: ['executor:out'] }));
    // Each begins when a worker has done its part, so that there are dispatches all the time.
    const commands = held.map(({ id }, n) => ({ id: `command-${n}`, after: [id], tags: ['executor:note'] }));
    await ground.writeGraph(ground.repo, [...held, ...commands]);
    const begin = async () => {
      supervised = await supervise(ground);
      await supervised.start();
      return supervised;
    };
    let running = await begin();
    const { url } = await callerOf(running);
    const token = systemIdentity().token('wgt_');
    await addNamedToken(running.paths.tokensFile, token, { name: 'workers', scope: 'worker', createdAt: 0 });

    const over = new AbortController();
    const post = client(url, over.signal);
    const acknowledged = new Map<string, string>();
    const odd: unknown[] = [];
    const looking = new Set<() => void>();
    /** Resolves when this many tasks are acknowledged. */
    const reached = (many: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (acknowledged.size < many) return;
          looking.delete(look);
          resolve();
        };
        looking.add(look);
        look();
      });
    const work = async (worker: string) => {
      for (let n = 0; acknowledged.size < count; n++) {
        const key = `${worker}-${n}`;
        const claimed = await post(
          '/api/tasks/claim',
          { worker_id: worker, max_tasks: 1, wait_s: 1 },
          token,
          key,
        );
        if (claimed.status !== 200) odd.push(['claim', claimed]);
        for (const { task, lease, callback } of (claimed.json.tasks ?? []) as Given[]) {
          const beat = await post(callback.heartbeat_url, { message: 'at it' }, lease.token);
          if (beat.status !== 200) odd.push(['heartbeat', task.local_id, beat]);
          const done = await post(callback.complete_url, { summary: key }, lease.token);
          // 202: kept, as the graph was dropped at that moment; the next supervisor writes it.
          if (done.status !== 200 && done.status !== 202) odd.push(['complete', task.local_id, done]);
          if (acknowledged.has(task.local_id)) odd.push(['twice', task.local_id]);
          acknowledged.set(task.local_id, key);
          for (const look of [...looking]) look();
        }
      }
    };
    const workers = Array.from({ length: WORKERS }, (_, n) => work(`worker-${n}`));
    try {
      for (let n = 1; n <= RESTARTS; n++) {
        // A worker that fails ends the test, and so does one call that does.
        await Promise.race([reached(n * BETWEEN), Promise.all(workers)]);
        expect(odd).toEqual([]);
        await running.stop({ cancelAgents: false });
        running = await begin();
        expect((await callerOf(running)).url).toBe(url);
      }
      await Promise.all(workers);
    } finally {
      over.abort();
      await Promise.allSettled(workers);
    }
    expect(odd).toEqual([]);
    await eventually(async () => (await readFile(ran, 'utf8')).split('\n').length > count);
    for (let n = 0; n < count; n++)
      await eventually(
        async () => (await ground.readGraph(ground.repo)).get(`command-${n}`)?.status === 'done',
      );
    const ids = (await readFile(ran, 'utf8')).trim().split('\n').sort();
    expect(ids).toEqual(commands.map(({ id }) => id).sort());
    const graph = await ground.readGraph(ground.repo);
    for (const { id } of held) expect([id, graph.get(id)?.status]).toEqual([id, 'done']);
  },
  120_000 + RESTARTS * 10_000,
);
