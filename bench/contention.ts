// Claims and settlements per second while other processes rewrite the same graphs under their lock, as wg does.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLocker } from '../src/platform/flock.ts';
import { type Farm, plantFarm, superviseFarm, writeTasks } from './farm.ts';
import type { Benchmark, Figure } from './report.ts';

const TASKS = 200;
const REWRITER = fileURLToPath(new URL('./rewriter.js', import.meta.url));

export const contention: Benchmark = {
  name: 'contention',
  about:
    'tasks claimed and settled per second on one graph while others rewrite it all the time; the floor is no one else',
  async run() {
    const figures: Figure[] = [];
    let alone = Number.NaN;
    for (const rivals of [0, 1, 3]) {
      const farm = await plantFarm(1, 100);
      try {
        const { perSecond, rewrites } = await drain(farm, rivals);
        if (rivals === 0) alone = perSecond;
        figures.push({
          name: rivals === 0 ? 'no one else' : `${rivals} other writers (${Math.round(rewrites)} rewrites/s)`,
          value: perSecond,
          unit: 'claims/s',
          floor: alone,
        });
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

async function drain(farm: Farm, rivals: number): Promise<{ perSecond: number; rewrites: number }> {
  const [worktree = ''] = farm.worktrees;
  const running = await superviseFarm(farm, () => {});
  let rewrites = 0;
  const others: ChildProcess[] = [];
  try {
    let left = TASKS;
    const done = new Promise<void>((resolve) => {
      running.bus.on((event) => {
        if (event.name === 'run.settled' && --left === 0) resolve();
      });
    });
    for (let n = 0; n < rivals; n++) {
      const other = spawn(process.execPath, [REWRITER, join(worktree, '.workgraph')], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      // Each says that it has begun, and then one byte for each rewrite.
      await new Promise<void>((resolve) => other.stdout?.once('data', () => resolve()));
      other.stdout?.on('data', (data: Buffer) => {
        rewrites += data.length;
      });
      others.push(other);
    }
    const tasks = Array.from({ length: TASKS }, (_, n) => ({
      id: `t${n}`,
      exec: 'true',
      created_at: new Date(1.75e12 + n).toISOString(),
    }));
    rewrites = 0;
    // Under the lock, like everyone else: a rewriter would put back what it read before.
    const lock = await createLocker().acquire(join(worktree, '.workgraph', 'graph.lock'), {
      timeoutMs: 60_000,
    });
    const startedAt = performance.now();
    await writeTasks(worktree, tasks);
    lock.release();
    await done;
    const seconds = (performance.now() - startedAt) / 1000;
    return { perSecond: TASKS / seconds, rewrites: rewrites / seconds };
  } finally {
    for (const other of others) other.kill('SIGKILL');
    await running.stop({ cancelAgents: true });
  }
}
