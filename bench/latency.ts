// From the rename of a graph to the start of the executor.

import { watch } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { doneTasks, type Farm, plantFarm, superviseFarm, writeTasks } from './farm.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const SAMPLES = 60;

export const latency: Benchmark = {
  name: 'latency',
  about:
    'graph renamed to executor started, graphs of 200 tasks (of 20 where there are 1,000); the floor is a bare inotify ' +
    'event of the same rename',
  async run() {
    const figures: Figure[] = [];
    for (const worktrees of [1, 50, 1000]) {
      const tasks = worktrees === 1000 ? 20 : 200;
      const farm = await plantFarm(worktrees, tasks);
      try {
        const floor = await bareEvents(farm);
        const samples = await dispatches(farm, tasks);
        const aim = worktrees === 1 ? {} : { aim: '20 ms' };
        const tail = worktrees === 1 ? {} : { aim: '150 ms' };
        figures.push(
          {
            name: `${worktrees} worktrees, p50`,
            value: quantile(samples, 0.5),
            unit: 'ms',
            floor: quantile(floor, 0.5),
            ...aim,
          },
          {
            name: `${worktrees} worktrees, p99`,
            value: quantile(samples, 0.99),
            unit: 'ms',
            floor: quantile(floor, 0.99),
            ...tail,
          },
        );
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

async function dispatches(farm: Farm, tasks: number): Promise<number[]> {
  const waiting = new Map<string, (at: number) => void>();
  const running = await superviseFarm(farm, (task) => waiting.get(task)?.(performance.now()));
  const samples: number[] = [];
  try {
    for (let n = 0; n < SAMPLES; n++) {
      const which = n % farm.worktrees.length;
      const worktree = farm.worktrees[which] ?? '';
      const id = `new-${n}`;
      const started = new Promise<number>((resolve) => waiting.set(id, resolve));
      const settled = running.bus.next('run.settled', (event) => event.task === id);
      const renamedAt = await writeTasks(worktree, [
        ...doneTasks(tasks, which),
        { id, exec: 'true', created_at: new Date(1.75e12 + n).toISOString() },
      ]);
      samples.push((await started) - renamedAt);
      await settled;
      // Not measured: lets the burst of our own writes pass, so that samples do not lean on each other.
      await wait(30);
    }
  } finally {
    await running.stop({ cancelAgents: true });
  }
  return samples;
}

/** From a rename to the event of it, ms. */
export async function bareEvents(farm: Farm): Promise<number[]> {
  const folder = join(farm.worktrees[0] ?? '', '.workgraph');
  const samples: number[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    await writeFile(join(folder, 'floor.next'), 'x'.repeat(300_000));
    const heard = new Promise<number>((resolve) => {
      const watcher = watch(folder, (_kind, name) => {
        if (name !== 'floor.file') return;
        watcher.close();
        resolve(performance.now());
      });
    });
    const at = performance.now();
    await rename(join(folder, 'floor.next'), join(folder, 'floor.file'));
    samples.push((await heard) - at);
  }
  return samples;
}
