// How long the tab key takes: from the start of the program to the ids that it offers.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { plantFarm } from './farm.ts';
import { type Benchmark, quantile } from './report.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const ROUNDS = 15;
const TASKS = 200;

export const completion: Benchmark = {
  name: 'completion',
  about: `the ids of a graph of ${TASKS} tasks at a press of the tab key; the floor is \`node -e 0\``,
  async run() {
    const farm = await plantFarm(1, TASKS);
    const [cwd = ''] = farm.worktrees;
    const took = (args: readonly string[], expected: number) => {
      const begun = performance.now();
      const { stdout } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
      if (stdout.split('\n').length - 1 !== expected) throw new Error(`unexpected answer: ${stdout}`);
      return performance.now() - begun;
    };
    try {
      const samples: number[] = [];
      const floors: number[] = [];
      for (let n = 0; n < ROUNDS; n++) {
        samples.push(took([MAIN, '__complete', 'fish', '--', 'supervisor', 'why', 'old-'], TASKS));
        floors.push(took(['-e', '0'], 0));
      }
      const value = quantile(samples, 0.5);
      return [{ name: 'ids offered', value, unit: 'ms', floor: quantile(floors, 0.5), aim: '150 ms' }];
    } finally {
      await farm.remove();
    }
  },
};
