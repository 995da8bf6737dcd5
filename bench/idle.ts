// What watching costs while nothing happens: CPU of one core, memory, and how long the event loop lets others wait.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { plantFarm } from './farm.ts';
import { MAIN } from './program.ts';
import type { Benchmark, Figure } from './report.ts';

const WINDOW_MS = 61_000;
const TICKS_PER_SECOND = 100;

const FARMS = [
  { worktrees: 50, tasks: 200, cpu: '0.1 %', memory: '110 MB' },
  { worktrees: 1000, tasks: 20, cpu: '0.5 %', memory: '200 MB' },
];

/** Not measured: starting up, the first look at everything, and the collection of the garbage of both, ms. */
const WARM_UP_MS = 30_000;

/** Afterwards the event loop is watched, which takes CPU of its own, ms. */
const LOOP_WINDOW_MS = 31_000;

/** Loaded into the program before anything else: tells at its end how late its event loop was. */
const LOOP_PROBE = `
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { writeFileSync } from 'node:fs';
const loop = monitorEventLoopDelay({ resolution: 10 });
setTimeout(() => loop.enable(), ${WARM_UP_MS + WINDOW_MS}).unref();
process.on('exit', () => writeFileSync(process.env.LOOP_PROBE_FILE, String(Math.max(0, loop.percentile(99) / 1e6 - 10))));
`;

export const idle: Benchmark = {
  name: 'idle',
  about: `50 worktrees of 200 tasks and 1,000 of 20, nothing happening for ${WINDOW_MS / 1000} s; the floor is an idle node`,
  async run() {
    const bare = await measure(spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)']), 5000);
    const figures: Figure[] = [];
    for (const { worktrees, tasks, cpu, memory } of FARMS) {
      const farm = await plantFarm(worktrees, tasks);
      try {
        const file = join(farm.folder, 'loop-delay');
        const probe = `data:text/javascript,${encodeURIComponent(LOOP_PROBE)}`;
        const place = ['--config', farm.config, '--state-dir', farm.stateDir];
        const ours = await measure(
          spawn(process.execPath, ['--import', probe, MAIN, ...place, 'run'], {
            stdio: 'ignore',
            env: { ...process.env, LOOP_PROBE_FILE: file },
          }),
          WINDOW_MS,
          LOOP_WINDOW_MS,
        );
        const late = Number(await readFile(file, 'utf8'));
        const name = `${worktrees} worktrees`;
        figures.push(
          { name: `${name}, CPU of one core`, value: ours.cpu, unit: '%', floor: bare.cpu, aim: cpu },
          { name: `${name}, memory (RSS)`, value: ours.rssMb, unit: 'MB', floor: bare.rssMb, aim: memory },
          { name: `${name}, event loop late, p99`, value: late, unit: 'ms', aim: '20 ms' },
        );
      } finally {
        await farm.remove();
      }
    }
    return figures;
  },
};

/** CPU and memory of a program over the window, its start left out; ends it, `afterMs` later. */
export async function measure(
  child: ChildProcess,
  windowMs = 30_000,
  afterMs = 0,
  warmUpMs = WARM_UP_MS,
): Promise<{ cpu: number; rssMb: number }> {
  const pid = child.pid ?? 0;
  try {
    await wait(warmUpMs);
    const before = await cpuTicks(pid);
    await wait(windowMs);
    const used = (await cpuTicks(pid)) - before;
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const rss = /VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? '0';
    await wait(afterMs);
    return { cpu: (used / TICKS_PER_SECOND / (windowMs / 1000)) * 100, rssMb: Number(rss) / 1024 };
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }
}

async function cpuTicks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
