// Ten thousand scheduled tasks: what waiting for them costs, and how late they start.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Farm, plantFarm, superviseFarm, writeTasks } from './farm.ts';
import { measure } from './idle.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const WORKTREES = 50;
const TASKS = 10_000;
const FIRING = 300;
/** From one firing to the next, ms: an odd number, so that they fall everywhere within a second. */
const APART_MS = 197;

export const schedules: Benchmark = {
  name: 'schedules',
  about: `${TASKS} scheduled tasks in ${WORKTREES} worktrees; ${FIRING} of them fire, one every ${APART_MS} ms; the floor is an idle node`,
  async run() {
    const farm = await plantFarm(WORKTREES, 0);
    try {
      return [...(await waiting(farm)), ...(await firing(farm))];
    } finally {
      await farm.remove();
    }
  },
};

/** Times far ahead, of every kind there is. */
function later(n: number): string {
  const hour = String(n % 24).padStart(2, '0');
  const minute = String(n % 60).padStart(2, '0');
  switch (n % 4) {
    case 0:
      return `${n % 60} ${n % 24} 1 1 *`;
    case 1:
      return `${n % 60} ${n % 24} 29 2 *`;
    case 2:
      return `2050-06-01T${hour}:${minute}`;
    default:
      return `2050-06-01T${hour}:${minute}:00+05:30`;
  }
}

/** Writes all tasks; the instants of those that fire, by id. */
async function plant(farm: Farm, firstAt: number | null): Promise<Map<string, number>> {
  const instants = new Map<string, number>();
  const each = TASKS / WORKTREES;
  const created_at = new Date().toISOString();
  for (const [w, worktree] of farm.worktrees.entries()) {
    const tasks = Array.from({ length: each }, (_, n) => {
      const id = `t${w}-${n}`;
      const turn = n * WORKTREES + w;
      if (firstAt === null || turn >= FIRING) return { id, exec: 'true', created_at, schedule: later(turn) };
      const at = firstAt + turn * APART_MS;
      instants.set(id, at);
      return { id, exec: 'true', created_at, schedule: new Date(at).toISOString() };
    });
    await writeTasks(worktree, tasks);
  }
  return instants;
}

async function waiting(farm: Farm): Promise<Figure[]> {
  await plant(farm, null);
  const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
  const bare = await measure(spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)']));
  const ours = await measure(
    spawn(process.execPath, [main, '--config', farm.config, '--state-dir', farm.stateDir, 'run'], {
      stdio: 'ignore',
    }),
  );
  return [
    { name: 'CPU of one core while all wait', value: ours.cpu, unit: '%', floor: bare.cpu, aim: '0.5 %' },
    { name: 'memory (RSS)', value: ours.rssMb, unit: 'MB', floor: bare.rssMb, aim: '150 MB' },
  ];
}

async function firing(farm: Farm): Promise<Figure[]> {
  const lateness: number[] = [];
  let early = 0;
  let instants = new Map<string, number>();
  let over = (): void => {};
  const all = new Promise<void>((resolve) => {
    over = resolve;
  });
  const running = await superviseFarm(farm, (task) => {
    const late = Date.now() - (instants.get(task) ?? Number.NaN);
    if (late < 0) early++;
    lateness.push(late);
    if (lateness.length === FIRING) over();
  });
  try {
    // All are known before the first fires.
    instants = await plant(farm, Date.now() + 10_000);
    await all;
    return [
      { name: 'late, median', value: quantile(lateness, 0.5), unit: 'ms' },
      { name: 'late, p99', value: quantile(lateness, 0.99), unit: 'ms', aim: '250 ms' },
      { name: 'late, worst', value: Math.max(...lateness), unit: 'ms' },
      { name: 'before their time', value: early, unit: 'tasks', aim: '0' },
    ];
  } finally {
    await running.stop({ cancelAgents: true });
  }
}
