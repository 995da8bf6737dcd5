// Waits for a condition: checked once at the beginning, and again after every event that may have changed it. Never
// sleeps in between.

import type { Event } from '../../domain/event.ts';
import type { Bus } from '../../platform/bus.ts';
import type { Clock } from '../../platform/clock.ts';

/**
 * The result of `look`, or null if `ms` passed, the signal aborted or the supervisor stopped before there was one.
 * `concerns` says which events make another check worthwhile.
 */
export function waitFor<T>(
  parts: { readonly bus: Bus; readonly clock: Clock },
  options: {
    readonly ms: number;
    readonly signal?: AbortSignal | undefined;
    /** The caller asks again if there is nothing: it is told so before a restart. */
    readonly untilRestart?: boolean;
  },
  concerns: (event: Event) => boolean,
  look: () => T | null,
): Promise<T | null> {
  const found = look();
  if (found !== null || options.ms <= 0 || options.signal?.aborted) return Promise.resolve(found);
  return new Promise((resolve) => {
    const end = (result: T | null) => {
      off();
      cancel();
      options.signal?.removeEventListener('abort', giveUp);
      resolve(result);
    };
    const giveUp = () => end(null);
    const off = parts.bus.on((event) => {
      if (event.name === 'supervisor.stopped') return giveUp();
      if (event.name === 'supervisor.restarting' && options.untilRestart) return giveUp();
      if (!concerns(event)) return;
      const now = look();
      if (now !== null) end(now);
    });
    const cancel = parts.clock.after(options.ms, giveUp);
    options.signal?.addEventListener('abort', giveUp, { once: true });
  });
}
