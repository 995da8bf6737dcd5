import { describe, expect, test } from '@jest/globals';
import { parseSchedule } from '../../../src/decide/schedules/schedule.ts';
import { scheduleNotes } from '../../../src/decide/schedules/schedule-notes.ts';

function notes(text: string, zone = 'America/New_York', from = '2027-01-10T00:00:00Z'): string[] {
  const parsed = parseSchedule(text, zone);
  if (!parsed.ok) throw new Error(parsed.problem);
  const [first, ...rest] = scheduleNotes(text, parsed.schedule, zone, Date.parse(from));
  expect(first).toBe(`times are in ${zone}`);
  return rest;
}

describe('when the clocks change', () => {
  test('a time that is skipped and one that comes twice', () => {
    expect(notes('30 2 * * *')).toEqual([
      'on 2027-03-14 the clocks skip 02:00 to 03:00, and with it 02:30: run at 03:00 instead',
    ]);
    expect(notes('30 1 * * *')).toEqual([
      'on 2027-11-07 01:00 to 02:00 comes twice, and with it 01:30: run the first time only',
    ]);
    expect(notes('*/30 2 * * *')).toEqual([
      'on 2027-03-14 the clocks skip 02:00 to 03:00, and with it 02:00, 02:30: left out on that day',
    ]);
    expect(notes('*/15 1 * * *')).toEqual([
      'on 2027-11-07 01:00 to 02:00 comes twice, and with it 01:00, 01:15, 01:30, …: run both times',
    ]);
  });
  test('half an hour of it, on the other side of the world', () => {
    expect(notes('15 2 * * *', 'Australia/Lord_Howe')).toEqual([
      'on 2027-10-03 the clocks skip 02:00 to 02:30, and with it 02:15: run at 02:30 instead',
    ]);
    expect(notes('45 1 * * *', 'Australia/Lord_Howe')).toEqual([
      'on 2027-04-04 01:30 to 02:00 comes twice, and with it 01:45: run the first time only',
    ]);
  });
  test('nothing where nothing changes for it', () => {
    expect(notes('0 9 * * *')).toEqual([]);
    expect(notes('30 2 * * *', 'Asia/Kolkata')).toEqual([]);
    expect(notes('30 2 * * *', 'UTC')).toEqual([]);
    // Every Monday; the clocks change on Sundays.
    expect(notes('30 2 * * 1')).toEqual([]);
  });
  test('for once', () => {
    expect(notes('02:30')).toContain(
      'on 2027-03-14 the clocks skip 02:00 to 03:00, and with it 02:30: run at 03:00 instead',
    );
    expect(notes('2027-03-14T02:30')).toEqual([
      'an instant comes once',
      'the clocks skip that time; it is run at the first instant after it',
    ]);
    expect(notes('2027-03-14T02:30Z')).toEqual(['an instant comes once']);
    expect(notes('2026-03-14T02:30')).toEqual([
      'never: that instant has passed (a task with it runs at once)',
    ]);
  });
});

describe('patterns', () => {
  test.each([
    ['*/7 * * * *', 'every 7 minutes starts again each hour: the last step of it is shorter'],
    ['0 */5 * * *', 'every 5 hours starts again each day: the last step of it is shorter'],
    ['0 9 */2 * *', 'every 2 days starts again each month: the last step of it is shorter'],
    ['0 9 1 */5 *', 'every 5 months starts again each year: the last step of it is shorter'],
    ['0 9 31 * *', 'only months that have a day 31 have this one'],
    ['0 9 13 * FRI', 'day of month or weekday: either is enough; write +FRI where both are meant'],
  ])('%s', (text, expected) => {
    expect(notes(text, 'UTC')).toEqual([expected]);
  });
  test.each([
    '*/15 * * * *',
    '0 */6 * * *',
    '0 9 * * 1-5',
    '0 9 1,31 * *',
    '0 9 13 * +FRI',
    '@daily',
    '0 9 1 */3 *',
  ])('%s says nothing', (text) => {
    expect(notes(text, 'UTC')).toEqual([]);
  });
});
