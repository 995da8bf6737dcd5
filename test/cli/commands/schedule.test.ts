import { describe, expect, test } from '@jest/globals';
import { command } from '../fake-surroundings.ts';

const json = async (...argv: string[]) => {
  const { status, out } = await command({}, 'schedule', ...argv, '--json');
  expect(status).toBe(0);
  return JSON.parse(out) as { next: string[]; notes: string[] };
};

describe('schedule', () => {
  test('cron: five instants, and a note where the clocks change', async () => {
    const { next, notes } = await json(
      '30 2 * * *',
      '--tz',
      'Europe/Paris',
      '--from',
      '2027-03-27T00:00:00Z',
    );
    expect(next).toHaveLength(5);
    expect(next.slice(0, 3)).toEqual([
      '2027-03-27T01:30:00.000Z',
      '2027-03-28T01:00:00.000Z',
      '2027-03-29T00:30:00.000Z',
    ]);
    expect(notes.join('\n')).toMatch(/GMT\+01:00 becomes GMT\+02:00/);
  });

  test('a time of day comes once, the next time it is that late', async () => {
    const { next } = await json('09:00', '--tz', 'UTC', '--from', '2027-01-01T10:00:00Z');
    expect(next).toEqual(['2027-01-02T09:00:00.000Z']);
  });

  test('an instant that has finished never comes', async () => {
    expect((await json('2020-01-01T00:00:00Z')).next).toEqual([]);
    expect((await command({}, 'schedule', '2020-01-01T00:00:00Z')).out).toContain('never');
  });

  test('what never fires says so, and what starts again or is skipped when the clocks change', async () => {
    expect(await json('0 0 30 2 *')).toMatchObject({
      next: [],
      notes: ['never fires: "0 0 30 2 *" names a day that never comes'],
    });
    const from = ['--tz', 'America/New_York', '--from', '2027-01-10T00:00:00Z'];
    expect((await json('*/7 * * * *', ...from)).notes.join('\n')).toContain('starts again each hour');
    expect((await json('*/30 2 * * *', ...from)).notes.join('\n')).toContain(
      '02:00, 02:30: left out on that day',
    );
    expect((await json('30 1 * * *', ...from)).notes.join('\n')).toContain('01:30: run the first time only');
  });

  test('for people: UTC, local time with its offset, and how long until then', async () => {
    const { out } = await command(
      {},
      'schedule',
      '0 9 * * 1',
      '--tz',
      'Europe/Paris',
      '--from',
      '2027-06-01T00:00:00Z',
    );
    expect(out).toMatch(/2027-06-07T07:00:00\.000Z +Mon 2027-06-07 09:00:00 GMT\+02:00 +in 6 d/);
    expect(out).toContain('times are in Europe/Paris');
  });

  test.each([
    [['at noon'], 'is no schedule'],
    [['* * * *'], 'is no schedule'],
    [['09:00', '--tz', 'Mars/Base'], 'no time zone'],
    [['09:00', '--from', 'yesterday'], '--from yesterday is not an instant'],
  ])('%j is wrong usage', async (argv, words) => {
    const { status, out, err } = await command({}, 'schedule', ...argv);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain(words);
  });
});
