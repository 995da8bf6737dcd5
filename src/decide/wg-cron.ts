// wg's own recurring tasks: cron_schedule, cron_enabled, last_cron_fire, next_cron_fire (interop 4.3). Always UTC,
// five or six fields, 1 = Sunday, day of month AND day of week. Our own schedules are another dialect: schedule.ts.

import type { Task } from '../domain/task.ts';
import { instantText, parseInstant } from './instant.ts';

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

/** The parsed expression, or null when wg would refuse it (and so never find it due). */
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
/** wg's cron library knows no later year. */
const LAST_YEAR = 2100;

/** The first instant (ms, whole seconds) after `after` that the expression allows; null when there is none. */
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

/** Whether the expression allows the very second of `at`. */
export function wgCronIncludes(cron: WgCron, at: number): boolean {
  return nextWgCron(cron, at - 1000) === Math.floor(at / 1000) * 1000;
}

type CronFields = Pick<Task, 'id' | 'cronEnabled' | 'cronSchedule' | 'lastCronFire' | 'nextCronFire'>;

/** wg's `is_cron_due`, with the words for `why`. */
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

const JITTER_CAP_SECONDS = 900;

/** wg's fixed offset (s) of a task with this period (s): within a tenth of the period, at most 15 minutes. */
export function wgCronJitter(id: string, periodSeconds: number): number {
  const margin = BigInt(Math.min(Math.floor(periodSeconds / 10), JITTER_CAP_SECONDS));
  return Number((hashOfText(id) % (2n * margin + 1n)) - margin);
}

/**
 * The next_cron_fire (ms) to write when a cron task is opened again. Counted from the slot it ran for where that is
 * later than now: wg itself would find the same slot again when the jitter is negative, and run twice.
 */
export function nextCronFire(id: string, cron: WgCron, now: number, nominal: number | null): number | null {
  const slot = nextWgCron(cron, Math.max(now, nominal ?? now));
  if (slot === null) return null;
  const following = nextWgCron(cron, slot);
  const period = following === null ? 0 : (following - slot) / 1000;
  return slot + wgCronJitter(id, period) * 1000;
}

const MASK = (1n << 64n) - 1n;

function rotate(word: bigint, by: bigint): bigint {
  return ((word << by) | (word >> (64n - by))) & MASK;
}

/** SipHash-1-3 with zero keys over the UTF-8 bytes and 0xFF: how Rust's standard library hashes a text. */
export function hashOfText(text: string): bigint {
  const bytes = [...utf8(text), 0xff];
  let [v0, v1, v2, v3] = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n];
  const round = () => {
    v0 = (v0 + v1) & MASK;
    v1 = rotate(v1, 13n) ^ v0;
    v0 = rotate(v0, 32n);
    v2 = (v2 + v3) & MASK;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = (v0 + v3) & MASK;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = (v2 + v1) & MASK;
    v1 = rotate(v1, 17n) ^ v2;
    v2 = rotate(v2, 32n);
  };
  const absorb = (word: bigint) => {
    v3 ^= word;
    round();
    v0 ^= word;
  };
  const whole = bytes.length - (bytes.length % 8);
  for (let i = 0; i < whole; i += 8) absorb(littleEndian(bytes.slice(i, i + 8)));
  absorb(littleEndian(bytes.slice(whole)) | (BigInt(bytes.length & 0xff) << 56n));
  v2 ^= 0xffn;
  round();
  round();
  round();
  return v0 ^ v1 ^ v2 ^ v3;
}

function littleEndian(bytes: readonly number[]): bigint {
  return bytes.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n);
}

function utf8(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}
