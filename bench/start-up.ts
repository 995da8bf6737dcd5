// From the start of `supervisor run` to the first agent that it starts, many worktrees to look at before.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { doneTasks, type Farm, plantFarm, writeTasks } from './farm.ts';
import { MAIN } from './program.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';
import { instant } from './supervised.ts';

const TASKS = 20;

export const startUp: Benchmark = {
  name: 'start-up',
  about: `\`supervisor run\` to the first agent started, ${TASKS} tasks in each worktree; the floor is \`node -e\` that starts the same program`,
  async run() {
    const figures: Figure[] = [];
    for (const { worktrees, rounds, aim } of [
      { worktrees: 1, rounds: 5, aim: '' },
      { worktrees: 50, rounds: 5, aim: '0.5 s' },
      { worktrees: 1000, rounds: 3, aim: '5 s' },
    ]) {
      const farm = await plantFarm(worktrees, TASKS);
      try {
        const samples: number[] = [];
        for (let n = 0; n < rounds; n++) samples.push(await firstAgent(farm, n));
        const floor = quantile(await bare(farm), 0.5);
        figures.push({
          name: `${worktrees} worktrees`,
          value: quantile(samples, 0.5),
          unit: 'ms',
          floor,
          aim,
        });
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

/** The program of the task: it writes down when it began. */
const script = (file: string) => `date +%s%N > ${file}.next && mv ${file}.next ${file}`;

async function firstAgent(farm: Farm, round: number): Promise<number> {
  const began = join(farm.folder, `began-${round}`);
  const which = Math.floor(farm.worktrees.length / 2);
  await writeTasks(farm.worktrees[which] ?? '', [
    ...doneTasks(TASKS - 1, which),
    { id: `first-${round}`, exec: script(began), created_at: new Date(1.75e12 + round).toISOString() },
  ]);
  await rm(farm.stateDir, { recursive: true, force: true });
  const flags = (process.env.BENCH_NODE_FLAGS ?? '').split(' ').filter(Boolean);
  const args = [...flags, MAIN, '--config', farm.config, '--state-dir', farm.stateDir, 'run'];
  const at = instant();
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    return (await readInstant(began, () => child.exitCode !== null)) - at;
  } finally {
    // Not measured: the rest of the first look.
    await wait(500);
    child.kill('SIGTERM');
    await gone;
  }
}

/** A node that loads nothing and starts the same program. */
async function bare(farm: Farm): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 0; n < 5; n++) {
    const began = join(farm.folder, `bare-${n}`);
    const start = `require('child_process').spawn('sh', ['-c', ${JSON.stringify(script(began))}])`;
    const at = instant();
    spawn(process.execPath, ['-e', start], { stdio: 'ignore' });
    samples.push((await readInstant(began, () => false)) - at);
  }
  return samples;
}

async function readInstant(file: string, isOver: () => boolean): Promise<number> {
  while (!existsSync(file)) {
    if (isOver()) throw new Error('the supervisor ended on its own');
    await wait(20);
  }
  return Number(BigInt((await readFile(file, 'utf8')).trim()) / 1000n) / 1000;
}
