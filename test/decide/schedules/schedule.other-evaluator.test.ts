// 10,000 random expressions and instants, held against another cron library that is used in tests only.
//
// Left out, because the libraries read them differently without either being wrong: lists with overlapping parts (the
// other one refuses duplicates) and steps of a weekday above 7 (ours refuses them). Both take "day of month or weekday"
// where both are given, and both 0 and 7 for Sunday. A range that ends in SUN is left out too.

import { expect, test } from '@jest/globals';
import { CronExpressionParser } from 'cron-parser';
import { nextInstant, parseSchedule } from '../../../src/decide/schedules/schedule.ts';

const HOW_MANY = 10_000;
const MONTHS = ' JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ');
const DAYS = 'SUN MON TUE WED THU FRI SAT'.split(' ');

/** The same numbers in every run, so that a difference can be looked into. */
function numbers(seed: number) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state / 0x80000000;
  };
  return { random, int: (low: number, high: number) => low + Math.floor(random() * (high - low + 1)) };
}

function expressions({ random, int }: ReturnType<typeof numbers>): () => string {
  const field = (low: number, high: number, names: readonly string[] = []) => {
    const value = (n: number) => (random() < 0.3 && names[n] ? names[n] : String(n));
    const kind = random();
    if (kind < 0.2) return '*';
    if (kind < 0.35) return `*/${int(1, high - low)}`;
    if (kind < 0.6) return value(int(low, high));
    const from = int(low, high);
    const to = int(from, high);
    // A range that ends in SUN ends in 0 or in 7.
    if (kind < 0.75) return `${value(from)}-${names[to] === 'SUN' ? to : value(to)}`;
    if (kind < 0.85) return `${from}-${to}/${int(1, Math.max(1, to - from))}`;
    // 0 and 7 are the same weekday: a duplicate.
    const highest = high === 7 ? 6 : high;
    return [...new Set(Array.from({ length: int(2, 4) }, () => int(low, highest)))].join(',');
  };
  return () => [field(0, 59), field(0, 23), field(1, 31), field(1, 12, MONTHS), field(0, 7, DAYS)].join(' ');
}

const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());

/** The other library's answer; null where it says that no such day comes. */
function otherNext(expression: string, from: number): number | null {
  try {
    return CronExpressionParser.parse(expression, { tz: 'UTC', currentDate: new Date(from) })
      .next()
      .getTime();
  } catch {
    // It throws for what it cannot read and for what never comes; whichever: there is no next instant.
    return null;
  }
}

test(`the next instant of ${HOW_MANY} random expressions is that of another library`, () => {
  const source = numbers(2027);
  const expression = expressions(source);
  const differences: string[] = [];
  let found = 0;
  for (let n = 0; n < HOW_MANY; n++) {
    const text = expression();
    const from = Date.UTC(2026, 0, 1) + Math.floor(source.random() * 10 * 365.25 * 86_400_000);
    const parsed = parseSchedule(text, 'UTC');
    const ours = parsed.ok ? nextInstant(parsed.schedule, from) : null;
    const theirs = otherNext(text, from);
    if (ours !== null) found++;
    if (ours !== theirs)
      differences.push(
        `${text} after ${iso(from)}: ${parsed.ok ? iso(ours) : parsed.problem}, ${iso(theirs)}`,
      );
  }
  expect(differences).toEqual([]);
  expect(found).toBeGreaterThan(HOW_MANY * 0.99);
}, 60_000);
