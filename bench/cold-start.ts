// How long `supervisor status` takes from nothing.

import { execFile, spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { plantFarm } from './farm.ts';
import { type Benchmark, quantile } from './report.ts';

const run = promisify(execFile);
const ROUNDS = 15;

export const coldStart: Benchmark = {
  name: 'cold-start',
  about: '`supervisor status --json`, 50 worktrees of 200 tasks; the floor is `node -e 0`',
  async run() {
    const farm = await plantFarm(50, 200);
    const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
    const global = ['--config', farm.config, '--state-dir', farm.stateDir];
    const status = () => run(process.execPath, [main, ...global, 'status', '--json'], { maxBuffer: 1e8 });
    try {
      const floor = await rounds(() => run(process.execPath, ['-e', '0']));
      const alone = await rounds(status);
      const supervisor = spawn(process.execPath, [main, ...global, 'run'], { stdio: 'ignore' });
      try {
        for (let tries = 0; tries < 100; tries++) {
          if (JSON.parse((await status()).stdout).supervisor.running) break;
          await wait(100);
        }
        const beside = await rounds(status);
        return [
          { name: 'supervisor running', value: beside, unit: 'ms', floor, aim: '200 ms' },
          { name: 'no supervisor running', value: alone, unit: 'ms', floor, aim: '250 ms' },
        ];
      } finally {
        supervisor.kill('SIGTERM');
        await new Promise((resolve) => supervisor.once('exit', resolve));
      }
    } finally {
      await farm.remove();
    }
  },
};

async function rounds(act: () => Promise<unknown>): Promise<number> {
  const samples: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    const at = performance.now();
    await act();
    samples.push(performance.now() - at);
  }
  return quantile(samples, 0.5);
}
