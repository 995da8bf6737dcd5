// Tasks per second through an executor that does nothing, every claim and settlement synced to the disk.

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocker } from '../src/platform/flock.ts';
import { type Farm, plantFarm, superviseFarm, writeTasks } from './farm.ts';
import { type LoopDelay, loopFigures, watchLoop } from './loop-delay.ts';
import type { Benchmark, Figure } from './report.ts';

const TASKS = 400;
const WRITES = 200;
/** What a graph of some tasks weighs, bytes. */
const TEXT = 'x'.repeat(50_000);

export const throughput: Benchmark = {
  name: 'throughput',
  about:
    'tasks per second through a no-op executor; the floor is a bare flock + write + fsync + rename, for one graph one ' +
    'after another, for 50 graphs eight at once; each task needs at least three such writes and two syncs of the ledger',
  async run() {
    const figures: Figure[] = [];
    for (const worktrees of [1, 50]) {
      const name = worktrees === 1 ? 'one graph' : `${worktrees} graphs`;
      const farm = await plantFarm(worktrees, 0);
      try {
        const floor = worktrees === 1 ? bareWrites(farm) : await bareWritesAtOnce(farm, 8);
        const { perSecond, delay } = await drain(farm);
        figures.push(
          { name, value: perSecond, unit: 'tasks/s', floor, aim: worktrees === 1 ? '100' : '400' },
          ...loopFigures(name, delay),
        );
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

async function drain(farm: Farm): Promise<{ readonly perSecond: number; readonly delay: LoopDelay }> {
  const running = await superviseFarm(farm, () => {});
  try {
    let left = TASKS;
    const done = new Promise<void>((resolve) => {
      running.bus.on((event) => {
        if (event.name === 'run.settled' && --left === 0) resolve();
      });
    });
    const each = Math.ceil(TASKS / farm.worktrees.length);
    const loop = watchLoop();
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
    const perSecond = (TASKS / (performance.now() - startedAt)) * 1000;
    return { perSecond, delay: loop.stop() };
  } finally {
    await running.stop({ cancelAgents: true });
  }
}

function bareWrites(farm: Farm): number {
  const folder = join(farm.worktrees[0] ?? '', '.workgraph');
  const locker = createLocker();
  const startedAt = performance.now();
  for (let n = 0; n < WRITES; n++) {
    const lock = locker.tryAcquire(join(folder, 'floor.lock'));
    const file = openSync(join(folder, 'floor.tmp'), 'w');
    writeSync(file, TEXT);
    fsyncSync(file);
    closeSync(file);
    renameSync(join(folder, 'floor.tmp'), join(folder, 'floor.file'));
    lock?.release();
  }
  return (WRITES / (performance.now() - startedAt)) * 1000;
}

/** The same in different folders side by side, where the disk may gather syncs. */
async function bareWritesAtOnce(farm: Farm, atOnce: number): Promise<number> {
  const locker = createLocker();
  const startedAt = performance.now();
  let n = 0;
  const one = async (worktree: string) => {
    const folder = join(worktree, '.workgraph');
    while (n++ < WRITES) {
      const lock = locker.tryAcquire(join(folder, 'floor.lock'));
      const file = await open(join(folder, 'floor.tmp'), 'w');
      await file.write(TEXT);
      await file.sync();
      await file.close();
      await rename(join(folder, 'floor.tmp'), join(folder, 'floor.file'));
      lock?.release();
    }
  };
  await Promise.all(farm.worktrees.slice(0, atOnce).map(one));
  return (WRITES / (performance.now() - startedAt)) * 1000;
}
