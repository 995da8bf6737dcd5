// How long a program may stay after it said that it has finished. Knows no output; who reads it says when that was.

export interface LastWord {
  /** Whether it has stayed too long since it said so. `isSaid`: it did, and has not begun again. */
  isOverdue(isSaid: boolean, now: number): boolean;
  /** Time that nobody could watch, ms: it is not counted. */
  shift(ms: number): void;
}

/** `graceMs` 0: it may stay as long as it likes. */
export function lastWord(graceMs: number): LastWord {
  let saidAt: number | null = null;
  return {
    isOverdue(isSaid, now) {
      if (!isSaid) saidAt = null;
      else saidAt ??= now;
      return saidAt !== null && graceMs > 0 && now - saidAt >= graceMs;
    },
    shift(ms) {
      if (saidAt !== null) saidAt += ms;
    },
  };
}
