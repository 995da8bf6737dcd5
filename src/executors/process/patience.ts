// How long something may go on before it is too long. Knows nothing of what it is; who looks says whether it still is so.

export interface Patience {
  /** Whether it has been so, without a break, for longer than is right. */
  isOver(isSo: boolean, now: number): boolean;
  /** Time that nobody could watch, ms: it is not counted. */
  shift(ms: number): void;
}

/** `limitMs` 0: as long as it likes. */
export function patience(limitMs: number): Patience {
  let since: number | null = null;
  return {
    isOver(isSo, now) {
      if (!isSo) since = null;
      else since ??= now;
      return since !== null && limitMs > 0 && now - since >= limitMs;
    },
    shift(ms) {
      if (since !== null) since += ms;
    },
  };
}
