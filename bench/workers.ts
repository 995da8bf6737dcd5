// What work over a queue costs: from a task in a graph to a worker that has it and its result in the graph, and tasks per
// second over real workers.

import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { type RedisServer, redisProgram, WITHOUT_REDIS } from '../test/support/redis.ts';
import { writeTasks } from './farm.ts';
import { MAIN } from './program.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';
import {
  type Place,
  queueProfile,
  simulatedOverQueue,
  stamp,
  superviseHere,
  withPlace,
} from './worker-place.ts';

const SAMPLES = 60;
const TASKS = Number(process.env.BENCH_WORKER_TASKS ?? 96);

export const workers: Benchmark = {
  name: 'workers',
  about:
    'work over a queue in a Redis on the same machine, which writes its log each second; the floor of the hand-off is a bare job of BullMQ in the same Redis',
  async run() {
    if (redisProgram === null) {
      process.stderr.write(`${WITHOUT_REDIS}\n`);
      return [];
    }
    return [...(await withPlace(queueProfile, handOff)), ...(await perSecond())];
  },
};

async function handOff(place: Place): Promise<Figure[]> {
  const running = await superviseHere(place);
  const taken = new Map<string, number>();
  const one = await simulatedOverQueue(place, 'one', async (job, source) => {
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
  const figure = (name: string, values: readonly number[], floors: readonly number[], p: number): Figure => ({
    ...{ name, value: quantile(values, p), unit: 'ms', floor: quantile(floors, p) },
  });
  return [
    figure('task written → worker has it, p50', begins, floor.begins, 0.5),
    figure('the same, p95', begins, floor.begins, 0.95),
    figure('task written → its result in the graph, p50', ends, floor.ends, 0.5),
    figure('the same, p95', ends, floor.ends, 0.95),
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
    const real = await withPlace(queueProfile, (place) =>
      drained(place, TASKS, () => realWorkers(place, count)),
    );
    figures.push({ name: `real tasks per second, ${count} workers`, value: real, unit: 'tasks/s' });
  }
  for (const count of [1, 4, 16]) {
    const value = await withPlace(queueProfile, (place) =>
      drained(place, TASKS * 3, async () => {
        const all = await Promise.all(
          Array.from({ length: count }, (_, n) =>
            simulatedOverQueue(place, `w${n}`, async (job, source) => {
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
  const running = await superviseHere(place);
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
