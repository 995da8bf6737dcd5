// A supervisor is killed while 100 agents run, and started again: how long until it attends to all of them, and whether
// one of them was lost or started twice.

import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { composeSupervisor } from '../src/compose/daemon.ts';
import { type Farm, plantFarm, writeTasks } from './farm.ts';
import { MAIN } from './program.ts';
import type { Benchmark } from './report.ts';

const AGENTS = 100;
const WORKTREES = 10;

export const restart: Benchmark = {
  name: 'restart',
  about: `killed and started again with ${AGENTS} running agents in ${WORKTREES} worktrees; the floor is reading the process table as often`,
  async run() {
    const farm = await plantFarm(WORKTREES, 20);
    const began = join(farm.folder, 'began');
    const go = join(farm.folder, 'go');
    writeFileSync(began, '');
    try {
      writeFileSync(farm.config, readFileSync(farm.config, 'utf8').replace('= 64', '= 200'));
      for (const [w, path] of farm.worktrees.entries())
        await writeTasks(
          path,
          Array.from({ length: AGENTS / WORKTREES }, (_, n) => ({
            id: `w${w}-t${n}`,
            exec: `echo "$WG_TASK_ID" >> ${began}; until [ -e ${go} ]; do sleep 0.2; done`,
            created_at: new Date(1.75e12 + w * 1000 + n).toISOString(),
          })),
        );
      await killedWhileAllRun(farm, began);
      const startedAt = performance.now();
      const { adoptedMs, running } = await startAgain(farm);
      const floorMs = await processTable();
      const settled = new Promise<void>((resolve) => {
        let left = AGENTS;
        running.bus.on((event) => {
          if (event.name === 'run.settled' && --left === 0) resolve();
        });
      });
      writeFileSync(go, '');
      const openedAt = performance.now();
      await settled;
      const settledMs = performance.now() - openedAt;
      const times = new Map<string, number>();
      for (const id of readFileSync(began, 'utf8').split('\n').filter(Boolean))
        times.set(id, (times.get(id) ?? 0) + 1);
      const runs = await running.control.runs({ limit: 1000 });
      const lost = AGENTS - runs.filter((run) => run.outcome?.kind === 'succeeded').length;
      await running.stop({ cancelAgents: true });
      return [
        {
          name: 'until all are adopted',
          value: adoptedMs - startedAt,
          unit: 'ms',
          floor: floorMs,
          aim: '2000 ms',
        },
        { name: 'until all are settled, once they end', value: settledMs, unit: 'ms' },
        { name: 'runs lost', value: lost, unit: 'runs', aim: '0' },
        {
          name: 'runs doubled',
          value: [...times.values()].filter((count) => count > 1).length,
          unit: 'runs',
          aim: '0',
        },
      ];
    } finally {
      writeFileSync(go, '');
      await wait(500);
      await farm.remove();
    }
  },
};

/** The supervisor as a process of its own, killed when every agent has begun. */
async function killedWhileAllRun(farm: Farm, began: string): Promise<void> {
  const child = spawn(
    process.execPath,
    [MAIN, 'run', '--config', farm.config, '--state-dir', farm.stateDir],
    { cwd: farm.folder, stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => child.once('close', resolve));
  const all = () => existsSync(began) && readFileSync(began, 'utf8').split('\n').length > AGENTS;
  while (!all()) {
    if (child.exitCode !== null) throw new Error('the supervisor ended on its own');
    await wait(50);
  }
  // Not measured: the last agent is noted a moment after it began.
  await wait(500);
  child.kill('SIGKILL');
  await ended;
}

async function startAgain(farm: Farm) {
  const running = await composeSupervisor({
    environment: { variables: process.env, home: farm.folder, platform: process.platform },
    cwd: farm.folder,
    config: farm.config,
    stateDir: farm.stateDir,
  });
  const adopted = new Promise<number>((resolve) => {
    let left = AGENTS;
    running.bus.on((event) => {
      if (event.name === 'run.adopted' && --left === 0) resolve(performance.now());
    });
  });
  await running.start();
  return { running, adoptedMs: await adopted };
}

async function processTable(): Promise<number> {
  const startedAt = performance.now();
  await promisify(execFile)('ps', ['-A', '-o', 'pid,lstart']);
  return performance.now() - startedAt;
}
