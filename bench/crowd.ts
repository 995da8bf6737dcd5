// What many workers cost their supervisor: its processor time and memory while 1, 20 and 200 ask for work, give signs of life
// and report, over its API and over a queue, and how long each call takes.

import { execFile, spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { systemClock } from '../src/platform/clock.ts';
import { silentLog } from '../src/platform/log.ts';
import { postJson } from '../src/worker/api-call.ts';
import { createClaimSource } from '../src/worker/claim-source.ts';
import type { Taken, WorkSource } from '../src/worker/work-source.ts';
import { type RedisServer, redisProgram, WITHOUT_REDIS } from '../test/support/redis.ts';
import { writeTasks } from './farm.ts';
import { measure } from './idle.ts';
import { MAIN } from './program.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';
import { type Place, queueProfile, simulatedOverQueue, stamp, takeAll, withPlace } from './worker-place.ts';

const CROWDS = [1, 20, 200];
const WARM_UP_MS = 3_000;
const WINDOW_MS = 15_000;
/** How long each task takes; half-way its worker gives a sign of life. The usual rhythm of signs, so that all is in each window. */
const TASK_MS = 15_000;
const FLOOR_CALLS = 200;
const run = promisify(execFile);

export const crowd: Benchmark = {
  name: 'crowd',
  about: `workers with tasks of ${TASK_MS / 1000} s each, one sign of life in each; the floor is the same supervisor without workers, that of a call a bare HTTP server or one command to the Redis in the same process`,
  async run() {
    // Each place has a Redis, also where workers do not use it: the floor is the same.
    if (redisProgram === null) {
      process.stderr.write(`${WITHOUT_REDIS}\n`);
      return [];
    }
    const bare = await withPlace(
      () => remoteProfile,
      (place) => measured(place, 0, async () => async () => {}),
    );
    const queue = (redis: RedisServer, count: number) => `${queueProfile(redis)}max_concurrent = ${count}\n`;
    return [
      ...(await crowds('--connect', () => remoteProfile, overApi, await bareHttp(), bare)),
      ...(await crowds('--queue', queue, overQueue, null, bare)),
    ];
  },
};

const remoteProfile = '[api]\nlisten = "127.0.0.1:0"\n[executors.farm]\ntype = "remote"\nrun = "command"\n';

interface Used {
  readonly cpu: number;
  readonly rssMb: number;
}

/** How long the calls of workers took, ms. */
interface Calls {
  readonly beats: number[];
  readonly ends: number[];
}

type Begin = (place: Place, count: number, calls: Calls) => Promise<() => Promise<void>>;

async function crowds(
  way: string,
  profile: (redis: RedisServer, count: number) => string,
  begin: Begin,
  floor: readonly number[] | null,
  bare: Used,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const count of CROWDS) {
    const calls: Calls = { beats: [], ends: [] };
    const profileHere = (redis: RedisServer) => profile(redis, count);
    await withPlace(profileHere, async (place) => {
      const used = await measured(place, count, () => begin(place, count, calls));
      const least = quantile(floor ?? (await bareRedis(place.redis)), 0.5);
      const name = `${way}, ${count} ${count === 1 ? 'worker' : 'workers'}`;
      figures.push(
        { name: `${name}: CPU of one core`, value: used.cpu, unit: '%', floor: bare.cpu },
        { name: `${name}: memory (RSS)`, value: used.rssMb, unit: 'MB', floor: bare.rssMb },
        { name: `${name}: sign of life, p50`, value: quantile(calls.beats, 0.5), unit: 'ms', floor: least },
        { name: `${name}: sign of life, p95`, value: quantile(calls.beats, 0.95), unit: 'ms', floor: least },
        { name: `${name}: report, p50`, value: quantile(calls.ends, 0.5), unit: 'ms', floor: least },
        { name: `${name}: report, p95`, value: quantile(calls.ends, 0.95), unit: 'ms', floor: least },
      );
    });
  }
  return figures;
}

/** What a supervisor as a process of its own uses meanwhile. */
async function measured(
  { farm }: Place,
  count: number,
  begin: () => Promise<() => Promise<void>>,
): Promise<Used> {
  const rounds = Math.ceil((WARM_UP_MS + WINDOW_MS) / TASK_MS) + 2;
  const tasks = Array.from({ length: count * rounds + 1 }, (_, n) => ({
    ...{ id: `t${n}`, tags: ['executor:farm'], exec: 'true', created_at: stamp(n) },
  }));
  await writeTasks(farm.worktrees[0] ?? '', tasks);
  const child = spawn(
    process.execPath,
    [MAIN, '--config', farm.config, '--state-dir', farm.stateDir, 'run'],
    { stdio: 'ignore' },
  );
  // Connecting is not measured; it takes a while for two hundred.
  const end = await begin().catch((thrown: unknown) => {
    child.kill('SIGKILL');
    throw thrown;
  });
  try {
    return await measure(child, WINDOW_MS, 0, WARM_UP_MS);
  } finally {
    await end();
  }
}

/** One worker's task: half of its time, a sign of life, the other half, a report. */
function worked(calls: Calls, ending: AbortSignal) {
  const pause = () => wait(TASK_MS / 2, undefined, { signal: ending }).catch(() => undefined);
  return async (taken: Taken, source: WorkSource) => {
    const line = source.line(taken);
    const { id } = taken.order.attempt;
    await pause();
    if (ending.aborted) return;
    await timed(calls.beats, () =>
      line.beat({ progress: `works on ${id}`, usage: { outputTokens: 7 }, model: null }),
    );
    await pause();
    if (ending.aborted) return;
    await timed(calls.ends, () => line.end({ outcome: { kind: 'succeeded' }, pushed: null }));
  };
}

async function overApi({ farm }: Place, count: number, calls: Calls): Promise<() => Promise<void>> {
  const place = ['--config', farm.config, '--state-dir', farm.stateDir];
  const { stdout } = await run(process.execPath, [
    MAIN,
    ...place,
    'token',
    'create',
    'crowd',
    '--scope',
    'remote',
  ]);
  const url = await apiOf(farm.stateDir);
  const clock = systemClock();
  return await many(count, calls, async (name, use) =>
    takeAll(
      createClaimSource({ url, token: stdout.trim(), worker: name, leaseMs: 60_000, clock, log: silentLog }),
      use,
    ),
  );
}

function overQueue(place: Place, count: number, calls: Calls): Promise<() => Promise<void>> {
  return many(count, calls, (name, use) => simulatedOverQueue(place, name, use));
}

/** Workers that begin one after the other, within a task's time, so that they do not all report in the same instant. */
async function many(
  count: number,
  calls: Calls,
  begin: (name: string, use: ReturnType<typeof worked>) => Promise<{ end(): Promise<void> }>,
): Promise<() => Promise<void>> {
  const ending = new AbortController();
  setMaxListeners(0, ending.signal);
  const use = worked(calls, ending.signal);
  const all = Array.from({ length: count }, async (_, n) => {
    await wait((n * TASK_MS * 0.8) / count);
    return await begin(`w${n}`, use);
  });
  await Promise.all(all);
  return async () => {
    ending.abort();
    await Promise.all(all.map(async (one) => await (await one).end()));
  };
}

/** Where a supervisor that just starts listens. */
async function apiOf(stateDir: string): Promise<string> {
  for (;;) {
    try {
      const { url } = JSON.parse(await readFile(join(stateDir, 'api.json'), 'utf8')) as {
        url: string | null;
      };
      if (url !== null) return url;
    } catch {
      // Not there yet.
    }
    await wait(50);
  }
}

async function timed<T>(into: number[], act: () => Promise<T>): Promise<T> {
  const at = performance.now();
  try {
    return await act();
  } finally {
    into.push(performance.now() - at);
  }
}

/** What the same call takes where nothing is done. */
async function bareHttp(): Promise<readonly number[]> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.setHeader('content-type', 'application/json').end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const took: number[] = [];
  for (let n = 0; n < FLOOR_CALLS; n++)
    await timed(took, () =>
      postJson(
        { url, clock: systemClock() },
        { path: '/', token: '', body: { message: 'x' }, timeoutMs: 10_000 },
      ),
    );
  server.closeAllConnections();
  server.close();
  return took;
}

async function bareRedis({ url }: RedisServer): Promise<readonly number[]> {
  const redis = new Redis(url);
  const took: number[] = [];
  for (let n = 0; n < FLOOR_CALLS; n++) await timed(took, () => redis.get('nothing'));
  redis.disconnect();
  return took;
}
