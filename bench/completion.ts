// How long the tab key takes: from the start of the installed program to the ids that it offers.

import { spawn, spawnSync } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { plantFarm } from './farm.ts';
import { MAIN } from './program.ts';
import { type Benchmark, quantile } from './report.ts';

const ROUNDS = 15;
const WORKTREES = 50;
const TASKS = 200;

export const completion: Benchmark = {
  name: 'completion',
  about: `ids at a press of the tab key, from the bundle, a supervisor running over ${WORKTREES} worktrees of ${TASKS} tasks; the floor is \`node -e 0\``,
  async run() {
    const farm = await plantFarm(WORKTREES, TASKS);
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
    const where = ['--config', farm.config, '--state-dir', farm.stateDir];
    const supervisor = spawn(process.execPath, [MAIN, ...where, 'run'], { stdio: 'ignore', env });
    const gone = new Promise((resolve) => supervisor.once('exit', resolve));
    const [worktree = ''] = farm.worktrees;
    const ask = (cwd: string, args: readonly string[]) =>
      spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env }).stdout.split('\n').length - 1;
    const offer = [MAIN, ...where, '__complete', 'fish', '--', 'supervisor', 'why', 'old-'];
    const took = (cwd: string, args: readonly string[], expected: number) => {
      const begun = performance.now();
      const count = ask(cwd, args);
      if (count !== expected) throw new Error(`${count} ids, and not ${expected}`);
      return performance.now() - begun;
    };
    try {
      // Until it has read every graph.
      while (ask(farm.folder, offer) < 1_000) await wait(200);
      const samples = { here: [] as number[], elsewhere: [] as number[], floor: [] as number[] };
      for (let n = 0; n < ROUNDS; n++) {
        samples.here.push(took(worktree, offer, TASKS));
        samples.elsewhere.push(took(farm.folder, offer, 1_000));
        samples.floor.push(took(worktree, ['-e', '0'], 0));
      }
      const median = (values: readonly number[]) => quantile(values, 0.5);
      const fastest = (values: readonly number[]) => Math.min(...values);
      const figure = (name: string, values: readonly number[], of: typeof median) => ({
        ...{ name, value: of(values), unit: 'ms', floor: of(samples.floor), aim: '150 ms' },
      });
      return [
        figure('in a worktree', samples.here, median),
        figure('elsewhere: 1,000 of all', samples.elsewhere, median),
        figure('in a worktree, the fastest', samples.here, fastest),
        figure('elsewhere, the fastest', samples.elsewhere, fastest),
      ];
    } finally {
      supervisor.kill('SIGTERM');
      await gone;
      await farm.remove();
    }
  },
};
