// What watching costs while nothing happens: CPU of one core, and memory.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { plantFarm } from './farm.ts';
import type { Benchmark } from './report.ts';

const WINDOW_MS = 30_000;
const TICKS_PER_SECOND = 100;

export const idle: Benchmark = {
  name: 'idle',
  about: `50 worktrees of 200 tasks, nothing happening for ${WINDOW_MS / 1000} s; the floor is an idle node`,
  async run() {
    const farm = await plantFarm(50, 200);
    try {
      const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
      const bare = await measure(spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)']));
      const ours = await measure(
        spawn(process.execPath, [main, '--config', farm.config, '--state-dir', farm.stateDir, 'run'], {
          stdio: 'ignore',
        }),
      );
      return [
        { name: 'CPU of one core', value: ours.cpu, unit: '%', floor: bare.cpu, aim: '0.2 %' },
        { name: 'memory (RSS)', value: ours.rssMb, unit: 'MB', floor: bare.rssMb, aim: '110 MB' },
      ];
    } finally {
      await farm.remove();
    }
  },
};

/** CPU and memory of a program over the window, its start left out; ends it. */
export async function measure(child: ChildProcess): Promise<{ cpu: number; rssMb: number }> {
  const pid = child.pid ?? 0;
  try {
    // Not measured: starting up and the first look at everything.
    await wait(8000);
    const before = await cpuTicks(pid);
    await wait(WINDOW_MS);
    const used = (await cpuTicks(pid)) - before;
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const rss = /VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? '0';
    return { cpu: (used / TICKS_PER_SECOND / (WINDOW_MS / 1000)) * 100, rssMb: Number(rss) / 1024 };
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
