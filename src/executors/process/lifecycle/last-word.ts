// A program that reported its end is not judged by how its process was then stopped.

import type { Exit } from './subprocess.ts';

/** The exit status to judge a program by that reported this end; null: it has not reported any. */
export function asItSaid(exit: Exit, word: 'well' | 'badly' | null): Exit {
  // A bad status may be its reaction to being stopped.
  if (word === null || exit.kind === 'exited' || (word === 'badly' && exit.kind !== 'ended')) return exit;
  const isLate =
    exit.kind !== 'stopped' ||
    exit.reason === 'timeout' ||
    exit.reason === 'silent' ||
    exit.reason === 'shutdown';
  return isLate ? { kind: 'exited', code: 0 } : exit;
}
