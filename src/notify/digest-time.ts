// When a digest is due: at a time of day, once, also after the machine was off at that time.

import { wallClock } from '../decide/schedules/wall-clock.ts';

/** No zone skips a whole day more than once in this many. */
const DAYS_BACK = 3;
const DAY_MS = 86_400_000;

/** The latest instant (ms) at or before `now` at which a clock of the zone shows this time of day, `18:00`. */
export function latestAt(timeOfDay: string, now: number, zone: string): number {
  const clock = wallClock(zone);
  if (clock === null) throw new Error(`${zone} is no time zone`);
  const [hour = 0, minute = 0] = timeOfDay.split(':').map(Number);
  const today = clock.read(now);
  for (let back = 0; back <= DAYS_BACK; back++) {
    // As a number of days: the zone's own days may have 23 or 25 hours.
    const date = new Date(Date.UTC(today.year, today.month - 1, today.day) - back * DAY_MS);
    const at = clock.firstInstant({
      year: date.getUTCFullYear(),
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      hour,
      minute,
      second: 0,
    });
    if (at <= now) return at;
  }
  throw new Error(`${timeOfDay} is no time of day`);
}
