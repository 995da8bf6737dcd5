// Tasks per second through an executor that does nothing, every claim and settlement synced to the disk.

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createLocker } from '../src/seams/flock.ts';
import { type Farm, plantFarm, superviseFarm, writeTasks } from './farm.ts';
import type { Benchmark, Figure } from './report.ts';

const TASKS = 400;

export const throughput: Benchmark = {
  name: 'throughput',
  about:
    'tasks per second through a no-op executor; the floor is a bare flock + write + fsync + rename, one after another',
  async run() {
    const figures: Figure[] = [];
    for (const worktrees of [1, 50]) {
      const farm = await plantFarm(worktrees, 0);
      try {
        const floor = bareWrites(farm);
        const perSecond = await drain(farm);
        figures.push({
          name: `${worktrees === 1 ? 'one graph' : `${worktrees} graphs`}`,
          value: perSecond,
          unit: 'tasks/s',
          floor,
          aim: worktrees === 1 ? '100' : '400',
        });
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

async function drain(farm: Farm): Promise<number> {
  const running = await superviseFarm(farm, () => {});
  try {
    let left = TASKS;
    const done = new Promise<void>((resolve) => {
      running.bus.on((event) => {
        if (event.name === 'run.settled' && --left === 0) resolve();
      });
    });
    const each = Math.ceil(TASKS / farm.worktrees.length);
    const startedAt = performance.now();
    let n = 0;
    for (const worktree of farm.worktrees) {
      const tasks = Array.from({ length: Math.min(each, TASKS - n) }, () => {
        const id = `t${n++}`;
        return { id, exec: 'true', created_at: new Date(1.75e12 + n).toISOString() };
      });
      await writeTasks(worktree, tasks);
    }
    await done;
    return (TASKS / (performance.now() - startedAt)) * 1000;
  } finally {
    await running.stop({ cancelAgents: true });
  }
}

function bareWrites(farm: Farm): number {
  const folder = join(farm.worktrees[0] ?? '', '.workgraph');
  const locker = createLocker();
  const text = 'x'.repeat(50_000);
  const rounds = 100;
  const startedAt = performance.now();
  for (let n = 0; n < rounds; n++) {
    const lock = locker.tryAcquire(join(folder, 'floor.lock'));
    const file = openSync(join(folder, 'floor.tmp'), 'w');
    writeSync(file, text);
    fsyncSync(file);
    closeSync(file);
    renameSync(join(folder, 'floor.tmp'), join(folder, 'floor.file'));
    lock?.release();
  }
  return (rounds / (performance.now() - startedAt)) * 1000;
}
