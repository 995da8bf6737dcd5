// The one home of time. Tests pass a clock that they move by hand.

/** Cancels a pending `after`; harmless if it has already fired. */
export type Cancel = () => void;

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Time the machine was awake, ms from an arbitrary start: not affected by setting the clock or by sleep. */
  elapsed?(): number;
  /** Calls `act` once, `ms` from now. Never keeps the process alive on its own. */
  after(ms: number, act: () => void): Cancel;
  /** Resolves after `ms`, or at once when the signal aborts. Keeps the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The real clock. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    elapsed: () => performance.now(),
    after(ms, act) {
      // setTimeout fires at once beyond 2^31 ms; callers check the time again when they wake.
      const timer = setTimeout(act, Math.min(Math.max(ms, 0), 2 ** 31 - 1));
      timer.unref();
      return () => clearTimeout(timer);
    },
    sleep(ms, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const done = () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, Math.min(Math.max(ms, 0), 2 ** 31 - 1));
        signal?.addEventListener('abort', done, { once: true });
      });
    },
  };
}

/** An instant (ms) as RFC 3339 text in UTC. */
export function isoTime(at: number): string {
  return new Date(at).toISOString();
}

/** The same for an instant that may not be known. */
export function isoTimeOrNull(at: number | null): string | null {
  return at === null ? null : isoTime(at);
}
