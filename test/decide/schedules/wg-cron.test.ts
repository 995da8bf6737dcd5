import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judgeCron, nextWgCron, parseWgCron, wgCronIncludes } from '../../../src/decide/schedules/wg-cron.ts';
import { hashOfText, nextCronFire, wgCronJitter } from '../../../src/decide/schedules/wg-jitter.ts';
import { task } from '../../support/tasks.ts';

const at = (text: string) => Date.parse(text);
const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

function next(expression: string, from: string): string | null {
  const cron = parseWgCron(expression);
  if (!cron) throw new Error(`${expression} does not parse`);
  return iso(nextWgCron(cron, at(from)));
}

describe('occurrences, in UTC', () => {
  test.each([
    ['0 2 * * *', '2024-01-01T01:00:00Z', '2024-01-01T02:00:00.000Z'],
    ['0 2 * * *', '2024-01-01T02:00:00Z', '2024-01-02T02:00:00.000Z'],
    ['0 0 2 * * *', '2024-01-01T01:59:59.500Z', '2024-01-01T02:00:00.000Z'],
    ['*/5 * * * *', '2024-01-01T00:03:10Z', '2024-01-01T00:05:00.000Z'],
    ['30 15 10 * * *', '2024-01-01T10:15:30Z', '2024-01-02T10:15:30.000Z'],
    // 1 is Sunday: 1-5 is Sunday to Thursday.
    ['0 12 * * 1-5', '2024-01-04T13:00:00Z', '2024-01-07T12:00:00.000Z'],
    ['0 12 * * Mon-Fri', '2024-01-05T13:00:00Z', '2024-01-08T12:00:00.000Z'],
    // Day of month and day of week must both fit.
    ['0 9 13 * Fri', '2024-01-01T00:00:00Z', '2024-09-13T09:00:00.000Z'],
    ['0 0 29 2 *', '2025-01-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['0 0 1 january *', '2024-06-01T00:00:00Z', '2025-01-01T00:00:00.000Z'],
    ['5/20 0 * * *', '2024-01-01T00:05:00Z', '2024-01-01T00:25:00.000Z'],
    ['0 0,12 * * *', '2024-01-01T00:00:00Z', '2024-01-01T12:00:00.000Z'],
  ])('%s after %s', (expression, from, expected) => {
    expect(next(expression, from)).toBe(expected);
  });

  test('a day that never comes', () => {
    expect(next('0 0 30 2 *', '2024-01-01T00:00:00Z')).toBeNull();
  });

  test.each([
    '',
    'invalid',
    '* * * *',
    '* * * * * * *',
    '@daily',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 0',
    '* * * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    '*/x * * * *',
    '1--2 * * * *',
    ', * * * *',
    '* * * * Monn',
  ])('%p is refused', (expression) => {
    expect(parseWgCron(expression)).toBeNull();
  });

  test('property: the next occurrence is the first second that fits', () => {
    const part = (low: number, high: number) =>
      fc.oneof(fc.constant('*'), fc.integer({ min: low, max: high }).map(String));
    fc.assert(
      fc.property(
        part(0, 59),
        part(0, 23),
        part(1, 28),
        part(1, 7),
        fc.integer({ min: at('2024-01-01T00:00:00Z'), max: at('2025-01-01T00:00:00Z') }),
        (minute, hour, day, weekday, from) => {
          const cron = parseWgCron(`${minute} ${hour} ${day} * ${weekday}`);
          if (!cron) throw new Error('does not parse');
          const found = nextWgCron(cron, from);
          if (found === null) throw new Error('nothing found');
          expect(found).toBeGreaterThan(Math.floor(from / 1000) * 1000);
          expect(wgCronIncludes(cron, found)).toBe(true);
          const fits = (ms: number) => {
            const date = new Date(ms);
            const ok = (text: string, value: number) => text === '*' || Number(text) === value;
            return (
              ok(minute, date.getUTCMinutes()) &&
              ok(hour, date.getUTCHours()) &&
              ok(day, date.getUTCDate()) &&
              ok(weekday, date.getUTCDay() + 1)
            );
          };
          expect(fits(found)).toBe(true);
          // No whole minute in between fits: looked at for the last two days before the find.
          const start = Math.max(Math.ceil((from + 1) / 60_000) * 60_000, found - 2 * 86_400_000);
          for (let ms = start; ms < found; ms += 60_000) if (fits(ms)) throw new Error(`missed ${iso(ms)}`);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('due', () => {
  const cron = (more: object) => task('nightly', { cronEnabled: true, cronSchedule: '0 0 2 * * *', ...more });
  test.each([
    [{ nextCronFire: '2024-01-02T02:14:01Z' }, '2024-01-02T02:14:00Z', false],
    [{ nextCronFire: '2024-01-02T02:14:01Z' }, '2024-01-02T02:14:01Z', true],
    [{ nextCronFire: '2024-01-02T02:14:01Z' }, '2024-01-09T00:00:00Z', true],
    [{ lastCronFire: '2024-01-01T02:00:00Z' }, '2024-01-02T01:00:00Z', false],
    [{ lastCronFire: '2024-01-01T02:00:00Z' }, '2024-01-02T02:00:00Z', true],
    [{ lastCronFire: '2024-01-01T02:00:00Z', nextCronFire: 'nonsense' }, '2024-01-02T03:00:00Z', true],
    [{ lastCronFire: 'nonsense' }, '2024-01-02T01:00:00Z', true],
    [{}, '2024-01-01T02:00:00.999Z', true],
    [{}, '2024-01-01T02:00:01Z', false],
    [{}, '2024-01-01T03:00:00Z', false],
    [{ cronSchedule: 'invalid', nextCronFire: '2020-01-01T00:00:00Z' }, '2024-01-01T03:00:00Z', false],
  ])('%p at %s: %p', (more, now, due) => {
    expect(judgeCron(cron(more), at(now)).due).toBe(due);
  });

  test('says when to look again', () => {
    const verdict = judgeCron(cron({ lastCronFire: '2024-01-01T02:00:00Z' }), at('2024-01-01T12:00:00Z'));
    expect(verdict).toMatchObject({ due: false, nextAt: at('2024-01-02T02:00:00Z') });
    const never = judgeCron(cron({ cronSchedule: '0 0 30 2 *', lastCronFire: '2024-01-01T00:00:00Z' }), 0);
    expect(never).toMatchObject({ due: false, nextAt: null });
  });
});

describe("wg's jitter", () => {
  test('the hash that Rust gives', () => {
    expect(hashOfText('nightly-cleanup')).toBe(11260446562265455257n);
    expect(hashOfText('a')).toBe(8186225505942432243n);
  });

  test('the known offsets', () => {
    expect(wgCronJitter('nightly-cleanup', 86_400)).toBe(841);
    expect(wgCronJitter('nightly-cleanup', 3600)).toBe(-168);
    expect(wgCronJitter('a', 86_400)).toBe(115);
    expect(wgCronJitter('a', 3600)).toBe(285);
  });

  test('property: at most a tenth of the period, at most a quarter of an hour', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 1_000_000 }), (id, period) => {
        expect(Math.abs(wgCronJitter(id, period))).toBeLessThanOrEqual(Math.min(period / 10, 900));
      }),
    );
  });

  test('a negative jitter does not make the slot that just ran due again', () => {
    const cron = parseWgCron('0 * * * *');
    if (!cron) throw new Error('does not parse');
    const nominal = at('2024-01-01T02:00:00Z');
    const firedEarly = nominal - 168_000;
    expect(iso(nextCronFire('nightly-cleanup', cron, firedEarly, nominal))).toBe('2024-01-01T02:57:12.000Z');
    expect(iso(nextCronFire('nightly-cleanup', cron, firedEarly, null))).toBe('2024-01-01T01:57:12.000Z');
  });
});
