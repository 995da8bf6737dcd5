// Memory of a supervisor over many tasks, after its first look and after every graph changed once.

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { doneTasks, type Farm, plantFarm, writeTasks } from './farm.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';
import { superviseInProcess } from './supervised.ts';

const GRAPHS = 100;
const EACH = 1000;

export const memory: Benchmark = {
  name: 'memory',
  about: `memory (RSS) with ${GRAPHS * EACH} tasks of 1.5 KB in ${GRAPHS} graphs; the floor is an idle node`,
  async run() {
    const farm = await plantFarm(GRAPHS, 0);
    try {
      for (const n of farm.worktrees.keys()) await plant(farm, n, 0);
      const floor = await idleNode();
      const supervised = superviseInProcess(farm);
      try {
        const pid = supervised.child.pid ?? 0;
        await supervised.next('started');
        const first = await settled(pid);
        for (const n of farm.worktrees.keys()) {
          await plant(farm, n, 1);
          await wait(20);
        }
        const changed = await settled(pid);
        const figures: Figure[] = [
          { name: 'after the first look', value: first.rss, unit: 'MB', floor, aim: '350 MB' },
          { name: 'after each graph changed once', value: changed.rss, unit: 'MB', floor, aim: '350 MB' },
          { name: 'most at any time', value: changed.peak, unit: 'MB', floor },
        ];
        return figures;
      } finally {
        await supervised.stop();
      }
    } finally {
      await farm.remove();
    }
  },
};

/** Nine in ten are done, the rest waits for one that is paused. */
async function plant(farm: Farm, n: number, change: number): Promise<void> {
  const tasks = doneTasks(EACH, n).map((task, m) => ({
    ...task,
    description: 'x'.repeat(1300),
    exec: 'true',
    ...(m % 10 === 9 ? { status: 'open', after: [`old-${n}-0`] } : {}),
    ...(m % 10 === 0 && m > 0 ? { after: [`old-${n}-${m - 10}`] } : {}),
    ...(m === 0 ? { status: 'open', paused: true } : {}),
    ...(m === 500 ? { model: `model-${change}` } : {}),
  }));
  await writeTasks(farm.worktrees[n] ?? '', tasks);
}

/** What a process holds when nothing happens any more, MB: the least of some looks, and the most that it ever held. */
async function settled(pid: number): Promise<{ readonly rss: number; readonly peak: number }> {
  await wait(5000);
  const looks: number[] = [];
  let peak = 0;
  for (let n = 0; n < 15; n++) {
    const status = await readFile(join('/proc', String(pid), 'status'), 'utf8');
    looks.push(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024);
    peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
    await wait(500);
  }
  return { rss: quantile(looks, 0.5), peak };
}

async function idleNode(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)']);
  try {
    return (await settled(child.pid ?? 0)).rss;
  } finally {
    child.kill('SIGKILL');
  }
}
