// Takes flock(2) through a program that inherits our open file: it may wait and be killed, and the lock it got
// remains ours when it has exited. Knows no paths.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { messageOf, systemCode } from '../domain/errors.ts';
import type { Clock } from './clock.ts';

/** The result of trying: ours, held by another process, or this program does not work here. */
export type Tried = 'locked' | 'held' | { readonly broken: string };

/** A program that locks its descriptor 3, which is ours: the lock remains when the program has exited. */
export interface LockProgram {
  readonly command: string;
  /** Arguments to wait at most this many seconds; 0: only try. Status 0: locked, 1: held by others, else: broken. */
  args(seconds: number): readonly string[];
}

/** util-linux. */
export const UTIL_LINUX: LockProgram = {
  command: 'flock',
  args: (seconds) => (seconds > 0 ? ['-x', '-w', seconds.toFixed(3), '3'] : ['-x', '-n', '3']),
};

/** macOS has no flock program but always had perl. */
export const PERL: LockProgram = {
  command: 'perl',
  args: (seconds) => [
    '-e',
    'my $s = shift; open(F, "+<&=3") || exit 9; exit(flock(F, 6) ? 0 : 1) if $s <= 0; $SIG{ALRM} = sub { exit 1 }; alarm $s; exit(flock(F, 2) ? 0 : 9)',
    String(Math.ceil(seconds)),
  ],
};

/** How long after its time limit a hanging program is killed, ms. */
const OVERTIME_MS = 1500;

/** Tries once, blocking this thread for a few milliseconds. */
export function tryWith(program: LockProgram, fd: number): Tried {
  const ended = spawnSync(program.command, program.args(0), {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
  });
  return judge(program, ended.status, ended.stderr ?? '', ended.error);
}

/** Waits in the kernel's queue for at most this many seconds; an abort kills the program and means `held`. */
export function waitWith(
  program: LockProgram,
  seconds: number,
  fd: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<Tried> {
  return new Promise((resolve) => {
    let errors = '';
    let child: ChildProcess;
    try {
      child = spawn(program.command, program.args(seconds), { stdio: ['ignore', 'ignore', 'pipe', fd] });
    } catch (thrown) {
      resolve({ broken: `${program.command}: ${messageOf(thrown)}` });
      return;
    }
    const kill = () => child.kill('SIGKILL');
    const cancel = clock.after(seconds * 1000 + OVERTIME_MS, kill);
    const end = (tried: Tried) => {
      cancel();
      signal?.removeEventListener('abort', kill);
      resolve(tried);
    };
    signal?.addEventListener('abort', kill, { once: true });
    if (signal?.aborted) kill();
    child.stderr?.on('data', (data: Buffer) => {
      if (errors.length < 500) errors += data.toString();
    });
    child.once('error', (error) => end(judge(program, null, errors, error)));
    child.once('close', (status, killedBy) =>
      end(killedBy === null ? judge(program, status, errors, undefined) : 'held'),
    );
  });
}

function judge(program: LockProgram, status: number | null, errors: string, error: Error | undefined): Tried {
  if (error) return { broken: `${program.command}: ${systemCode(error) ?? messageOf(error)}` };
  if (status === 0) return 'locked';
  // A silent 1 means "held"; a 1 with output on stderr is a program that did not understand us.
  if (status === 1 && errors.trim() === '') return 'held';
  return { broken: `${program.command}: status ${status} ${errors.trim().split('\n')[0] ?? ''}`.trim() };
}
