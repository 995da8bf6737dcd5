// Our one supervisor against wg's own daemons, one per repository, both seen from outside: how long from a change of a graph to
// the first act of the task's command, and what watching costs. Needs `WG_BIN=/path/to/wg`.

import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { WgAge } from '../src/domain/wg-capabilities.ts';
import { askWg } from '../src/wg/capabilities.ts';
import { type Farm, plantFarm } from './farm.ts';
import { MAIN } from './program.ts';
import { type Benchmark, type Figure, quantile } from './report.ts';

const REPOSITORIES = 30;
/** Changes measured, each in another worktree. */
const CHANGES = 20;
const WARM_UP_MS = 20_000;
const WINDOW_MS = 30_000;
const LATEST_MS = 120_000;
const TICKS_PER_SECOND = 100;

export const besideWg: Benchmark = {
  name: 'beside-wg',
  about: `ours against a wg daemon in each of ${REPOSITORIES} repositories; the floor is wg, so a ratio below 1 is in our favour`,
  needs: 'WG_BIN',
  async run() {
    const program = process.env.WG_BIN ?? '';
    const found = await askWg(program, process.env.PATH);
    if (found.kind !== 'worksgood') throw new Error(`WG_BIN=${program} is no wg that can be measured`);
    const theirs = await measured((farm) => startDaemons(farm, program, found.can.age));
    const ours = await measured(startOurs);
    const figure = (name: string, unit: string, of: (side: Side) => number): Figure => ({
      name,
      unit,
      value: of(ours),
      floor: of(theirs),
    });
    return [
      figure('change → start, p50', 'ms', (side) => quantile(side.latencies, 0.5)),
      figure('change → start, slowest', 'ms', (side) => Math.max(...side.latencies)),
      figure('idle, CPU of one core', '%', (side) => side.cpu),
      figure('idle, memory (PSS)', 'MB', (side) => side.memoryMb),
      figure('processes', '', (side) => side.processes),
    ];
  },
};

interface Side {
  readonly latencies: readonly number[];
  readonly cpu: number;
  readonly memoryMb: number;
  readonly processes: number;
}

interface Serving {
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

async function measured(start: (farm: Farm) => Promise<Serving>): Promise<Side> {
  const farm = await plantRepositories();
  try {
    for (const worktree of farm.worktrees) await plantGraph(worktree);
    const serving = await start(farm);
    try {
      await wait(WARM_UP_MS);
      const before = ticksOf(serving.pids);
      await wait(WINDOW_MS);
      const cpu = ((ticksOf(serving.pids) - before) / TICKS_PER_SECOND / (WINDOW_MS / 1000)) * 100;
      const memoryMb = serving.pids.reduce((sum, pid) => sum + pssOf(pid), 0) / 1024;
      const latencies: number[] = [];
      for (let n = 0; n < CHANGES; n++) latencies.push(await changeToStart(farm, n));
      return { latencies, cpu, memoryMb, processes: serving.pids.length };
    } finally {
      await serving.stop();
    }
  } finally {
    await farm.remove();
  }
}

/** Repositories of their own: the newest wg serves one folder of a repository only. */
async function plantRepositories(): Promise<Farm> {
  const farm = await plantFarm(1, 0);
  const [first = ''] = farm.worktrees;
  const paths = [first];
  for (let n = 1; n < REPOSITORIES; n++) {
    const path = join(farm.folder, `repo${n}`);
    await cp(first, path, { recursive: true });
    paths.push(path);
  }
  const repos = paths.map((path) => `[[repos]]\npath = ${JSON.stringify(path)}\n`);
  await writeFile(farm.config, `[supervisor]\nmax_concurrent = 64\n${repos.join('')}`);
  return { ...farm, worktrees: paths };
}

/** The folder that the newer ages ask for, and that the oldest is told by name. */
const graphOf = (worktree: string) => join(worktree, '.wg');

/** A graph of finished tasks with settings under which nothing asks a model. */
async function plantGraph(worktree: string): Promise<void> {
  const graph = graphOf(worktree);
  await rm(join(worktree, '.workgraph'), { recursive: true });
  await mkdir(join(graph, 'service'), { recursive: true });
  await writeFile(
    join(graph, 'config.toml'),
    `[agency]\nauto_assign = false\nauto_evaluate = false\nflip_enabled = false\n
[models.default]\nmodel = "claude:opus"\nreasoning = "low"\n`,
  );
  const done = Array.from({ length: 50 }, (_, n) => taskLine(`old-${n}`, 'done', 'true'));
  await writeFile(join(graph, 'graph.jsonl'), done.join(''));
}

function taskLine(id: string, status: string, exec: string): string {
  const created_at = '2026-05-01T00:00:00+00:00';
  return `${JSON.stringify({ kind: 'task', id, title: id, status, exec, exec_mode: 'shell', created_at })}\n`;
}

/** Adds a ready task by rename, as wg does, and waits for the first thing that its command does. */
async function changeToStart(farm: Farm, n: number): Promise<number> {
  const worktree = farm.worktrees[n % farm.worktrees.length] ?? '';
  const file = join(graphOf(worktree), 'graph.jsonl');
  const said = join(farm.folder, `said-${n}`);
  const line = taskLine(`go-${n}`, 'open', `date +%s%N > ${said}.next && mv ${said}.next ${said}`);
  await writeFile(`${file}.next`, (await readFile(file, 'utf8')) + line);
  const at = performance.timeOrigin + performance.now();
  await rename(`${file}.next`, file);
  const end = at + LATEST_MS;
  while (!existsSync(said)) {
    if (performance.timeOrigin + performance.now() > end) throw new Error(`go-${n} was never started`);
    await wait(2);
  }
  return Number(readFileSync(said, 'utf8')) / 1e6 - at;
}

/** The least that each age starts: no model, and no second process that watches the first. */
const START: Readonly<Record<WgAge, readonly string[]>> = {
  '2026-03': [],
  '2026-05': ['--no-coordinator-agent'],
  '2026-08': ['--no-chat-agent', '--no-supervise'],
};

async function startDaemons(farm: Farm, program: string, age: WgAge): Promise<Serving> {
  // Its agents call it by its name.
  const env = { PATH: await pathWithWg(farm), HOME: farm.folder };
  const wg = (worktree: string, ...args: readonly string[]) =>
    promisify(execFile)(program, ['--dir', graphOf(worktree), 'service', ...args], { cwd: worktree, env });
  const stop = async () => {
    for (const worktree of farm.worktrees) await wg(worktree, 'stop').catch(() => undefined);
  };
  try {
    const pids: number[] = [];
    for (const worktree of farm.worktrees) {
      await wg(worktree, 'start', '--max-agents', '2', ...START[age]);
      const state = JSON.parse(readFileSync(join(graphOf(worktree), 'service', 'state.json'), 'utf8'));
      pids.push((state as { pid: number }).pid);
    }
    return { pids, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

async function pathWithWg(farm: Farm): Promise<string> {
  const bin = join(farm.folder, 'bin');
  await mkdir(bin);
  await symlink(process.env.WG_BIN ?? '', join(bin, 'wg'));
  return `${bin}:${process.env.PATH}`;
}

/** The command itself, with the same wg on PATH. */
async function startOurs(farm: Farm): Promise<Serving> {
  const PATH = await pathWithWg(farm);
  const child = spawn(
    process.execPath,
    [MAIN, '--config', farm.config, '--state-dir', farm.stateDir, 'run'],
    { stdio: 'ignore', env: { PATH, HOME: farm.folder } },
  );
  const gone = new Promise((resolve) => child.once('exit', resolve));
  return {
    pids: [child.pid ?? 0],
    async stop() {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** CPU time of processes and of the children that they waited for, in ticks. */
function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [, user = 0, system = 0, childUser = 0, childSystem = 0] =
      /^(?:\S+ ){11}(\d+) (\d+) (\d+) (\d+)/.exec(stat.slice(stat.lastIndexOf(')') + 2))?.map(Number) ?? [];
    return sum + user + system + childUser + childSystem;
  }, 0);
}

/** Memory of a process with its share of what several use, KB. */
function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
}
