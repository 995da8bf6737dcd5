// A graph of many tasks is rewritten as a whole, or by one line, while a task appears in a small graph beside it: the longest
// turn of the event loop meanwhile, and how long the small one waits.

import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { doneTasks, type Farm, plantFarm, writeTasks } from './farm.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';
import { instant, type SupervisedProcess, superviseInProcess } from './supervised.ts';

const TASKS = 100_000;
const SAMPLES = 5;
const SMALL = doneTasks(200, 1);

/** What the large graph consists of. */
interface Kind {
  readonly name: string;
  status(n: number): string;
  after(n: number): readonly string[];
}

const KINDS: readonly Kind[] = [
  {
    name: '95 % done',
    status: (n) => (n % 20 === 19 ? 'open' : 'done'),
    after: (n) => (n % 20 === 19 ? ['gate'] : n % 20 > 1 ? [`task-${n - (n % 20)}`] : []),
  },
  {
    name: 'all open',
    status: () => 'open',
    after: (n) => (n % 20 === 0 ? ['gate'] : [`task-${n - (n % 20)}`]),
  },
];

export const rewrite: Benchmark = {
  name: 'rewrite',
  about: `a graph of ${TASKS} tasks of 1.4 KB is rewritten while a task is added to a small graph; the floor is the same addition while the large graph rests`,
  async run() {
    const figures: Figure[] = [];
    for (const kind of KINDS) {
      const farm = await plantFarm(2, 0);
      try {
        figures.push(...(await measure(farm, kind)));
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

const largeOf = (farm: Farm) => join(farm.worktrees[0] ?? '', '.workgraph');

async function measure(farm: Farm, kind: Kind): Promise<Figure[]> {
  await mkdir(largeOf(farm), { recursive: true });
  await rename(await nextLarge(farm, kind, 0), join(largeOf(farm), 'graph.jsonl'));
  const small = farm.worktrees[1] ?? '';
  await writeTasks(small, SMALL);
  const supervised = superviseInProcess(farm);
  try {
    await supervised.next('started');
    await wait(2000);
    const rest: Sample[] = [];
    const whole: Sample[] = [];
    const line: Sample[] = [];
    let round = 0;
    for (let n = 0; n < SAMPLES; n++) {
      rest.push(await sample(farm, supervised, `rest-${n}`, null));
      round++;
      whole.push(await sample(farm, supervised, `whole-${n}`, await nextLarge(farm, kind, round)));
      line.push(await sample(farm, supervised, `line-${n}`, await nextLarge(farm, kind, round, `line-${n}`)));
    }
    return [
      ...figuresOf(`${kind.name}, rewritten as a whole`, whole, rest),
      ...figuresOf(`${kind.name}, one line changed`, line, rest),
    ];
  } finally {
    await supervised.stop();
  }
}

interface Sample {
  readonly startedMs: number;
  readonly turnMs: number;
}

/** `next`: the file that replaces the large graph; null: it rests. */
async function sample(
  farm: Farm,
  supervised: SupervisedProcess,
  id: string,
  next: string | null,
): Promise<Sample> {
  await wait(1500);
  supervised.resetLoop();
  await wait(20);
  const began = supervised.next('began');
  if (next !== null) await rename(next, join(largeOf(farm), 'graph.jsonl'));
  const at = instant();
  await writeTasks(farm.worktrees[1] ?? '', [...SMALL, { id, exec: 'true' }]);
  const startedMs = (await began).at - at;
  await wait(2500);
  return { startedMs, turnMs: (await supervised.loop()).max };
}

function figuresOf(what: string, samples: readonly Sample[], rest: readonly Sample[]): Figure[] {
  const started = samples.map(({ startedMs }) => startedMs);
  const floor = rest.map(({ startedMs }) => startedMs);
  const turns = samples.map(({ turnMs }) => turnMs);
  const unit = 'ms';
  return [
    {
      name: `${what}: task of the small graph added → started, p50`,
      value: quantile(started, 0.5),
      unit,
      floor: quantile(floor, 0.5),
    },
    { name: `${what}: the same, slowest`, value: Math.max(...started), unit, floor: Math.max(...floor) },
    {
      name: `${what}: longest turn of the event loop`,
      value: Math.max(...turns),
      unit,
      floor: Math.max(...rest.map(({ turnMs }) => turnMs)),
      aim: '50 ms',
    },
  ];
}

/** Writes what the large graph is to become, beside it. Everything but the ids differs from round to round; `line`: only one does. */
async function nextLarge(farm: Farm, kind: Kind, round: number, line = ''): Promise<string> {
  const path = join(largeOf(farm), 'graph.next');
  const file = await open(path, 'w');
  const lineOf = (id: string, more: Readonly<Record<string, unknown>>) =>
    JSON.stringify({ kind: 'task', id, title: id, status: 'open', priority: 10, exec: 'true', ...more });
  await file.write(`${lineOf('gate', { paused: true, description: line })}\n`);
  for (let from = 0; from < TASKS; from += 5000) {
    const lines: string[] = [];
    for (let n = from; n < from + 5000; n++)
      lines.push(
        lineOf(`task-${n}`, {
          status: kind.status(n),
          description: `${round} ${'x'.repeat(1200)}`,
          after: kind.after(n),
          created_at: new Date(1.7e12 + n * 1000).toISOString(),
        }),
      );
    await file.write(`${lines.join('\n')}\n`);
  }
  await file.sync();
  await file.close();
  return path;
}
