// When a task's own schedule is due: a time of day, an instant, or a cron expression (docs/schedules.md). The only
// user of the cron evaluator. Knows no tasks and no clock; wg's cron_schedule is another dialect: wg-cron.ts.

import { Cron } from 'croner';
import { parseInstant } from '../instant.ts';
import { asUtc, type WallClock, wallClock } from './wall-clock.ts';

/** A schedule that could be parsed. */
export type Schedule =
  /** Once, the next time the wall clock shows this. */
  | {
      readonly kind: 'clock';
      readonly hour: number;
      readonly minute: number;
      readonly second: number;
      readonly clock: WallClock;
      readonly spans: Spans;
    }
  /** Once, at an instant (ms). */
  | { readonly kind: 'instant'; readonly at: number }
  /** Repeatedly. */
  | { readonly kind: 'cron'; readonly cron: Cron; readonly pattern: string; readonly spans: Spans };

/**
 * Spans of time in which the next instant is known, most recently used first. Tasks that share a schedule ask for the
 * same few repeatedly, and evaluating costs fifty times as much.
 */
type Spans = { readonly from: number; readonly next: number | null }[];

const MAX_SPANS = 4;

export type ParsedSchedule =
  | { readonly ok: true; readonly schedule: Schedule }
  /** One sentence that says what to write instead. `never`: it can be parsed, but no such day exists. */
  | { readonly ok: false; readonly problem: string; readonly never?: true };

/** Earlier parses, by zone and text. The decision is the same with any cache and with none. */
export interface ScheduleCache {
  /** A cron evaluator takes 83 KB: one for each distinct pattern is plenty. */
  readonly crons: Map<string, ParsedSchedule>;
  readonly others: Map<string, ParsedSchedule>;
  /** By zone; creating one costs more than everything else here. */
  readonly clocks: Map<string, WallClock | null>;
}

/** An empty cache. */
export function createScheduleCache(): ScheduleCache {
  return { crons: new Map(), others: new Map(), clocks: new Map() };
}

const MAX_CRONS = 500;
const MAX_OTHERS = 20_000;
const MAX_CLOCKS = 100;

const CLOCK = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/;
const LOCAL = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?$/;
const SHORT_INSTANT = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)([Zz]|[+-]\d\d:?\d\d)$/;
const ALIASES = ['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually'];
const FORMS = 'write HH:MM, 2027-03-14T09:00 or five cron fields';

/** Parses a schedule. `zone`: IANA name, for times without an offset. */
export function parseSchedule(
  text: string,
  zone: string,
  cache: ScheduleCache = createScheduleCache(),
): ParsedSchedule {
  const key = `${zone}\u0000${text}`;
  const known = cache.others.get(key) ?? cache.crons.get(key);
  if (known) return known;
  const parsed = parse(text.trim(), zone, cache);
  if (parsed.ok && parsed.schedule.kind === 'cron') keep(cache.crons, key, parsed, MAX_CRONS);
  else keep(cache.others, key, parsed, MAX_OTHERS);
  return parsed;
}

/** Stores a value, evicting the oldest. */
function keep<V>(cache: Map<string, V>, key: string, value: V, most: number): V {
  const [oldest] = cache.keys();
  if (cache.size >= most && oldest !== undefined) cache.delete(oldest);
  cache.set(key, value);
  return value;
}

function clockOf(zone: string, { clocks }: ScheduleCache): WallClock | null {
  const known = clocks.get(zone);
  return known === undefined ? keep(clocks, zone, wallClock(zone), MAX_CLOCKS) : known;
}

function parse(text: string, zone: string, cache: ScheduleCache): ParsedSchedule {
  if (text.length > 200) return wrong(`a schedule of ${text.length} characters is none; ${FORMS}`);
  const clock = clockOf(zone, cache);
  if (!clock) return wrong(`there is no time zone "${zone}"; name one like Europe/Paris`);
  const time = CLOCK.exec(text);
  if (time) {
    const [, hour, minute, second] = time;
    return right({
      kind: 'clock',
      hour: Number(hour),
      minute: Number(minute),
      second: Number(second ?? 0),
      clock,
      spans: [],
    });
  }
  if (/^\d{4}-/.test(text)) return parseMoment(text, clock);
  if (/^(CRON_)?TZ=/i.test(text))
    return wrong(
      'a schedule cannot carry a time zone; name it with --timezone (key or tag `timezone`), or in supervisor.toml',
    );
  if (text.startsWith('@')) {
    if (ALIASES.includes(text.toLowerCase())) return parseCron(text.toLowerCase(), zone);
    return wrong(`"${text}" is no schedule; the known names are ${ALIASES.join(', ')}`);
  }
  const fields = text.split(/\s+/).length;
  if (fields !== 5)
    return wrong(
      fields > 5 ? `"${text}" has ${fields} fields; cron has five` : `"${text}" is no schedule; ${FORMS}`,
    );
  return parseCron(text, zone);
}

function parseMoment(text: string, clock: WallClock): ParsedSchedule {
  const short = SHORT_INSTANT.exec(text);
  const exact = parseInstant(short ? `${short[1]}T${short[2]}:00${short[3]}` : text);
  if (exact !== null) return right({ kind: 'instant', at: exact });
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return wrong(`"${text}" names a day but no time; write ${text}T09:00`);
  const local = LOCAL.exec(text);
  if (!local)
    return wrong(`"${text}" is no instant; write 2027-03-14T09:00, with Z or an offset where you mean one`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = local
    .slice(1)
    .map((part) => Number(part ?? 0));
  const wall = { year, month, day, hour, minute, second };
  const back = new Date(asUtc(wall));
  const exists = back.getUTCMonth() === month - 1 && back.getUTCDate() === day && back.getUTCHours() === hour;
  if (!exists || minute > 59 || second > 59) return wrong(`"${text}" is a time that does not exist`);
  return right({ kind: 'instant', at: clock.firstInstant(wall) });
}

function parseCron(pattern: string, zone: string): ParsedSchedule {
  try {
    const cron = new Cron(pattern, {
      timezone: zone,
      paused: true,
      mode: '5-part',
      fixedTimeRule: 'no-wildcard',
    });
    if (mayNeverCome(pattern) && cron.nextRun(new Date(0)) === null)
      return { ...wrong(`"${pattern}" names a day that never comes`), never: true };
    return right({ kind: 'cron', cron, pattern, spans: [] });
  } catch (thrown) {
    // The evaluator throws for every invalid pattern, and says what is wrong with it.
    const why =
      typeof thrown === 'object' && thrown !== null && 'message' in thrown ? String(thrown.message) : '';
    return wrong(`"${pattern}" is no cron expression: ${why.replace(/^CronPattern: /, '')}`);
  }
}

/** Only a day that its month does not have never comes; searching for one is slow. */
function mayNeverCome(pattern: string): boolean {
  const [, , day = '*', month = '*', weekday = '*'] = pattern.split(/\s+/);
  return day !== '*' && month !== '*' && weekday === '*';
}

function right(schedule: Schedule): ParsedSchedule {
  return { ok: true, schedule };
}

function wrong(problem: string): ParsedSchedule & { readonly ok: false } {
  return { ok: false, problem };
}

/** The first instant (ms) of the schedule after `after`, or null when there is none. */
export function nextInstant(schedule: Schedule, after: number): number | null {
  switch (schedule.kind) {
    case 'instant':
      return schedule.at > after ? schedule.at : null;
    case 'clock':
      return withinSpans(schedule.spans, after, () => nextReading(schedule, after));
    case 'cron':
      return withinSpans(
        schedule.spans,
        after,
        () => schedule.cron.nextRun(new Date(after))?.getTime() ?? null,
      );
  }
}

function withinSpans(spans: Spans, after: number, find: () => number | null): number | null {
  for (const { from, next } of spans) if (after >= from && (next === null || after < next)) return next;
  const next = find();
  // Nothing comes between `after` and its next instant: the same span, begun earlier, or a new one.
  const same = spans.findIndex((span) => span.next === next);
  if (same >= 0) spans.splice(same, 1);
  spans.unshift({ from: after, next });
  if (spans.length > MAX_SPANS) spans.pop();
  return next;
}

/** Whether this instant of a time of day replaces one that the clocks skip on that day. */
export function isMoved(schedule: Schedule, at: number): boolean {
  if (schedule.kind !== 'clock') return false;
  const { hour, minute, second } = schedule.clock.read(at);
  return hour !== schedule.hour || minute !== schedule.minute || second !== schedule.second;
}

/** The next time the wall clock shows the schedule's time; on a day without it, the first instant after the gap. */
function nextReading(schedule: Schedule & { kind: 'clock' }, after: number): number | null {
  const { hour, minute, second, clock } = schedule;
  const today = clock.read(after);
  const found: number[] = [];
  for (let days = 0; days <= 2; days++) {
    const date = new Date(Date.UTC(today.year, today.month - 1, today.day + days));
    const wall = {
      year: date.getUTCFullYear(),
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      hour,
      minute,
      second,
    };
    const readings = clock.instants(wall);
    found.push(...(readings.length > 0 ? readings : [clock.firstInstant(wall)]));
  }
  return found.find((at) => at > after) ?? null;
}

/** The last instants of a recurring schedule up to `until`, oldest first, at most `most`. */
export function latestInstants(schedule: Schedule, until: number, most: number): number[] {
  if (schedule.kind !== 'cron') return [];
  const second = Math.floor(until / 1000) * 1000;
  return schedule.cron
    .previousRuns(most, new Date(second + 1000))
    .map((date) => date.getTime())
    .reverse();
}
