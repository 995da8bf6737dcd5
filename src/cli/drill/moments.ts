// Moments that a kill waits for: what happened is told by name, and who waits for that name continues.

import type { Clock } from '../../platform/clock.ts';

export interface Moments {
  readonly happened: (name: string) => void;
  /** Resolves when this happens next, after `atMostMs`, or when the drill is ended. */
  next(name: string, atMostMs: number): Promise<void>;
}

export function createMoments(clock: Clock, signal: AbortSignal): Moments {
  const waiting = new Map<string, Set<() => void>>();
  return {
    happened(name) {
      for (const go of waiting.get(name) ?? []) go();
    },
    async next(name, atMostMs) {
      const heard = new AbortController();
      const go = () => heard.abort();
      const set = waiting.get(name) ?? new Set();
      waiting.set(name, set.add(go));
      signal.addEventListener('abort', go);
      if (!signal.aborted) await clock.sleep(atMostMs, heard.signal);
      signal.removeEventListener('abort', go);
      set.delete(go);
    },
  };
}
