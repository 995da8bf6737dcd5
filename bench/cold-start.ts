// How long short commands take from nothing: a process that starts, answers and ends. Farms of fifty worktrees, in one
// repository and over five; and a list over three hundred.

import { execFile, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { doneTasks, type Farm, plantFarm, writeTasks } from './farm.ts';
import { MAIN } from './program.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const run = promisify(execFile);
const ROUNDS = 15;
const WORKTREES = 50;
const TASKS = 200;
const WIDE = 300;
const WIDE_TASKS = 10;

/** Where the commands of one farm look. */
interface Place {
  readonly config: string;
  readonly stateDir: string;
  /** A worktree with an open task for each round. */
  readonly worktree: string;
}

export const coldStart: Benchmark = {
  name: 'cold-start',
  about: `short commands, ${WORKTREES} worktrees of ${TASKS} tasks; the floor is \`node -e 0\``,
  async run() {
    const farms: Farm[] = [];
    try {
      for (const count of [WORKTREES, ...Array<number>(5).fill(WORKTREES / 5)])
        farms.push(await plantFarm(count, TASKS));
      const [whole, ...parts] = farms;
      if (!whole) throw new Error('no farm was planted');
      await plantOpenTasks(whole);
      const together = { ...whole, worktree: whole.worktrees[1] ?? '' };
      const figures = await measure(together, await oneConfigOf(parts));
      const wide = await plantFarm(WIDE, 0);
      farms.push(wide);
      return [...figures, ...(await measureWide(wide))];
    } finally {
      for (const farm of farms) await farm.remove();
    }
  },
};

async function measure(whole: Place, spread: Place): Promise<Figure[]> {
  const floor = await rounds(() => run(process.execPath, ['-e', '0']));
  const figures: Figure[] = [];
  const figure = async (name: string, aim: string | null, act: (round: number) => Promise<unknown>) => {
    figures.push({ name, value: await rounds(act), unit: 'ms', floor, ...(aim === null ? {} : { aim }) });
  };
  await figure('--version', null, () => command(whole, '--version'));
  await figure('--help', null, () => command(whole, '--help'));
  await command(whole, 'status');
  await figure('status, no supervisor running', '250 ms', () => command(whole, 'status', '--json'));
  await command(spread, 'status');
  await figure('the same over 5 repositories', '250 ms', () => command(spread, 'status', '--json'));
  await figure('why, no supervisor running', '250 ms', () => command(whole, 'why', 'todo-0', '--json'));
  await figure('list, no supervisor running', '250 ms', () => command(whole, 'list', '--json'));
  await figure('done, no supervisor running', null, (round) => command(whole, 'done', `todo-${round}`));
  const supervisor = spawn(process.execPath, [MAIN, ...globalOf(whole), 'run'], { stdio: 'ignore' });
  try {
    for (let tries = 0; tries < 100; tries++) {
      if (JSON.parse((await command(whole, 'status', '--json')).stdout).supervisor.running) break;
      await wait(100);
    }
    await figure('status, supervisor running', '120 ms', () => command(whole, 'status', '--json'));
    await figure('why, supervisor running', '120 ms', () => command(whole, 'why', 'todo-0', '--json'));
    await command(whole, 'claim', 'held');
    await figure('heartbeat', '120 ms', () => command(whole, 'heartbeat', 'held'));
  } finally {
    supervisor.kill('SIGTERM');
    await new Promise((resolve) => supervisor.once('exit', resolve));
  }
  return figures;
}

/** Many worktrees with a few open tasks each, of which one has a title as long as a page. */
async function measureWide(farm: Farm): Promise<Figure[]> {
  for (const [n, worktree] of farm.worktrees.entries())
    await writeTasks(
      worktree,
      Array.from({ length: WIDE_TASKS }, (_, m) => ({
        id: `open-${n}-${m}`,
        title: n === 0 && m === 0 ? 'long '.repeat(1000) : `Task ${m} of ${n}`,
        tags: ['executor:nobody'],
        created_at: new Date(1.7e12 + n * 1e6 + m).toISOString(),
      })),
    );
  const place = { ...farm, worktree: farm.worktrees[1] ?? '' };
  const name = `list of ${WIDE * WIDE_TASKS} tasks over ${WIDE} worktrees`;
  let printed = (await command(place, 'list')).stdout.length;
  const floor = await rounds(() => run(process.execPath, ['-e', '0']));
  const value = await rounds(async () => {
    printed = (await command(place, 'list')).stdout.length;
  });
  return [
    { name, value, unit: 'ms', floor, aim: '1,000 ms' },
    { name: 'the same: what it prints, one title of 5,000 characters', value: printed / 1000, unit: 'kB' },
  ];
}

/** Tasks that no one starts on its own, in one worktree: one to end in each round, one to hold. */
async function plantOpenTasks(farm: Farm): Promise<void> {
  const open = Array.from({ length: ROUNDS }, (_, n) => ({ id: `todo-${n}`, tags: ['executor:nobody'] }));
  const held = { id: 'held', tags: ['executor:nobody'] };
  await writeTasks(farm.worktrees[1] ?? '', [...doneTasks(TASKS - ROUNDS - 1, 1), ...open, held]);
}

/** One configuration for several farms. */
async function oneConfigOf(farms: readonly Farm[]): Promise<Place> {
  const [first] = farms;
  if (!first) throw new Error('no farm was planted');
  const stateDir = join(first.folder, 'state-of-all');
  await mkdir(stateDir);
  const config = join(first.folder, 'all.toml');
  const repos = farms.map((farm) => `[[repos]]\npath = ${JSON.stringify(farm.worktrees[0])}\n`);
  await writeFile(config, repos.join(''));
  return { config, stateDir, worktree: first.worktrees[1] ?? '' };
}

function globalOf(place: Place): string[] {
  return ['--config', place.config, '--state-dir', place.stateDir];
}

function command(place: Place, ...argv: string[]): Promise<{ readonly stdout: string }> {
  return run(process.execPath, [MAIN, ...globalOf(place), ...argv], { maxBuffer: 1e8, cwd: place.worktree });
}

async function rounds(act: (round: number) => Promise<unknown>): Promise<number> {
  const samples: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    const at = performance.now();
    await act(n);
    samples.push(performance.now() - at);
  }
  return quantile(samples, 0.5);
}
