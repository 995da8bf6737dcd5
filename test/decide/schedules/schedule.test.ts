import { describe, expect, test } from '@jest/globals';
import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import {
  createScheduleCache,
  latestInstants,
  nextInstant,
  parseSchedule,
  type Schedule,
} from '../../../src/decide/schedules/schedule.ts';
import { asUtc, wallClock } from '../../../src/decide/schedules/wall-clock.ts';

const NEW_YORK = 'America/New_York';
const at = (text: string) => Date.parse(text);
const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString().replace('.000Z', 'Z'));

function read(text: string, zone = NEW_YORK): Schedule {
  const parsed = parseSchedule(text, zone);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.schedule;
}

function all(text: string, from: string, count: number, zone = NEW_YORK): (string | null)[] {
  const schedule = read(text, zone);
  const found: (string | null)[] = [];
  let after = at(from);
  for (let i = 0; i < count; i++) {
    const instant = nextInstant(schedule, after);
    found.push(iso(instant));
    if (instant === null) break;
    after = instant;
  }
  return found;
}

describe('times of day', () => {
  test.each([
    ['09:00', '2027-06-01T12:59:59Z', '2027-06-01T13:00:00Z'],
    ['9:00', '2027-06-01T13:00:00Z', '2027-06-02T13:00:00Z'],
    ['09:00:30', '2027-06-01T13:00:00Z', '2027-06-01T13:00:30Z'],
    ['00:00', '2027-06-01T03:59:59Z', '2027-06-01T04:00:00Z'],
    ['23:59', '2027-06-01T03:58:00Z', '2027-06-01T03:59:00Z'],
    // The clock jumps from 02:00 to 03:00 EDT: 02:30 is read at its first valid instant.
    ['02:30', '2027-03-14T00:00:00Z', '2027-03-14T07:00:00Z'],
    // 01:30 is read twice: the first pass counts, and after it the second.
    ['01:30', '2027-11-07T00:00:00Z', '2027-11-07T05:30:00Z'],
    ['01:30', '2027-11-07T05:45:00Z', '2027-11-07T06:30:00Z'],
    ['01:30', '2027-11-07T06:30:00Z', '2027-11-08T06:30:00Z'],
  ])('%s after %s', (text, from, expected) => {
    expect(iso(nextInstant(read(text), at(from)))).toBe(expected);
  });

  test('zones that skip a whole day, or shift by half an hour', () => {
    expect(all('12:00', '2011-12-29T23:00:00Z', 2, 'Pacific/Apia')).toEqual([
      '2011-12-30T10:00:00Z',
      '2011-12-30T22:00:00Z',
    ]);
    expect(all('02:15', '2027-10-02T12:00:00Z', 1, 'Australia/Lord_Howe')).toEqual(['2027-10-02T15:30:00Z']);
  });

  test('property: the wall clock reads it, and did not read it in between', () => {
    const zones = fc.constantFrom(NEW_YORK, 'Europe/Paris', 'Asia/Kolkata', 'Pacific/Chatham', 'UTC');
    fc.assert(
      fc.property(
        zones,
        fc.integer({ min: 0, max: 1439 }),
        fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2028-01-01T00:00:00Z') }),
        (zone, minute, from) => {
          const [h, m] = [Math.floor(minute / 60), minute % 60];
          const clock = wallClock(zone);
          const text = `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`;
          const found = nextInstant(read(text, zone), from);
          if (!clock || found === null) throw new Error('nothing found');
          expect(found).toBeGreaterThan(from);
          expect(found - from).toBeLessThanOrEqual(25 * 3_600_000);
          const reads = (ms: number) => {
            const wall = clock.read(ms);
            return wall.hour === h && wall.minute === m && wall.second === 0;
          };
          // In a gap nothing reads it; everywhere else it must be read exactly then.
          const exists = clock.instants({ ...clock.read(found), hour: h, minute: m, second: 0 }).length > 0;
          expect(reads(found)).toBe(exists);
          for (let ms = Math.ceil((from + 1) / 60_000) * 60_000; ms < found; ms += 60_000)
            if (reads(ms)) throw new Error(`${text} in ${zone} is read at ${iso(ms)} before ${iso(found)}`);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('instants', () => {
  test.each([
    ['2026-12-01T09:00', '2026-12-01T14:00:00Z'],
    ['2026-12-01T09:00:30', '2026-12-01T14:00:30Z'],
    ['2026-12-01 09:00', '2026-12-01T14:00:00Z'],
    ['2026-12-01T09:00Z', '2026-12-01T09:00:00Z'],
    ['2026-12-01T09:00+01:00', '2026-12-01T08:00:00Z'],
    ['2026-12-01T09:00:00+0100', '2026-12-01T08:00:00Z'],
    ['2027-03-14T02:30:00', '2027-03-14T07:00:00Z'],
    ['2027-11-07T01:30:00', '2027-11-07T05:30:00Z'],
    ['2027-11-07T01:30:00-05:00', '2027-11-07T06:30:00Z'],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual({ kind: 'instant', at: at(expected) });
  });
});

describe('cron, with the daylight-saving rules of Vixie cron', () => {
  test.each([
    ['30 2 * * *', '2027-03-14T00:00:00Z', ['2027-03-14T07:00:00Z', '2027-03-15T06:30:00Z']],
    ['*/30 2 * * *', '2027-03-14T00:00:00Z', ['2027-03-15T06:00:00Z']],
    ['30 1 * * *', '2027-11-07T00:00:00Z', ['2027-11-07T05:30:00Z', '2027-11-08T06:30:00Z']],
    [
      '*/30 1 * * *',
      '2027-11-07T00:00:00Z',
      [
        '2027-11-07T05:00:00Z',
        '2027-11-07T05:30:00Z',
        '2027-11-07T06:00:00Z',
        '2027-11-07T06:30:00Z',
        '2027-11-08T06:00:00Z',
      ],
    ],
    [
      '30 1,2 * * *',
      '2027-11-07T00:00:00Z',
      ['2027-11-07T05:30:00Z', '2027-11-07T07:30:00Z', '2027-11-08T06:30:00Z'],
    ],
    ['0 9 13 * FRI', '2027-08-10T00:00:00Z', ['2027-08-13T13:00:00Z', '2027-08-20T13:00:00Z']],
    ['@daily', '2027-06-01T00:00:00Z', ['2027-06-01T04:00:00Z']],
    ['@HOURLY', '2027-06-01T00:10:00Z', ['2027-06-01T01:00:00Z']],
    ['@annually', '2027-06-01T00:10:00Z', ['2028-01-01T05:00:00Z']],
  ])('%s from %s', (text, from, expected) => {
    expect(all(text, from, expected.length)).toEqual(expected);
  });

  test('property: agrees with another evaluator where no clock changes', () => {
    const field = (low: number, high: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.integer({ min: low, max: high }).map(String),
        fc.integer({ min: 2, max: 9 }).map((step) => `*/${step}`),
      );
    fc.assert(
      fc.property(
        field(0, 59),
        field(0, 23),
        field(1, 28),
        field(1, 12),
        fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-01-01T00:00:00Z') }),
        (minute, hour, day, month, from) => {
          const text = `${minute} ${hour} ${day} ${month} *`;
          const other = CronExpressionParser.parse(text, { tz: 'UTC', currentDate: new Date(from) });
          expect(iso(nextInstant(read(text, 'UTC'), from))).toBe(iso(other.next().getTime()));
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('the same rules in other zones', () => {
  const BERLIN = 'Europe/Berlin';
  const HOWE = 'Australia/Lord_Howe';
  const KOLKATA = 'Asia/Kolkata';
  test.each([
    // Berlin skips 02:00 to 03:00 on 28 March (01:00Z) and repeats it on 31 October.
    [BERLIN, '30 2 * * *', '2027-03-28T00:00:00Z', ['2027-03-28T01:00:00Z', '2027-03-29T00:30:00Z']],
    [BERLIN, '*/30 2 * * *', '2027-03-28T00:00:00Z', ['2027-03-29T00:00:00Z', '2027-03-29T00:30:00Z']],
    [BERLIN, '30 2 * * *', '2027-10-30T23:00:00Z', ['2027-10-31T00:30:00Z', '2027-11-01T01:30:00Z']],
    [
      BERLIN,
      '*/30 2 * * *',
      '2027-10-30T23:00:00Z',
      [
        '2027-10-31T00:00:00Z',
        '2027-10-31T00:30:00Z',
        '2027-10-31T01:00:00Z',
        '2027-10-31T01:30:00Z',
        '2027-11-01T01:00:00Z',
      ],
    ],
    [
      BERLIN,
      '30 2,3 * * *',
      '2027-10-30T23:00:00Z',
      ['2027-10-31T00:30:00Z', '2027-10-31T02:30:00Z', '2027-11-01T01:30:00Z'],
    ],
    [BERLIN, '02:30', '2027-03-28T00:00:00Z', ['2027-03-28T01:00:00Z', '2027-03-29T00:30:00Z']],
    [BERLIN, '02:30', '2027-10-30T23:00:00Z', ['2027-10-31T00:30:00Z']],
    [BERLIN, '2027-03-28T02:30', '2027-03-01T00:00:00Z', ['2027-03-28T01:00:00Z', null]],
    // Lord Howe skips half an hour, 02:00 to 02:30, on 3 October (15:30Z) and repeats 01:30 to 02:00 on 4 April.
    [HOWE, '15 2 * * *', '2027-10-02T12:00:00Z', ['2027-10-02T15:30:00Z', '2027-10-03T15:15:00Z']],
    [
      HOWE,
      '*/15 2 * * *',
      '2027-10-02T12:00:00Z',
      ['2027-10-02T15:30:00Z', '2027-10-02T15:45:00Z', '2027-10-03T15:00:00Z'],
    ],
    [HOWE, '45 1 * * *', '2027-04-03T13:30:00Z', ['2027-04-03T14:45:00Z', '2027-04-04T15:15:00Z']],
    [
      HOWE,
      '*/15 1 * * *',
      '2027-04-03T13:30:00Z',
      [
        '2027-04-03T14:00:00Z',
        '2027-04-03T14:15:00Z',
        '2027-04-03T14:30:00Z',
        '2027-04-03T14:45:00Z',
        '2027-04-03T15:00:00Z',
        '2027-04-03T15:15:00Z',
        '2027-04-04T14:30:00Z',
      ],
    ],
    [HOWE, '02:15', '2027-10-02T12:00:00Z', ['2027-10-02T15:30:00Z']],
    [HOWE, '01:45', '2027-04-03T13:30:00Z', ['2027-04-03T14:45:00Z']],
    // Kolkata never changes its clocks, and is half an hour off.
    [KOLKATA, '30 2 * * *', '2027-03-28T00:00:00Z', ['2027-03-28T21:00:00Z', '2027-03-29T21:00:00Z']],
    [KOLKATA, '*/30 2 * * *', '2027-10-30T00:00:00Z', ['2027-10-30T20:30:00Z', '2027-10-30T21:00:00Z']],
    [KOLKATA, '02:30', '2027-03-28T00:00:00Z', ['2027-03-28T21:00:00Z']],
    [KOLKATA, '2027-03-28T02:30', '2027-03-01T00:00:00Z', ['2027-03-27T21:00:00Z', null]],
  ])('%s: %s from %s', (zone, text, from, expected) => {
    expect(all(text, from, expected.length, zone)).toEqual(expected);
  });

  test.each([NEW_YORK, BERLIN, HOWE, KOLKATA])('29 February and year ends in %s', (zone) => {
    const clock = wallClock(zone);
    const read = (text: string, from: string, count: number) =>
      all(text, from, count, zone).map((instant) => {
        const wall = clock?.read(at(instant ?? ''));
        return wall && `${wall.year}-${wall.month}-${wall.day} ${wall.hour}:${wall.minute}`;
      });
    expect(read('0 9 29 2 *', '2027-01-01T00:00:00Z', 3)).toEqual([
      '2028-2-29 9:0',
      '2032-2-29 9:0',
      '2036-2-29 9:0',
    ]);
    expect(read('0 9 29 2 *', '2096-03-01T00:00:00Z', 1)).toEqual(['2104-2-29 9:0']);
    expect(read('59 23 31 12 *', '2027-06-01T00:00:00Z', 2)).toEqual([
      '2027-12-31 23:59',
      '2028-12-31 23:59',
    ]);
    expect(read('0 0 1 1 *', '2027-06-01T00:00:00Z', 2)).toEqual(['2028-1-1 0:0', '2029-1-1 0:0']);
    expect(read('30 23 * * *', '2027-12-30T12:00:00Z', 3).slice(-2)).toEqual([
      expect.stringContaining('23:30'),
      expect.stringContaining('23:30'),
    ]);
    expect(read('0 0 31 * *', '2027-12-01T12:00:00Z', 3)).toEqual([
      '2027-12-31 0:0',
      '2028-1-31 0:0',
      '2028-3-31 0:0',
    ]);
    expect(read('00:00', '2027-12-31T12:00:00Z', 1)).toEqual(['2028-1-1 0:0']);
  });

  test.each([
    NEW_YORK,
    BERLIN,
    HOWE,
    KOLKATA,
  ])('looking back finds what looking forward finds, in %s', (zone) => {
    for (const text of ['30 2 * * *', '*/30 1,2 * * *', '15 1,2 * * *', '*/20 * * * *']) {
      const schedule = read(text, zone);
      for (const day of [
        '2027-03-13',
        '2027-03-27',
        '2027-04-03',
        '2027-10-02',
        '2027-10-30',
        '2027-11-06',
      ]) {
        const from = at(`${day}T12:00:00Z`);
        const found: number[] = [];
        for (let next = nextInstant(schedule, from); next !== null && next <= from + 36 * 3_600_000; ) {
          found.push(next);
          next = nextInstant(schedule, next);
        }
        const back = latestInstants(schedule, from + 36 * 3_600_000, found.length);
        expect([text, day, back.map(iso)]).toEqual([text, day, found.map(iso)]);
      }
    }
  });
});

describe('what is no schedule says what to write', () => {
  test.each([
    ['24:00', 'write HH:MM'],
    ['9:5', 'write HH:MM'],
    ['9am', 'write HH:MM'],
    ['09:00 tomorrow', 'write HH:MM'],
    ['', 'write HH:MM'],
    ['2026-12-01', 'T09:00'],
    ['2026-02-30T09:00', 'does not exist'],
    ['2026-12-01T25:00', 'does not exist'],
    ['2026-12-01T09:00 Europe/Paris', 'is no instant'],
    ['0 0 9 * * *', 'has 6 fields'],
    ['@reboot', '@daily'],
    ['TZ=UTC 0 9 * * *', 'timezone'],
    ['CRON_TZ=UTC 0 9 * * *', 'timezone'],
    ['0 9 31 2 *', 'never comes'],
    ['60 9 * * *', 'minute'],
    ['a b c d e', 'no cron expression'],
    ['x'.repeat(5000), 'characters'],
  ])('%.40p', (text, hint) => {
    const parsed = parseSchedule(text, NEW_YORK);
    expect(parsed).toMatchObject({ ok: false, problem: expect.stringContaining(hint) });
  });

  test.each(['Mars/Olympus', '', '+01:00:00'])('zone %p', (zone) => {
    expect(parseSchedule('09:00', zone)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('time zone'),
    });
  });

  test('property: no text makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => void parseSchedule(text, 'UTC')),
    );
  });

  test('a cache gives the same evaluator, and does not grow for ever', () => {
    const cache = createScheduleCache();
    expect(parseSchedule('0 9 * * *', 'UTC', cache)).toBe(parseSchedule('0 9 * * *', 'UTC', cache));
    expect(parseSchedule('0 9 * * *', NEW_YORK, cache)).not.toBe(parseSchedule('0 9 * * *', 'UTC', cache));
    for (let i = 0; i < 600; i++) parseSchedule(`${i % 60} ${i % 24} ${(i % 28) + 1} * *`, 'UTC', cache);
    for (let i = 0; i < 21_000; i++) parseSchedule(`nonsense ${i}`, 'UTC', cache);
    expect(cache.crons.size).toBe(500);
    expect(cache.others.size).toBe(20_000);
    expect(cache.clocks.size).toBe(2);
  });

  test('what is known of the next instant is what would be found again', () => {
    const schedule = read('*/20 9,10 * * *', 'UTC');
    const minutes = Array.from(
      { length: 60 },
      (_, n) => at('2027-03-10T08:30:00Z') + ((n * 37) % 200) * 60_000,
    );
    for (const after of minutes)
      expect(iso(nextInstant(schedule, after))).toBe(iso(nextInstant(read('*/20 9,10 * * *', 'UTC'), after)));
  });
});

test('wall times carry days over', () => {
  expect(asUtc({ year: 2027, month: 12, day: 32, hour: 0, minute: 0, second: 0 })).toBe(
    at('2028-01-01T00:00:00Z'),
  );
});
