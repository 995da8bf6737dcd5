// What nearly every part is given. Whatever else a part needs is a named argument of its own.

import type { Bus } from './bus.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** The time, the log, and the bus that events are told on. */
export interface Base {
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Bus;
}
