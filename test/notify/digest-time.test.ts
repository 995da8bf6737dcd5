import { expect, test } from '@jest/globals';
import { latestAt } from '../../src/notify/digest-time.ts';

const at = (time: string, now: string, zone: string) =>
  new Date(latestAt(time, Date.parse(now), zone)).toISOString().replace(':00.000Z', 'Z');

test.each<[string, string, string, string, string]>([
  ['later today it was yesterday', '18:00', '2027-01-10T17:59:59Z', 'UTC', '2027-01-09T18:00Z'],
  ['at the very minute it is now', '18:00', '2027-01-10T18:00:00Z', 'UTC', '2027-01-10T18:00Z'],
  [
    'by the clock of the zone, a day ahead',
    '08:00',
    '2027-01-10T23:30:00Z',
    'Asia/Tokyo',
    '2027-01-10T23:00Z',
  ],
  ['over the turn of a year', '18:00', '2027-01-01T00:00:00Z', 'UTC', '2026-12-31T18:00Z'],
  [
    'a time that the clock leaps over is the leap itself',
    '02:30',
    '2027-03-28T05:00:00Z',
    'Europe/Paris',
    '2027-03-28T01:00Z',
  ],
  [
    'of a time that comes twice the first',
    '02:30',
    '2027-10-31T05:00:00Z',
    'Europe/Paris',
    '2027-10-31T00:30Z',
  ],
  ['a day that a zone left out', '12:00', '2011-12-30T11:00:00Z', 'Pacific/Apia', '2011-12-30T10:00Z'],
])('%s', (_what, time, now, zone, expected) => {
  expect(at(time, now, zone)).toBe(expected);
});

test('never after now, and never more than a day and an hour before, over two years', () => {
  for (
    let now = Date.UTC(2027, 0, 1, 0, 7);
    now < Date.UTC(2029, 0, 1);
    now += 41 * 3_600_000 + 60_000 * 17
  ) {
    const due = latestAt('02:30', now, 'America/New_York');
    expect(due).toBeLessThanOrEqual(now);
    expect(now - due).toBeLessThanOrEqual(25 * 3_600_000);
  }
});
