// Takes flock(2) by way of a program that is given our open file: it waits where we must not, can be killed, and the
// lock it got stays with us when it has ended. Knows no paths.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { messageOf, systemCode } from '../domain/errors.ts';
import type { Clock } from './clock.ts';

/** What came of trying: ours, somebody else's, or this way does not work here. */
export type Tried = 'locked' | 'held' | { readonly broken: string };

/** A program that takes a lock on its descriptor 3, which is ours: the lock stays when the program has ended. */
export interface LockProgram {
  readonly command: string;
  /** Arguments to wait at most so many seconds; 0: only try. Status 0: locked, 1: held by others, else: broken. */
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

/** How long after its time a program that should have ended by itself is killed, ms. */
const OVERTIME_MS = 1500;

/** Tries once, for a few milliseconds of this thread. */
export function tryWith(program: LockProgram, fd: number): Tried {
  const ended = spawnSync(program.command, program.args(0), {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
  });
  return judge(program, ended.status, ended.stderr ?? '', ended.error);
}

/** Waits in the kernel's queue for at most so many seconds; an abort kills the program and means `held`. */
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
  // A silent 1 means "held"; a 1 with words on stderr is a program that did not understand us.
  if (status === 1 && errors.trim() === '') return 'held';
  return { broken: `${program.command}: status ${status} ${errors.trim().split('\n')[0] ?? ''}`.trim() };
}
