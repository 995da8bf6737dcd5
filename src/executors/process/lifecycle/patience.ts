// A time limit on a condition. The caller checks whether the condition still applies.

export interface Patience {
  /** Whether the condition has applied, without a break, for longer than the limit. */
  isOver(isSo: boolean, now: number): boolean;
  /** Unobserved time, ms: it is not counted. */
  shift(ms: number): void;
}

/** `limitMs` 0: no limit. */
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
