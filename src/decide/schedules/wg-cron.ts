// wg's own recurring tasks: cron_schedule, cron_enabled, last_cron_fire, next_cron_fire (wg-rules 4.3). Always UTC,
// five or six fields, 1 = Sunday, day of month AND day of week. Our own schedules are another dialect: schedule.ts.

import type { Task } from '../../domain/task.ts';
import { instantText, parseInstant } from '../instant.ts';

/** A parsed cron_schedule: the values that each field allows. */
export interface WgCron {
  readonly seconds: ReadonlySet<number>;
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 1 = Sunday … 7 = Saturday. */
  readonly weekdays: ReadonlySet<number>;
}

const MONTHS = 'january february march april may june july august september october november december'.split(
  ' ',
);
const WEEKDAYS = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ');

/** The parsed expression, or null if wg would refuse it (and so never find it due). */
export function parseWgCron(expression: string): WgCron | null {
  const fields = expression.trim().split(/\s+/);
  if (fields.length === 5) fields.unshift('0');
  if (fields.length !== 6) return null;
  const [second, minute, hour, day, month, weekday] = fields;
  const seconds = fieldValues(second, 0, 59);
  const minutes = fieldValues(minute, 0, 59);
  const hours = fieldValues(hour, 0, 23);
  const days = fieldValues(day, 1, 31);
  const months = fieldValues(month, 1, 12, MONTHS);
  const weekdays = fieldValues(weekday, 1, 7, WEEKDAYS);
  if (!seconds || !minutes || !hours || !days || !months || !weekdays) return null;
  return { seconds, minutes, hours, days, months, weekdays };
}

function fieldValues(
  field: string | undefined,
  low: number,
  high: number,
  names: readonly string[] = [],
): ReadonlySet<number> | null {
  const values = new Set<number>();
  for (const part of (field ?? '').split(',')) {
    const [range = '', stepText, ...rest] = part.split('/');
    if (rest.length > 0) return null;
    const step = stepText === undefined ? 1 : wholeNumber(stepText);
    const bounds = rangeBounds(range, stepText !== undefined, low, high, names);
    if (!bounds || step === null || step < 1) return null;
    for (let value = bounds[0]; value <= bounds[1]; value += step) values.add(value);
  }
  return values;
}

function rangeBounds(
  range: string,
  stepped: boolean,
  low: number,
  high: number,
  names: readonly string[],
): readonly [number, number] | null {
  if (range === '*' || range === '?') return [low, high];
  const [fromText = '', toText, ...rest] = range.split('-');
  const from = fieldNumber(fromText, low, high, names);
  if (from === null || rest.length > 0) return null;
  // `5/15` means from 5 on, in steps of 15.
  if (toText === undefined) return [from, stepped ? high : from];
  const to = fieldNumber(toText, low, high, names);
  return to === null || to < from ? null : [from, to];
}

function fieldNumber(text: string, low: number, high: number, names: readonly string[]): number | null {
  const word = text.toLowerCase();
  const named = names.findIndex((name) => name === word || (word.length === 3 && name.startsWith(word)));
  const value = named >= 0 ? named + 1 : wholeNumber(text);
  return value === null || value < low || value > high ? null : value;
}

function wholeNumber(text: string): number | null {
  return /^\d{1,4}$/.test(text) ? Number(text) : null;
}

const DAY_MS = 86_400_000;
/** wg's cron library ends with this year. */
const LAST_YEAR = 2100;

/** The first instant (ms, whole seconds) after `after` that the expression allows; null if there is none. */
export function nextWgCron(cron: WgCron, after: number): number | null {
  let from = Math.floor(after / 1000) * 1000 + 1000;
  for (;;) {
    const date = new Date(from);
    const year = date.getUTCFullYear();
    if (!(year <= LAST_YEAR)) return null;
    const midnight = Date.UTC(year, date.getUTCMonth(), date.getUTCDate());
    if (!cron.months.has(date.getUTCMonth() + 1)) {
      from = Date.UTC(year, date.getUTCMonth() + 1, 1);
      continue;
    }
    if (cron.days.has(date.getUTCDate()) && cron.weekdays.has(date.getUTCDay() + 1)) {
      const second = nextSecondOfDay(cron, (from - midnight) / 1000);
      if (second !== null) return midnight + second * 1000;
    }
    from = midnight + DAY_MS;
  }
}

function nextSecondOfDay(cron: WgCron, from: number): number | null {
  for (let hour = Math.floor(from / 3600); hour < 24; hour++) {
    if (!cron.hours.has(hour)) continue;
    for (let minute = 0; minute < 60; minute++) {
      if (!cron.minutes.has(minute)) continue;
      const start = hour * 3600 + minute * 60;
      if (start + 59 < from) continue;
      for (let second = Math.max(0, from - start); second < 60; second++)
        if (cron.seconds.has(second)) return start + second;
    }
  }
  return null;
}

/** Whether the expression allows the exact second of `at`. */
export function wgCronIncludes(cron: WgCron, at: number): boolean {
  return nextWgCron(cron, at - 1000) === Math.floor(at / 1000) * 1000;
}

type CronFields = Pick<Task, 'id' | 'cronEnabled' | 'cronSchedule' | 'lastCronFire' | 'nextCronFire'>;

/** wg's `is_cron_due`, with the text for `why`. */
export type CronVerdict =
  | { readonly due: true }
  | { readonly due: false; readonly because: string; readonly nextAt: number | null };

/**
 * Whether a cron task is due: by next_cron_fire where it parses, else by the first occurrence after last_cron_fire,
 * else (neither there) only in the very second that the expression names.
 */
export function judgeCron(task: CronFields, now: number): CronVerdict {
  const expression = task.cronSchedule;
  const cron = task.cronEnabled && expression !== undefined ? parseWgCron(expression) : null;
  if (!cron) {
    const problem = expression === undefined ? 'it has no cron_schedule' : `wg cannot read "${expression}"`;
    return { due: false, because: `its cron is enabled, but ${problem}; it never comes due`, nextAt: null };
  }
  const next = task.nextCronFire === undefined ? null : parseInstant(task.nextCronFire);
  if (next !== null) return dueAt(next, now, `waits for its next_cron_fire ${instantText(next)}`);
  if (task.lastCronFire !== undefined) {
    const last = parseInstant(task.lastCronFire);
    if (last === null) return { due: true };
    const at = nextWgCron(cron, last);
    return dueAt(at, now, `waits for cron ${expression} (UTC, 1 = Sunday)`);
  }
  if (wgCronIncludes(cron, now)) return { due: true };
  const at = nextWgCron(cron, now);
  return dueAt(
    at,
    now,
    `cron ${expression} has no next_cron_fire: it is due only in the very second it names`,
  );
}

function dueAt(at: number | null, now: number, because: string): CronVerdict {
  if (at !== null && at <= now) return { due: true };
  return { due: false, because: at === null ? `${because}; no such day comes` : because, nextAt: at };
}

/** Whether the task has neither last nor next fire, so that it is due for a single second only. */
export function isDueForOneSecond(task: CronFields): boolean {
  return task.cronEnabled && task.nextCronFire === undefined && task.lastCronFire === undefined;
}
