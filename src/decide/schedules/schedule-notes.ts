// What people should know about a schedule before relying on it: daylight saving changes, steps that restart every
// hour or day, days that some months lack. Text only; decides nothing.

import { nextInstant, parseSchedule, type Schedule } from './schedule.ts';
import { asUtc, type WallClock, wallClock } from './wall-clock.ts';

const DAY_MS = 86_400_000;

/** How far ahead to search for clock changes, ms: every zone that has them changes within this time. */
const AHEAD_MS = 400 * DAY_MS;

/** Notes on a schedule, one sentence each. `from`: the reference instant (ms). */
export function scheduleNotes(text: string, schedule: Schedule, zone: string, from: number): string[] {
  const notes = [`times are in ${zone}`];
  const clock = wallClock(zone);
  switch (schedule.kind) {
    case 'clock':
      notes.push('a time of day comes once, the next time it is that late; cron repeats');
      break;
    case 'instant':
      notes.push(
        schedule.at > from
          ? 'an instant comes once'
          : 'never: that instant has passed (a task with it runs at once)',
      );
      if (clock && isMovedInstant(text, schedule.at, clock))
        notes.push('the clocks skip that time; it is run at the first instant after it');
      return notes;
    case 'cron':
      notes.push(...patternNotes(schedule.pattern));
      break;
  }
  if (clock) for (const change of changesOf(clock, from)) notes.push(...changeNotes(text, schedule, change));
  return notes;
}

function isMovedInstant(text: string, at: number, clock: WallClock): boolean {
  const named = /^\d{4}-\d\d-\d\d[Tt ](\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?$/.exec(text.trim());
  if (!named) return false;
  const wall = clock.read(at);
  return wall.hour !== Number(named[1]) || wall.minute !== Number(named[2]);
}

const UNITS = [
  { what: 'minute', count: 60, around: 'hour' },
  { what: 'hour', count: 24, around: 'day' },
  { what: 'day', count: 31, around: 'month' },
  { what: 'month', count: 12, around: 'year' },
] as const;

function patternNotes(pattern: string): string[] {
  const fields = pattern.split(/\s+/);
  if (fields.length !== 5) return [];
  const notes: string[] = [];
  for (const [index, { what, count, around }] of UNITS.entries()) {
    const step = Number(/^\*\/(\d+)$/.exec(fields[index] ?? '')?.[1] ?? 1);
    if (step > 1 && (count % step !== 0 || what === 'day'))
      notes.push(`every ${step} ${what}s starts again each ${around}: the last step of it is shorter`);
  }
  const [, , day = '*', , weekday = '*'] = fields;
  const days = day.split(',').map(Number);
  if (days.length > 0 && days.every((one) => one >= 29))
    notes.push(`only months that have a day ${Math.min(...days)} have this one`);
  if (!day.startsWith('*') && !/^[*+]/.test(weekday))
    notes.push(`day of month or weekday: either is enough; write +${weekday} where both are meant`);
  return notes;
}

/** One clock change: the instant (ms), and the offsets from UTC before and after it (ms). */
interface ClockChange {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

function changesOf(clock: WallClock, from: number): ClockChange[] {
  const offset = (at: number) => asUtc(clock.read(at)) - Math.floor(at / 1000) * 1000;
  const found: ClockChange[] = [];
  let before = offset(from);
  for (let day = from; day < from + AHEAD_MS && found.length < 2; day += DAY_MS) {
    const after = offset(day + DAY_MS);
    if (after === before) continue;
    let low = day;
    let high = day + DAY_MS;
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    found.push({ at: high, before, after });
    before = after;
  }
  return found;
}

function changeNotes(text: string, schedule: Schedule, change: ClockChange): string[] {
  const { at, before, after } = change;
  // Local times as if they were UTC: those that are skipped or repeated.
  const start = at + Math.min(before, after);
  const end = at + Math.max(before, after);
  const walls = wallTimes(text, schedule, start, end);
  if (walls.length === 0) return [];
  const day = new Date(start).toISOString().slice(0, 10);
  const names = walls.slice(0, 3).map(timeText).join(', ') + (walls.length > 3 ? ', …' : '');
  if (after > before) {
    const told = `on ${day} the clocks skip ${timeText(start)} to ${timeText(end)}, and with it ${names}`;
    const isRun = nextInstant(schedule, at - 1) === at;
    return [isRun ? `${told}: run at ${timeText(end)} instead` : `${told}: left out on that day`];
  }
  const told = `on ${day} ${timeText(start)} to ${timeText(end)} comes twice, and with it ${names}`;
  const twice = walls.every(
    (wall) => isInstant(schedule, wall - before) && isInstant(schedule, wall - after),
  );
  return [twice && schedule.kind === 'cron' ? `${told}: run both times` : `${told}: run the first time only`];
}

function isInstant(schedule: Schedule, at: number): boolean {
  return nextInstant(schedule, at - 1) === at;
}

/** The local times a schedule names in a span of local time, as if they were UTC, ms. */
function wallTimes(text: string, schedule: Schedule, start: number, end: number): number[] {
  const inUtc = parseSchedule(schedule.kind === 'cron' ? schedule.pattern : text, 'UTC');
  if (!inUtc.ok) return [];
  const found: number[] = [];
  for (let next = nextInstant(inUtc.schedule, start - 1); next !== null && next < end; ) {
    found.push(next);
    next = nextInstant(inUtc.schedule, next);
  }
  return found;
}

function timeText(wall: number): string {
  return new Date(wall).toISOString().slice(11, 16);
}
