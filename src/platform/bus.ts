// One typed stream of events: the log, the API, live output and tests all subscribe here instead of polling.

import type { Event, EventMap, EventName } from '../domain/event.ts';
import type { Clock } from './clock.ts';

type EventOf<N extends EventName> = Extract<Event, { name: N }>;

export interface Bus {
  emit<N extends EventName>(name: N, fields: EventMap[N]): void;
  /**
   * Calls `hear` for every event from now on; the returned function unsubscribes. A listener that throws affects no
   * other.
   */
  on(hear: (event: Event) => void): () => void;
  /** The next event of this name that matches. */
  next<N extends EventName>(name: N, fits?: (event: EventOf<N>) => boolean): Promise<EventOf<N>>;
}

export function createBus(clock: Clock): Bus {
  const listeners = new Set<(event: Event) => void>();
  const on: Bus['on'] = (hear) => {
    listeners.add(hear);
    return () => listeners.delete(hear);
  };
  return {
    on,
    emit(name, fields) {
      const event = { name, at: clock.now(), ...fields } as Event;
      for (const hear of [...listeners]) {
        try {
          hear(event);
        } catch {
          // A listener's error is its own: the event must reach the others and its emitter must continue.
        }
      }
    },
    next(name, fits) {
      return new Promise((resolve) => {
        const off = on((event) => {
          if (event.name !== name || (fits && !fits(event as EventOf<typeof name>))) return;
          off();
          resolve(event as EventOf<typeof name>);
        });
      });
    },
  };
}
