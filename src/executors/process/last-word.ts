// A program that said it has finished is not judged by how its process was got rid of.

import type { Exit } from './subprocess.ts';

/** The exit to judge by, for a program whose last word was this; null: it has not said any. */
export function asItSaid(exit: Exit, word: 'well' | 'badly' | null): Exit {
  // A bad word may be its answer to being stopped.
  if (word === null || exit.kind === 'exited' || (word === 'badly' && exit.kind !== 'ended')) return exit;
  const isLate =
    exit.kind !== 'stopped' ||
    exit.reason === 'timeout' ||
    exit.reason === 'silent' ||
    exit.reason === 'shutdown';
  return isLate ? { kind: 'exited', code: 0 } : exit;
}
