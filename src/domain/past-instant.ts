// Instants as people say them when they ask what happened: `03:00`, `yesterday 03:00`, `2h`, `2026-11-26 03:00`, RFC 3339.

import { durationOrNull } from './duration.ts';

const CLOCK = /^(?:(today|yesterday)[ ,T]+)?(\d{1,2}):(\d{2})(?::(\d{2}))?$/i;
const DAY = /^(?:today|yesterday)$/i;
const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?$/;

/**
 * The instant that a text means, ms; null: none. Local time where it names no zone. A time of day alone is the last one
 * that was; a duration (`2h`, `90m`) was that long before `now`.
 */
export function pastInstant(text: string, now: number): number | null {
  const asked = text.trim();
  if (asked === 'now') return now;
  const ago = durationOrNull(asked.replace(/\s+ago$/, ''));
  if (ago !== null) return now - ago;
  const clock = CLOCK.exec(DAY.test(asked) ? `${asked} 00:00` : asked);
  if (clock) return timeOfDay(clock, now);
  const date = DATE.exec(asked);
  if (date) {
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = date
      .slice(1)
      .map((part) => Number(part ?? 0));
    const at = new Date(year, month - 1, day, hour, minute, second);
    return at.getMonth() === month - 1 && at.getDate() === day && at.getHours() === hour
      ? at.getTime()
      : null;
  }
  const instant = /^\d{4}-\d{2}-\d{2}T.*(?:Z|[+-]\d{2}:?\d{2})$/i.test(asked)
    ? Date.parse(asked)
    : Number.NaN;
  return Number.isNaN(instant) ? null : instant;
}

function timeOfDay([, day, ...parts]: RegExpExecArray, now: number): number | null {
  const [hour = 0, minute = 0, second = 0] = parts.map((part) => Number(part ?? 0));
  if (hour > 23 || minute > 59 || second > 59) return null;
  const today = new Date(now);
  const shift = day?.toLowerCase() === 'yesterday' ? -1 : 0;
  const at = (days: number) =>
    new Date(today.getFullYear(), today.getMonth(), today.getDate() + days, hour, minute, second).getTime();
  // Without a day, tonight's three o'clock is not what a person asks about in the morning.
  return day === undefined && at(0) > now ? at(-1) : at(shift);
}
