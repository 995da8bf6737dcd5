import { describe, expect, test } from '@jest/globals';
import { parseInstant } from '../../../src/decide/instant.ts';
import { createScheduleCache } from '../../../src/decide/schedules/schedule.ts';
import {
  mayReopen,
  nextRecurrence,
  recurPatch,
  runKey,
  stopsForReplaced,
  whileFailed,
} from '../../../src/decide/transitions/recur.ts';
import { config, detail, NOW, profiles, run, task, tasksById, world } from '../../support/tasks.ts';

const at = (text: string) => Date.parse(text);

describe('which tasks recur', () => {
  const next = (more: Parameters<typeof task>[1], now = NOW) =>
    nextRecurrence({
      task: task('a', more),
      profile: null,
      profiles: profiles(),
      config: config(),
      memory: undefined,
      now,
      cache: createScheduleCache(),
    });
  test('a cron schedule of the supervisor does, what is for once does not', () => {
    expect(next({ schedule: '0 14 * * *' })).toEqual({ nextAt: at('2027-03-10T14:00:00Z') });
    expect(next({ tags: ['schedule:@daily'] })).toEqual({ nextAt: at('2027-03-11T00:00:00Z') });
    for (const schedule of ['14:00', '2027-04-01T09:00', 'nonsense']) expect(next({ schedule })).toBeNull();
    expect(next({})).toBeNull();
  });
  test("wg's cron does when it is enabled and can be read", () => {
    expect(next({ cronEnabled: true, cronSchedule: '0 14 * * *' })).not.toBeNull();
    expect(next({ cronSchedule: '0 14 * * *' })).toBeNull();
    expect(next({ cronEnabled: true, cronSchedule: '0 0 * * 0' })).toBeNull();
  });
  test('one whose rules only wg knows is left to wg', () => {
    expect(next({ schedule: '@daily', foreignKeys: ['lifecycle'] })).toBeNull();
  });
});

describe('opening it again', () => {
  test('clears who did it and when, keeps the rest, and says when it comes next', () => {
    const done = detail('a', { status: 'done', assigned: 'agent-1', schedule: '@daily' });
    const patch = recurPatch({ task: done, now: NOW, nextAt: at('2027-03-11T00:00:00Z') });
    expect(patch?.fields).toEqual({
      status: 'open',
      assigned: undefined,
      completed_at: undefined,
      session_id: undefined,
      checkpoint: undefined,
    });
    expect(patch?.log).toMatchObject({
      actor: 'supervisor',
      message: 'Opened again by its schedule; next run at 2027-03-11T00:00:00Z',
    });
  });
  test.each([
    'open',
    'failed',
    'in-progress',
    'abandoned',
  ] as const)('one that is %s is left alone', (status) => {
    expect(recurPatch({ task: detail('a', { status }), now: NOW, nextAt: null })).toBeNull();
  });

  const fires = (id: string, cronSchedule: string, nextCronFire: string, now: string) => {
    const more = { status: 'done', cronEnabled: true, cronSchedule, nextCronFire } as const;
    return recurPatch({ task: detail(id, more), now: at(now), nextAt: null })?.fields;
  };
  test("wg's cron: the fire that wg would write", () => {
    // nightly-cleanup has a jitter of +841 s a day, -168 s an hour.
    expect(
      fires('nightly-cleanup', '0 3 * * *', '2027-03-10T03:00:00Z', '2027-03-10T03:05:00Z'),
    ).toMatchObject({
      status: 'open',
      last_cron_fire: '2027-03-10T03:05:00.000Z',
      next_cron_fire: '2027-03-11T03:14:01.000Z',
    });
  });
  test('a negative jitter does not find the slot again that it just ran', () => {
    // Fired at 11:57:12 for the slot of 12:00; wg itself would write 11:57:12 again until it is twelve.
    const fields = fires('nightly-cleanup', '0 * * * *', '2027-03-10T11:57:12Z', '2027-03-10T11:57:13Z');
    expect(fields?.next_cron_fire).toBe('2027-03-10T12:57:12.000Z');
  });
  test('whatever the jitter, the next fire is ahead and never for the same slot', () => {
    for (const id of ['sync', 'report', 'nightly-cleanup', 'a', 'b', 'digest'])
      for (const cron of ['0 * * * *', '*/5 * * * *', '0 9 * * 2', '0 9,10 * * *', '0 0 1 * *']) {
        let fire = at('2027-03-10T08:00:00Z');
        const seen = new Set<number>();
        for (let n = 0; n < 5; n++) {
          const fields = fires(id, cron, new Date(fire).toISOString(), new Date(fire + 500).toISOString());
          const next = parseInstant(String(fields?.next_cron_fire)) ?? 0;
          expect(next).toBeGreaterThan(fire + 500);
          // Within a tenth of the period of a slot of its own: never closer than most of a period.
          if (n > 0) expect(seen.has(next)).toBe(false);
          seen.add(next);
          fire = next;
        }
      }
  });
});

describe('when it may be opened', () => {
  const tasks = tasksById([task('a', { status: 'done' }), task('b', { after: ['a'] }), task('c')]);
  const opening = { graph: '/g/.workgraph', task: 'a', nextAt: NOW + 1000 };
  test('not while what waited for it could start or is being started', () => {
    expect(mayReopen(opening, world([]), tasks, ['c'])).toBe(true);
    expect(mayReopen(opening, world([]), tasks, ['b', 'c'])).toBe(false);
    const opened = world([], { runs: [run('g', 'b', { phase: 'opened' })] });
    expect(mayReopen(opening, opened, tasks, [])).toBe(false);
    const other = world([], {
      runs: [run('h', 'b', { phase: 'opened' }), run('g', 'b', { phase: 'started' })],
    });
    expect(mayReopen(opening, other, tasks, [])).toBe(true);
  });
  test('at most until its next instant has come', () => {
    expect(mayReopen({ ...opening, nextAt: NOW }, world([]), tasks, ['b'])).toBe(true);
  });
});

test('what runs of a replaced task is ended, and nothing else', () => {
  const runs = [
    run('g', 'a', { phase: 'started' }),
    run('g', 'b', { phase: 'started' }),
    run('h', 'a', { phase: 'handed-off' }),
    run('g', 'c', { phase: 'claimed' }),
  ];
  const stops = stopsForReplaced('/g/.workgraph', ['a', 'c'], runs);
  expect(stops).toMatchObject([{ kind: 'stop', reason: 'replaced', run: { task: 'a' } }]);
});

test('words', () => {
  expect(runKey('nightly', NOW)).toBe('nightly@2027-03-10T12:00:00Z');
  const failed = {
    ready: false,
    state: 'finished',
    code: 'status-failed',
    because: 'it failed',
    nextAt: null,
  } as const;
  expect(whileFailed(task('a'), failed).because).toContain('supervisor retry a');
});
