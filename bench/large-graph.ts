// One change in a graph of many tasks: from its rename to the decision, and how many changes a second can be written.

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createGraphStore } from '../src/graph/store.ts';
import { systemClock } from '../src/platform/clock.ts';
import { createLocker } from '../src/platform/flock.ts';
import { type Farm, plantFarm } from './farm.ts';
import { bareEvents } from './latency.ts';
import { loopFigures, watchLoop } from './loop-delay.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';
import { instant, type SupervisedProcess, superviseInProcess } from './supervised.ts';

const LIMITS = { maxLineBytes: 50_000_000, maxGraphBytes: 2_000_000_000 };
const SIZES = [
  { tasks: 10_000, samples: 12, edits: 60, aim: '30 ms' },
  { tasks: 100_000, samples: 5, edits: 6, aim: '250 ms' },
];

export const largeGraph: Benchmark = {
  name: 'large-graph',
  about:
    'one change in a graph of many tasks of 1.5 KB; the floors are a bare event, a bare read and comparison, a bare write of the same file',
  async run() {
    const figures: Figure[] = [];
    for (const size of SIZES) {
      const farm = await plantFarm(1, 0);
      try {
        await plantGraph(farm, size.tasks, size.samples);
        figures.push(...(await changes(farm, size)), ...(await edits(farm, size)));
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

interface Size {
  readonly tasks: number;
  readonly samples: number;
  readonly edits: number;
  readonly aim: string;
}

const graphOf = (farm: Farm) => join(farm.worktrees[0] ?? '', '.workgraph');

/**
 * Most tasks are done and hang together; there is a paused one for each sample, and one in twenty waits for one of them
 * and for the first, which stays paused: nothing starts but what the benchmark lets start.
 */
async function plantGraph(farm: Farm, tasks: number, samples: number): Promise<void> {
  const graph = graphOf(farm);
  await mkdir(graph, { recursive: true });
  const file = await open(join(graph, 'graph.jsonl'), 'w');
  const apart = Math.floor(tasks / (samples + 1));
  for (let from = 0; from < tasks; from += 5000) {
    const lines: string[] = [];
    for (let n = from; n < Math.min(from + 5000, tasks); n++) {
      const isPaused = n > 0 && n % apart === 0 && n / apart <= samples;
      const isWaiting = !isPaused && n % 20 === 19;
      lines.push(
        JSON.stringify({
          kind: 'task',
          id: isPaused ? `paused-${n / apart - 1}` : `task-${n}`,
          title: `Task number ${n}`,
          status: isPaused || isWaiting || n === 0 ? 'open' : 'done',
          priority: 10,
          exec: 'true',
          description: 'x'.repeat(1200),
          after: isWaiting
            ? [`paused-${n % samples}`, 'task-0']
            : n % 20 > 1 && !isPaused
              ? [`task-${n - (n % 20)}`]
              : [],
          created_at: new Date(1.7e12 + n * 1000).toISOString(),
          paused: isPaused || n === 0,
        }),
      );
    }
    await file.write(`${lines.join('\n')}\n`);
  }
  await file.close();
}

async function changes(farm: Farm, size: Size): Promise<Figure[]> {
  const events = quantile(await bareEvents(farm), 0.5);
  const reads = quantile(await bareReads(farm), 0.5);
  const supervised = superviseInProcess(farm);
  const decided: number[] = [];
  const settled: number[] = [];
  const late = { p50: [] as number[], p99: [] as number[], max: [] as number[] };
  try {
    await supervised.next('started');
    const first = await supervised.loop();
    await wait(1000);
    for (let n = 0; n < size.samples; n++) {
      const sample = await unpause(farm, supervised, n);
      decided.push(sample.decidedMs);
      settled.push(sample.settledMs);
      for (const key of ['p50', 'p99', 'max'] as const) late[key].push(sample.delay[key]);
      await wait(300);
    }
    const what = `${size.tasks} tasks`;
    const floor = events + reads;
    return [
      {
        name: `${what}, rename to decision, p50`,
        value: quantile(decided, 0.5),
        unit: 'ms',
        floor,
        aim: size.aim,
      },
      { name: `${what}, rename to decision, worst`, value: Math.max(...decided), unit: 'ms', floor },
      { name: `${what}, rename to settled, p50`, value: quantile(settled, 0.5), unit: 'ms' },
      ...loopFigures(`${what}, start-up`, first),
      ...loopFigures(`${what}, change to settled`, {
        p50: quantile(late.p50, 0.5),
        p99: quantile(late.p99, 0.5),
        max: Math.max(...late.max),
      }),
    ];
  } finally {
    await supervised.stop();
  }
}

/** One task in the middle of the file is paused no more. */
async function unpause(farm: Farm, supervised: SupervisedProcess, n: number) {
  const graph = graphOf(farm);
  const bytes = await readFile(join(graph, 'graph.jsonl'));
  const line = bytes.indexOf(`"id":"paused-${n}"`);
  const from = bytes.indexOf('"paused":true', line);
  const next = join(graph, 'graph.next');
  const file = await open(next, 'w');
  await file.writev([bytes.subarray(0, from), Buffer.from('"paused":false'), bytes.subarray(from + 13)]);
  await file.close();
  await wait(50);
  const decided = supervised.next('decided');
  const settled = supervised.next('settled');
  supervised.resetLoop();
  const at = instant();
  await rename(next, join(graph, 'graph.jsonl'));
  const decidedMs = (await decided).at - at;
  const settledMs = (await settled).at - at;
  return { decidedMs, settledMs, delay: await supervised.loop() };
}

/** Reading the file and finding it equal to what was read before. */
async function bareReads(farm: Farm): Promise<number[]> {
  const path = join(graphOf(farm), 'graph.jsonl');
  const before = await readWhole(path);
  const samples: number[] = [];
  for (let n = 0; n < 7; n++) {
    const at = performance.now();
    const now = await readWhole(path);
    if (!now.equals(before)) throw new Error('the graph changed while no one changed it');
    samples.push(performance.now() - at);
  }
  return samples;
}

async function readWhole(path: string): Promise<Buffer> {
  const file = await open(path);
  const { size } = await file.stat();
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  while (at < size) at += (await file.read(bytes, at, size - at, at)).bytesRead;
  await file.close();
  return bytes;
}

/** Changes of one task, one after the other, each written and synced. */
async function edits(farm: Farm, size: Size): Promise<Figure[]> {
  const graph = graphOf(farm);
  const floor = await bareWrites(farm, Math.min(size.edits, 20));
  const store = createGraphStore({ graph, locker: createLocker(), clock: systemClock(), limits: LIMITS });
  await store.refresh();
  const loop = watchLoop();
  const begun = performance.now();
  for (let n = 0; n < size.edits; n++)
    await store.change((draft) =>
      draft.patch(`task-${Math.floor(((size.tasks / size.edits) * n) / 20) * 20}`, { model: `model-${n}` }),
    );
  const seconds = (performance.now() - begun) / 1000;
  const delay = loop.stop();
  await store.close();
  const what = `${size.tasks} tasks, edits one by one`;
  return [
    { name: what, value: size.edits / seconds, unit: '/s', floor, aim: '' },
    ...loopFigures(what, delay),
  ];
}

/** The same bytes under a lock to the disk and renamed, so often a second. */
async function bareWrites(farm: Farm, rounds: number): Promise<number> {
  const graph = graphOf(farm);
  const bytes = await readWhole(join(graph, 'graph.jsonl'));
  const locker = createLocker();
  const begun = performance.now();
  for (let n = 0; n < rounds; n++) {
    const lock = locker.tryAcquire(join(graph, 'floor.lock'));
    const file = openSync(join(graph, 'floor.tmp'), 'w');
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
    closeSync(file);
    renameSync(join(graph, 'floor.tmp'), join(graph, 'floor.file'));
    lock?.release();
  }
  const rate = (rounds / (performance.now() - begun)) * 1000;
  await writeFile(join(graph, 'floor.file'), '');
  return rate;
}
