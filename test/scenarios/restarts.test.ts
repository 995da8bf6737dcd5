// Restarts under load: workers claim, send heartbeats and complete over TCP while commands are dispatched, and the
// supervisor is restarted all the while. Long form: npm run test:restart.

import { readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readApiFile } from '../../src/api/api-file.ts';
import { connectSupervisor } from '../../src/api/client/client.ts';
import { systemCode } from '../../src/domain/errors.ts';
import { systemIdentity } from '../../src/platform/identity.ts';
import { processImage } from '../../src/platform/process-image.ts';
import { addNamedToken } from '../../src/runs/named-tokens.ts';
import { eventually, type Started, startSupervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';

const RESTARTS = Number(process.env.RESTARTS ?? 3);
/** Tasks of workers, and as many commands, that are gone through between two restarts: some fifty calls and starts. */
const BETWEEN = 12;
const WORKERS = 6;
const HELD = 36;

let ground: Playground;
let running: Started | null = null;
beforeEach(async () => {
  ground = await createPlayground();
});
afterEach(async () => {
  // The second signal ends agents, too.
  running?.kill('SIGTERM');
  await running?.kill('SIGTERM');
  running = null;
  await ground.remove();
});

const apiFile = () => join(ground.stateDir, 'api.json');

/** Starts the built program, and gives where it answers. */
async function begin(): Promise<{ url: string; pid: number }> {
  const started = startSupervisor(ground, ['run']);
  running = started;
  return await eventually(async () => {
    const found = await readApiFile(apiFile());
    return found?.pid === started.pid && found.url !== null && { url: found.url, pid: found.pid };
  });
}

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

type Post = (url: string, body: object, token: string, key: string) => Promise<Answer>;

/** How often what happened to calls. */
interface Tally {
  /** Answered, whatever the status. */
  answered: number;
  /** Sent again, because the connection had been at rest and was closed before a byte of the answer came. */
  resent: number;
  /** No connection, or one that was cut off otherwise. */
  failed: number;
  /** 503. */
  refused: number;
}

/** What a request came to that got no answer. `isStale`: all HTTP clients send it again on their own. */
class NoAnswer extends Error {
  readonly isStale: boolean;
  constructor(cause: unknown, isStale: boolean) {
    super(systemCode(cause) ?? 'no answer', { cause });
    this.isStale = isStale;
  }
}

/** One request on a connection that may have been used before. */
function send(agent: Agent, url: string, body: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers });
    let read = 0;
    let text = '';
    sent.once('socket', (socket) => {
      read = socket.bytesRead;
    });
    const lost = (error: unknown) => {
      const isClosed = ['ECONNRESET', 'EPIPE'].includes(systemCode(error) ?? '');
      reject(new NoAnswer(error, isClosed && sent.reusedSocket && (sent.socket?.bytesRead ?? 0) <= read));
    };
    sent.once('error', lost);
    sent.once('response', (response) => {
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.once('error', lost);
      response.once('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) as Answer['json'] });
        } catch (error) {
          reject(new NoAnswer(error, false));
        }
      });
    });
    sent.end(body);
  });
}

/**
 * Calls as HTTP clients do: a request that may be sent twice (each has an idempotency key) and meets a connection that
 * was closed at rest is sent again. `patient`: as do callers that get no connection or 503.
 */
function caller(base: string, agent: Agent, over: AbortSignal, patient: boolean, tally: Tally): Post {
  return async (path, body, token, key) => {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
    };
    const url = path.startsWith('http') ? path : base + path;
    for (;;) {
      over.throwIfAborted();
      try {
        const answer = await send(agent, url, JSON.stringify(body), headers);
        tally.answered++;
        if (answer.status === 503) tally.refused++;
        if (!patient || answer.status !== 503) return answer;
      } catch (error) {
        const isStale = error instanceof NoAnswer && error.isStale;
        if (isStale) tally.resent++;
        else tally.failed++;
        if (!patient && !isStale) throw new Error(`${path} failed`, { cause: error });
      }
      if (patient) await sleep(20);
    }
  };
}

interface Given {
  readonly task: { readonly local_id: string };
  readonly lease: { readonly token: string };
  readonly callback: { readonly complete_url: string; readonly heartbeat_url: string };
}

/** Runs the load, restarts it this many times, and looks whether all was done, and once. */
async function underLoad(
  restarts: number,
  patient: boolean,
  restart: () => Promise<void>,
): Promise<Readonly<Tally>> {
  const count = (restarts + 1) * BETWEEN;
  const ran = join(ground.folder, 'ran');
  await writeFile(ran, '');
  await ground.writeConfig(
    `[[repos]]\npath = ${JSON.stringify(ground.repo)}\n[api]\nlisten = "127.0.0.1:0"\n[executors.out]\ntype = "external"\n[executors.note]\ntype = "command"\ncommand = ["sh", "-c", "echo {{task.id}} >> ${ran}"]\n`,
  );
  // As many wait for workers as there are at a time: each start reattaches to what was handed out, not to the whole test.
  const held = Array.from({ length: count }, (_, n) => ({
    id: `held-${n}`,
    tags: ['executor:out'],
    after: n < HELD ? [] : [`held-${n - HELD}`],
  }));
  // Each begins when a worker has done its part, so that there are dispatches all the time.
  const commands = held.map(({ id }, n) => ({ id: `command-${n}`, after: [id], tags: ['executor:note'] }));
  await ground.writeGraph(ground.repo, [...held, ...commands]);
  const { url } = await begin();
  const token = systemIdentity().token('wgt_');
  await addNamedToken(join(ground.stateDir, 'tokens.json'), token, {
    name: 'workers',
    scope: 'worker',
    createdAt: 0,
  });

  const over = new AbortController();
  const agent = new Agent({ keepAlive: true });
  const tally: Tally = { answered: 0, resent: 0, failed: 0, refused: 0 };
  const post = caller(url, agent, over.signal, patient, tally);
  const begunAt = performance.now();
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
  const workAs = async (worker: string) => {
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
        const beat = await post(callback.heartbeat_url, { message: 'at it' }, lease.token, `${key}-beat`);
        if (beat.status !== 200) odd.push(['heartbeat', task.local_id, beat]);
        const done = await post(callback.complete_url, { summary: key }, lease.token, `${key}-done`);
        // 202: kept, as the graph was dropped at that moment; the next supervisor writes it.
        if (done.status !== 200 && done.status !== 202) odd.push(['complete', task.local_id, done]);
        if (acknowledged.has(task.local_id)) odd.push(['twice', task.local_id]);
        acknowledged.set(task.local_id, key);
        for (const look of [...looking]) look();
      }
    }
  };
  const workers = Array.from({ length: WORKERS }, (_, n) => workAs(`worker-${n}`));
  try {
    for (let n = 1; n <= restarts; n++) {
      // A worker that fails ends the test, and so does one call that does.
      await Promise.race([reached(n * BETWEEN), Promise.all(workers)]);
      expect(odd).toEqual([]);
      await restart();
      expect((await readApiFile(apiFile()))?.url).toBe(url);
    }
    await Promise.all(workers);
  } finally {
    over.abort();
    await Promise.allSettled(workers);
    agent.destroy();
  }
  expect(odd).toEqual([]);
  const seconds = (performance.now() - begunAt) / 1000;
  const work = `${((tally.answered + count) / seconds).toFixed(1)} calls and starts a second`;
  process.stderr.write(
    `${restarts} restarts in ${seconds.toFixed(0)} s, ${work}: ${JSON.stringify(tally)}\n`,
  );
  await progress(async () => (await readFile(ran, 'utf8')).split('\n').length - 1, count);
  await progress(async () => {
    const graph = await ground.readGraph(ground.repo);
    return commands.filter(({ id }) => graph.get(id)?.status === 'done').length;
  }, count);
  const ids = (await readFile(ran, 'utf8')).trim().split('\n').sort();
  expect(ids).toEqual(commands.map(({ id }) => id).sort());
  const graph = await ground.readGraph(ground.repo);
  for (const { id } of held) expect([id, graph.get(id)?.status]).toEqual([id, 'done']);
  return tally;
}

/** Waits until this many are reached, as long as there are more from time to time. */
async function progress(look: () => Promise<number>, wanted: number): Promise<void> {
  for (let now = await look(); now < wanted; ) {
    const before = now;
    await eventually(async () => {
      now = await look();
      return now > before;
    });
  }
}

const means = processImage(process.platform);
const inPlace = means === null ? test.skip : test;

inPlace(
  `${RESTARTS} restarts by \`supervisor restart\` under claims, callbacks and dispatches: no call fails but for what HTTP clients send again on their own, nothing is lost or done twice`,
  async () => {
    let pid = 0;
    const tally = await underLoad(RESTARTS, false, async () => {
      const client = await connectSupervisor({ apiFile: apiFile() });
      expect(client).not.toBeNull();
      await client?.restart();
      client?.close();
      const now = (await readApiFile(apiFile()))?.pid ?? 0;
      expect([0, now]).toContain(pid);
      pid = now;
    });
    expect(running?.pid).toBe(pid);
    expect(tally).toMatchObject({ failed: 0, refused: 0 });
    // At most the connections that the callers have, once for each restart.
    expect(tally.resent).toBeLessThanOrEqual(RESTARTS * WORKERS);
  },
  120_000 + RESTARTS * 30_000,
);

test('3 times stopped and started again under claims, callbacks and dispatches: callers try again, nothing is lost or done twice', async () => {
  await underLoad(3, true, async () => {
    expect((await running?.kill('SIGTERM'))?.status).toBe(0);
    await begin();
  });
});
