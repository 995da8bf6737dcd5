// Ten thousand scheduled tasks: what waiting for them costs, and how late they start.

import { execFile, spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Farm, plantFarm, superviseFarm, writeTasks } from './farm.ts';
import { measure } from './idle.ts';
import { MAIN } from './program.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const run = promisify(execFile);

const WORKTREES = 50;
const TASKS = 10_000;
const FIRING = 300;
/** From one firing to the next, ms: an odd number, so that they fall everywhere within a second. */
const APART_MS = 197;

export const schedules: Benchmark = {
  name: 'schedules',
  about: `${TASKS} scheduled tasks in ${WORKTREES} worktrees; ${FIRING} of them fire, one every ${APART_MS} ms; the floor is an idle node and bare timers`,
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
  const bare = await measure(spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)']));
  const ours = await measure(
    spawn(process.execPath, [MAIN, '--config', farm.config, '--state-dir', farm.stateDir, 'run'], {
      stdio: 'ignore',
    }),
  );
  return [
    { name: 'CPU of one core while all wait', value: ours.cpu, unit: '%', floor: bare.cpu, aim: '1 %' },
    { name: 'memory (RSS)', value: ours.rssMb, unit: 'MB', floor: bare.rssMb, aim: '200 MB' },
  ];
}

/** How late a process fires that does nothing but wait for the same instants, at the same time: what the machine adds. */
async function bareTimers(firstAt: number): Promise<number[]> {
  const script = `
    const late = [];
    for (let n = 0; n < ${FIRING}; n++) {
      const at = ${firstAt} + n * ${APART_MS};
      setTimeout(() => {
        late.push(Date.now() - at);
        if (late.length === ${FIRING}) console.log(JSON.stringify(late));
      }, at - Date.now());
    }`;
  const { stdout } = await run(process.execPath, ['-e', script]);
  return JSON.parse(stdout) as number[];
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
    const firstAt = Date.now() + 10_000;
    instants = await plant(farm, firstAt);
    const floor = bareTimers(firstAt);
    await wait(firstAt - Date.now());
    const before = process.cpuUsage();
    await all;
    const used = process.cpuUsage(before);
    const bare = await floor;
    return [
      { name: 'late, median', value: quantile(lateness, 0.5), unit: 'ms', floor: quantile(bare, 0.5) },
      {
        name: 'late, p99',
        value: quantile(lateness, 0.99),
        unit: 'ms',
        floor: quantile(bare, 0.99),
        aim: '250 ms',
      },
      { name: 'late, worst', value: Math.max(...lateness), unit: 'ms', floor: Math.max(...bare) },
      { name: 'before their time', value: early, unit: 'tasks', aim: '0' },
      { name: 'CPU for one firing', value: (used.user + used.system) / 1000 / FIRING, unit: 'ms' },
    ];
  } finally {
    await running.stop({ cancelAgents: true });
  }
}
