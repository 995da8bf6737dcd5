// When a supervisor has seen everything once. Before that it cannot answer about tasks.

import type { Bus } from '../platform/bus.ts';
import type { Clock } from '../platform/clock.ts';

/** Callers get 503 when a start takes longer, ms. */
const START_WAIT_MS = 5000;

/** Resolves when everything was read and judged for the first time. */
export function firstLook(bus: Bus): Promise<void> {
  return new Promise((resolve) => {
    const off = bus.on(({ name }) => {
      if (name !== 'tick.finished') return;
      off();
      resolve();
    });
  });
}

/** Resolves with the first look, or when a start has taken longer than callers are kept waiting. */
export function soonOr(begun: Promise<void>, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(START_WAIT_MS, resolve);
    begun.then(() => {
      cancel();
      resolve();
    });
  });
}
