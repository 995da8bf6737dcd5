// One timer for everything that has to be looked at again and again: adopted processes, growing output files.

import type { Clock } from '../../platform/clock.ts';

export interface Poller {
  /** Calls `look` at every round until the result is called. Rounds never overlap; a look must not reject. */
  add(look: () => Promise<void>): () => void;
}

/** A poller that sleeps `everyMs` between rounds. While it has nothing to look at it holds no timer. */
export function createPoller(clock: Clock, everyMs: number): Poller {
  const looks = new Set<() => Promise<void>>();
  let rounds: AbortController | null = null;

  async function goRound(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await clock.sleep(everyMs, stop);
      if (stop.aborted) return;
      await Promise.all([...looks].map((look) => look()));
    }
  }

  return {
    add(look) {
      looks.add(look);
      if (rounds === null) {
        rounds = new AbortController();
        void goRound(rounds.signal);
      }
      return () => {
        looks.delete(look);
        if (looks.size > 0 || rounds === null) return;
        rounds.abort();
        rounds = null;
      };
    },
  };
}
