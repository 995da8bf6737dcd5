// The supervisor of the drill as a process that is killed and started again, and how long each start takes.

import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../platform/clock.ts';
import type { Place } from './stage.ts';

export interface UnderFire {
  /** Starts it; it is expected to have ended. */
  start(): void;
  /** Ends it by a signal and waits for that; false if it had ended on its own. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<boolean>;
  /** How long each start took until everything was read and repaired, ms. */
  readonly restarts: readonly number[];
  /** Ends that the drill did not cause. */
  readonly crashes: readonly string[];
}

/** The program that is drilled: the one that runs the drill. */
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** `hear` is told the name of each event. `build`: another `cli/main.js` than that of this program. */
export function supervisorUnderFire(
  place: Place,
  clock: Clock,
  hear: (event: string) => void,
  build = MAIN,
): UnderFire {
  const restarts: number[] = [];
  const crashes: string[] = [];
  const log = createWriteStream(join(place.folder, 'supervisor.log'), { flags: 'a' });
  let child: ChildProcess | null = null;

  const tell = (line: string, startedAt: number) => {
    const name = /^\{"name":"([^"]+)"/.exec(line)?.[1];
    if (name === undefined) return;
    if (name === 'supervisor.started') restarts.push(clock.now() - startedAt);
    hear(name);
  };

  return {
    restarts,
    crashes,
    start() {
      const startedAt = clock.now();
      const args = [build, 'run', '--json', '--config', place.config, '--state-dir', place.stateDir];
      const started = spawn(process.execPath, args, {
        cwd: place.folder,
        env: place.variables,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      started.stderr.pipe(log, { end: false });
      let rest = '';
      started.stdout.on('data', (data: Buffer) => {
        const lines = (rest + data.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) tell(line, startedAt);
      });
      started.once('close', (code, signal) => {
        if (child !== started) return;
        child = null;
        crashes.push(`it ended on its own: ${signal ?? `exit status ${code}`}`);
      });
    },
    async end(signal) {
      const dying = child;
      if (dying === null) return false;
      child = null;
      const dead = new Promise((resolve) => dying.once('close', resolve));
      dying.kill(signal);
      await dead;
      return true;
    },
  };
}
