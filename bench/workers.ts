// What work over a queue costs: from a task in a graph to a worker that has it and its result in the graph, tasks per second
// over real workers, and what the supervisor needs while many workers are connected and at work.

import { execFile, spawn } from 'node:child_process';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { composeSupervisor, type RunningSupervisor } from '../src/compose/daemon.ts';
import { queueAddress } from '../src/executors/queue/address.ts';
import { QueueConnection } from '../src/executors/queue/connection.ts';
import { systemClock } from '../src/platform/clock.ts';
import { systemIdentity } from '../src/platform/identity.ts';
import { silentLog } from '../src/platform/log.ts';
import { Questions } from '../src/worker/questions.ts';
import { createQueueSource } from '../src/worker/queue-source.ts';
import type { Taken, WorkSource } from '../src/worker/work-source.ts';
import { type RedisServer, redisProgram, startRedis, WITHOUT_REDIS } from '../test/support/redis.ts';
import { type Farm, plantFarm, writeTasks } from './farm.ts';
import { measure } from './idle.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const SAMPLES = 60;
const TASKS = Number(process.env.BENCH_WORKER_TASKS ?? 96);
const CROWDS = [0, 50, 200];
const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const run = promisify(execFile);

export const workers: Benchmark = {
  name: 'workers',
  about:
    'work over a queue in a Redis on the same machine, which writes its log each second; the floor of the hand-off is a bare job of BullMQ in the same Redis, the floor of many workers is the same supervisor without any',
  async run() {
    if (redisProgram === null) {
      process.stderr.write(`${WITHOUT_REDIS}\n`);
      return [];
    }
    return [...(await withPlace(handOff)), ...(await perSecond()), ...(await crowds())];
  },
};

interface Place {
  readonly farm: Farm;
  readonly redis: RedisServer;
}

async function withPlace<T>(act: (place: Place) => Promise<T>): Promise<T> {
  const farm = await plantFarm(1, 0);
  const redis = await startRedis(farm.folder);
  try {
    const [repo = ''] = farm.worktrees;
    const origin = join(farm.folder, 'origin.git');
    await run('git', ['init', '-q', '--bare', '-b', 'main', origin]);
    await run('git', ['-C', repo, 'remote', 'add', 'origin', origin]);
    await run('git', ['-C', repo, 'push', '-q', 'origin', 'main']);
    await appendFile(
      farm.config,
      `[executors.farm]\ntype = "bullmq"\nurl = "${redis.url}"\nrun = "command"\n`,
    );
    return await act({ farm, redis });
  } finally {
    await redis.end('SIGKILL');
    await farm.remove();
  }
}

function supervise({ farm }: Place): Promise<RunningSupervisor> {
  return composeSupervisor({
    environment: { variables: process.env, home: farm.folder, platform: process.platform },
    cwd: farm.folder,
    config: farm.config,
    stateDir: farm.stateDir,
  });
}

let asked = 0;

/** A worker that begins nothing: what it takes is reported at once, or kept, as `use` says. */
async function simulated(
  { farm, redis }: Place,
  name: string,
  use: (taken: Taken, source: WorkSource) => Promise<void>,
) {
  const clock = systemClock();
  const address = await queueAddress(redis.url, {}, { insecure: false, mayHoldSecrets: false });
  const connection = await QueueConnection.open(address, { clock, log: silentLog });
  const questions = await Questions.listen(join(farm.folder, `q${asked++}`));
  const token = () => systemIdentity().token('wgl_');
  const source = createQueueSource({
    ...{ connection, worker: name, leaseMs: 60_000, clock, log: silentLog, questions, token },
  });
  const ending = new AbortController();
  const working = (async () => {
    while (!ending.signal.aborted)
      for (const taken of await source.take(
        { profiles: ['farm'], resting: new Map(), places: 1 },
        ending.signal,
      ))
        await use(taken, source);
  })();
  return {
    async end() {
      ending.abort();
      await source.close();
      await working;
      await questions.close();
    },
  };
}

async function handOff(place: Place): Promise<Figure[]> {
  const running = await supervise(place);
  const taken = new Map<string, number>();
  const one = await simulated(place, 'one', async (job, source) => {
    taken.set(job.order.task.local_id, performance.now());
    await source.line(job).end({ outcome: { kind: 'succeeded' }, pushed: null });
  });
  const settled = new Map<string, () => void>();
  running.bus.on((event) => {
    if (event.name === 'run.settled') settled.get(event.task)?.();
  });
  await running.start();
  const [repo = ''] = place.farm.worktrees;
  const begins: number[] = [];
  const ends: number[] = [];
  try {
    for (let n = 0; n < SAMPLES + 5; n++) {
      const id = `t${n}`;
      const done = new Promise<void>((resolve) => settled.set(id, resolve));
      const at = await writeTasks(repo, [
        { id, tags: ['executor:farm'], exec: 'true', created_at: stamp(n) },
      ]);
      await done;
      // The first ones load modules and connect.
      if (n < 5) continue;
      begins.push((taken.get(id) ?? at) - at);
      ends.push(performance.now() - at);
    }
  } finally {
    await one.end();
    await running.stop({ cancelAgents: true });
  }
  const floor = await bareJobs(place.redis);
  return [
    {
      name: 'task written → worker has it, p50',
      value: quantile(begins, 0.5),
      unit: 'ms',
      floor: quantile(floor.begins, 0.5),
    },
    { name: 'the same, p95', value: quantile(begins, 0.95), unit: 'ms', floor: quantile(floor.begins, 0.95) },
    {
      name: 'task written → its result in the graph, p50',
      value: quantile(ends, 0.5),
      unit: 'ms',
      floor: quantile(floor.ends, 0.5),
    },
    { name: 'the same, p95', value: quantile(ends, 0.95), unit: 'ms', floor: quantile(floor.ends, 0.95) },
  ];
}

/** Jobs of BullMQ and nothing else: added → begun, added → their end heard. */
async function bareJobs({ port }: RedisServer): Promise<{ begins: number[]; ends: number[] }> {
  const connection = { host: '127.0.0.1', port };
  const begun = new Map<string, number>();
  const queue = new Queue('bare', { connection });
  const events = new QueueEvents('bare', { connection });
  const worker = new Worker(
    'bare',
    async (job) => {
      begun.set(job.id ?? '', performance.now());
    },
    { connection },
  );
  await events.waitUntilReady();
  await worker.waitUntilReady();
  const begins: number[] = [];
  const ends: number[] = [];
  for (let n = 0; n < SAMPLES + 5; n++) {
    const id = `job${n}`;
    const ended = new Promise<void>((resolve) => {
      events.on('completed', ({ jobId }) => jobId === id && resolve());
    });
    const at = performance.now();
    await queue.add('bare', { text: 'x'.repeat(2000) }, { jobId: id });
    await ended;
    if (n < 5) continue;
    begins.push((begun.get(id) ?? at) - at);
    ends.push(performance.now() - at);
  }
  await worker.close(true);
  await events.close();
  await queue.close();
  return { begins, ends };
}

/** Over real workers with real worktrees, and over simulated ones: what supervisor and Redis can do. */
async function perSecond(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const count of [1, 4, 16]) {
    const real = await withPlace((place) => drained(place, TASKS, () => realWorkers(place, count)));
    figures.push({ name: `real tasks per second, ${count} workers`, value: real, unit: 'tasks/s' });
  }
  for (const count of [1, 4, 16]) {
    const value = await withPlace((place) =>
      drained(place, TASKS * 3, async () => {
        const all = await Promise.all(
          Array.from({ length: count }, (_, n) =>
            simulated(place, `w${n}`, async (job, source) => {
              await source.line(job).end({ outcome: { kind: 'succeeded' }, pushed: null });
            }),
          ),
        );
        return async () => {
          for (const one of all) await one.end();
        };
      }),
    );
    figures.push({ name: `empty tasks per second, ${count} simulated workers`, value, unit: 'tasks/s' });
  }
  return figures;
}

/** Tasks per second from the first that has ended to the last, so that no start-up counts. */
async function drained(
  place: Place,
  tasks: number,
  begin: () => Promise<() => Promise<void>>,
): Promise<number> {
  const running = await supervise(place);
  const [repo = ''] = place.farm.worktrees;
  let first = 0;
  let left = tasks;
  const over = new Promise<void>((resolve) => {
    running.bus.on((event) => {
      if (event.name !== 'run.settled') return;
      if (left === tasks) first = performance.now();
      left--;
      if (left === 0) resolve();
    });
  });
  await running.start();
  const end = await begin();
  try {
    await writeTasks(
      repo,
      Array.from({ length: tasks }, (_, n) => ({
        id: `t${n}`,
        tags: ['executor:farm'],
        exec: 'true',
        created_at: stamp(n),
      })),
    );
    await over;
    return ((tasks - 1) / (performance.now() - first)) * 1000;
  } finally {
    await end();
    await running.stop({ cancelAgents: true });
  }
}

async function realWorkers({ farm, redis }: Place, count: number): Promise<() => Promise<void>> {
  const all = await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const stateDir = join(farm.folder, `worker${n}`);
      await mkdir(stateDir);
      const child = spawn(
        process.execPath,
        [
          MAIN,
          '--state-dir',
          stateDir,
          'worker',
          '--queue',
          redis.url,
          '--profile',
          'farm',
          '--name',
          `w${n}`,
        ],
        { cwd: farm.folder, stdio: ['ignore', 'ignore', 'pipe'] },
      );
      await new Promise<void>((resolve) => {
        child.stderr?.on('data', (data: Buffer) => {
          if (data.toString().includes('offers farm')) resolve();
        });
      });
      return child;
    }),
  );
  return async () => {
    for (const child of all) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
  };
}

/** Each simulated worker has one task that takes long, and gives the signs of life of one. */
async function crowds(): Promise<Figure[]> {
  const figures: Figure[] = [];
  let bare: { cpu: number; rssMb: number } | null = null;
  for (const count of CROWDS) {
    const used = await withPlace(async (place) => {
      const { farm } = place;
      const lines = Array.from({ length: count + 1 }, (_, n) => ({
        id: `t${n}`,
        tags: ['executor:farm'],
        exec: 'true',
        created_at: stamp(n),
      }));
      await writeTasks(farm.worktrees[0] ?? '', lines);
      await writeFile(join(farm.folder, 'log'), '');
      const child = spawn(
        process.execPath,
        [MAIN, '--config', farm.config, '--state-dir', farm.stateDir, 'run'],
        {
          stdio: 'ignore',
        },
      );
      const beating = new AbortController();
      const all = await Promise.all(
        Array.from({ length: count }, (_, n) =>
          simulated(place, `w${n}`, async (job, source) => {
            const line = source.line(job);
            let said = 0;
            while (!beating.signal.aborted) {
              // A line of progress every twenty seconds or so.
              await line.beat(`step ${Math.floor(said++ / 10)}`);
              await wait(line.beatEveryMs, undefined, { signal: beating.signal }).catch(() => undefined);
            }
          }),
        ),
      );
      const measured = await measure(child);
      beating.abort();
      await Promise.all(all.map((one) => one.end()));
      return measured;
    });
    bare ??= used;
    figures.push(
      { name: `${count} workers at work: CPU of one core`, value: used.cpu, unit: '%', floor: bare.cpu },
      { name: `${count} workers at work: memory (RSS)`, value: used.rssMb, unit: 'MB', floor: bare.rssMb },
    );
  }
  return figures;
}

function stamp(n: number): string {
  return new Date(1.75e12 + n).toISOString();
}
