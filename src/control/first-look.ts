// The moment from which questions can be answered: a supervisor that is still starting lets them wait for it.

import type { Bus } from '../platform/bus.ts';

/** Resolves when everything was looked at and judged for the first time. */
export function firstLook(bus: Bus): Promise<void> {
  return new Promise((resolve) => {
    const off = bus.on(({ name }) => {
      if (name !== 'tick.finished') return;
      off();
      resolve();
    });
  });
}
