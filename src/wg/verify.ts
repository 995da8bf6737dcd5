// Runs a task's verify command, wg's gate before done (wg-rules 5.2), if there is no wg to run it: in the project's
// root, in a process group of its own, all of which is stopped at the time limit.

import { spawn } from 'node:child_process';
import { formatDuration } from '../domain/duration.ts';
import { messageOf, systemCode } from '../domain/errors.ts';
import type { Clock } from '../platform/clock.ts';

/** The result of a verify command. */
export type Verified =
  | { readonly passed: true }
  /** `because`: one sentence with the end of its output. */
  | { readonly passed: false; readonly because: string };

const TAIL_CHARS = 1500;

/** Runs `sh -c command`. Never rejects: a command that cannot run has not passed. */
export function runVerify(options: {
  readonly command: string;
  readonly cwd: string;
  readonly variables: Readonly<Record<string, string>>;
  /** 0: no limit. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}): Promise<Verified> {
  const { command, cwd, timeoutMs, clock } = options;
  return new Promise((resolve) => {
    let tail = '';
    let late = false;
    const child = spawn('/bin/sh', ['-c', command.replaceAll('\0', '')], {
      cwd,
      env: { ...options.variables },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const endGroup = () => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch (thrown) {
        // Nothing of it is left, as intended.
        if (systemCode(thrown) !== 'ESRCH') throw thrown;
      }
    };
    const cancel =
      timeoutMs > 0
        ? clock.after(timeoutMs, () => {
            late = true;
            endGroup();
          })
        : () => {};
    const hear = (data: Buffer) => {
      tail = (tail + data.toString('utf8')).slice(-TAIL_CHARS);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const failed = (words: string) => {
      const output = tail.trim();
      const because = `its verify command \`${shortened(command)}\` ${words}${output === '' ? '' : `: ${output}`}`;
      resolve({ passed: false, because });
    };
    child.once('error', (error) => {
      cancel();
      failed(`could not be run (${messageOf(error)})`);
    });
    // Remaining children may keep the pipes open; only its own exit counts.
    child.once('exit', (status, signal) => {
      cancel();
      if (late) return failed(`did not end within ${formatDuration(timeoutMs)}`);
      if (status === 0) return resolve({ passed: true });
      setImmediate(() => failed(status === null ? `was ended by ${signal}` : `failed with status ${status}`));
    });
  });
}

function shortened(command: string): string {
  return command.length <= 120 ? command : `${command.slice(0, 119)}…`;
}
