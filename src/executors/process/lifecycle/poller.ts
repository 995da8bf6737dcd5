// One timer for everything that is polled: reattached processes, growing output files.

import type { Clock } from '../../../platform/clock.ts';

export interface Poller {
  /**
   * Calls `look` in every round until the returned function is called. Rounds never overlap; `look` must not reject.
   */
  add(look: () => Promise<void>): () => void;
}

/** A poller that sleeps `everyMs` between rounds. With nothing to poll it has no timer. */
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
