import { describe, expect, test } from '@jest/globals';
import { createScheduleCache } from '../../../src/decide/schedules/schedule.ts';
import { judgeSchedule, scheduleSettings } from '../../../src/decide/schedules/task-schedule.ts';
import type { ScheduleMemory } from '../../../src/decide/world.ts';
import type { ScheduleProfile } from '../../../src/domain/profile.ts';
import type { Task } from '../../../src/domain/task.ts';
import { config, POLICY, profiles, scheduled, task } from '../../support/tasks.ts';

const at = (text: string) => Date.parse(text);
const NOON = at('2027-03-10T12:00:00Z');

function judge(
  more: Partial<Task>,
  memory?: ScheduleMemory,
  now = NOON,
  profile: ScheduleProfile | null = scheduled(),
) {
  return judgeSchedule({
    task: task('a', more),
    profile,
    profiles: profiles(),
    config: config(),
    memory,
    now,
    cache: createScheduleCache(),
  });
}

/** What would be remembered of a task first seen at noon, with a baseline. */
function remembered(more: Partial<Task>, lastNominalAt: number | null = null): ScheduleMemory {
  const { note } = judge(more);
  if (!note) throw new Error('nothing to remember');
  return { ...note, baselineAt: NOON, lastNominalAt };
}

describe('which schedule counts', () => {
  test('the key, then the tag, then the profile', () => {
    const profile = scheduled('nightly', { schedule: '03:00' });
    expect(judge({ schedule: '01:00', tags: ['schedule:02:00'] }, undefined, NOON, profile).state?.text).toBe(
      '01:00',
    );
    expect(judge({ tags: ['schedule:02:00'] }, undefined, NOON, profile).state?.text).toBe('02:00');
    expect(judge({}, undefined, NOON, profile).state?.text).toBe('03:00');
  });
  test('an ordinary profile with no schedule holds nothing', () => {
    expect(judge({}, undefined, NOON, null).hold).toBeNull();
  });
  test('an ordinary profile with a schedule waits all the same', () => {
    const judged = judge({ schedule: '14:00' }, undefined, NOON, null);
    expect(judged.hold).toMatchObject({
      state: 'scheduled',
      code: 'schedule',
      nextAt: at('2027-03-10T14:00:00Z'),
    });
  });
  test('a schedule profile and no time anywhere is held; a time of wg is a time', () => {
    expect(judge({}).hold).toMatchObject({ state: 'held', code: 'no-schedule' });
    expect(judge({ cronEnabled: true }).hold).toBeNull();
    expect(judge({ notBefore: '2027-01-01T00:00:00Z' }).hold).toBeNull();
  });
  test('one that cannot be read is held with the reason', () => {
    expect(judge({ schedule: '25:00' }).hold).toMatchObject({ code: 'bad-schedule' });
  });
});

describe('from when it counts', () => {
  test('one that was there at first sight: from the last change of the task', () => {
    const made = { schedule: '09:00', createdAt: '2027-03-10T08:00:00Z' };
    expect(judge(made)).toMatchObject({ hold: null, occurrence: at('2027-03-10T09:00:00Z') });
    const touched = { ...made, lastInteractionAt: '2027-03-10T10:00:00Z' };
    expect(judge(touched).hold).toMatchObject({ nextAt: at('2027-03-11T09:00:00Z') });
    expect(judge(touched).note).toMatchObject({
      baselineAt: at('2027-03-10T10:00:00Z'),
      lastNominalAt: null,
    });
  });
  test('one of a task without times, or from the future: from now', () => {
    expect(judge({ schedule: '09:00' }).note).toMatchObject({ baselineAt: NOON });
    expect(judge({ schedule: '09:00', createdAt: '2030-01-01T00:00:00Z' }).note).toMatchObject({
      baselineAt: NOON,
    });
  });
  test('an edited one: from now, and catches up on nothing', () => {
    const made = { createdAt: '2027-03-01T00:00:00Z' };
    const before = remembered({ ...made, schedule: '10:00' });
    const edited = judge(
      { ...made, schedule: '11:00' },
      { ...before, baselineAt: at('2027-03-09T00:00:00Z') },
    );
    expect(edited.note).toMatchObject({ baselineAt: NOON });
    expect(edited.hold).toMatchObject({ nextAt: at('2027-03-11T11:00:00Z') });
  });
  test('a task that was deleted and created again under the same id begins afresh', () => {
    const before = remembered(
      { schedule: '09:00', createdAt: '2027-03-01T00:00:00Z' },
      at('2027-03-02T09:00:00Z'),
    );
    const anew = judge({ schedule: '09:00', createdAt: '2027-03-10T08:30:00Z' }, before);
    expect(anew).toMatchObject({ hold: null, occurrence: at('2027-03-10T09:00:00Z') });
    expect(anew.note).toMatchObject({ lastNominalAt: null });
  });
  test('what is known is not noted again', () => {
    expect(judge({ schedule: '14:00' }, remembered({ schedule: '14:00' })).note).toBeNull();
  });
});

describe('after a dispatch', () => {
  const nominal = at('2027-03-10T09:00:00Z');
  test('a task for once that is open again continues at once', () => {
    for (const schedule of ['09:00', '2027-03-10T09:00']) {
      const more = { schedule, startedAt: '2027-03-10T09:00:01Z' };
      expect(judge(more, remembered(more, nominal))).toMatchObject({ hold: null, occurrence: nominal });
    }
  });
  test('a recurring one that was released continues with its occurrence', () => {
    const more = { schedule: '0 9 * * *' };
    expect(judge(more, remembered(more, nominal))).toMatchObject({ hold: null, occurrence: nominal });
  });
  test('a recurring one that had ended waits for the next', () => {
    const more = { schedule: '0 9 * * *', startedAt: '2027-03-10T09:00:01Z' };
    expect(judge(more, remembered(more, nominal)).hold).toMatchObject({ nextAt: at('2027-03-11T09:00:00Z') });
  });
  test('a time in the past that was never dispatched is due', () => {
    const more = { schedule: '2027-03-10T09:00' };
    expect(judge(more, remembered(more))).toMatchObject({ hold: null, occurrence: nominal });
  });
});

describe('zone and policy', () => {
  const settings = (more: Partial<Task>, own: ScheduleProfile | null, all: readonly ScheduleProfile[] = []) =>
    scheduleSettings({
      task: task('a', more),
      profile: own,
      profiles: profiles(all),
      config: config({ timezone: 'Asia/Tokyo' }),
    });
  const berlin = scheduled('nightly', { timezone: 'Europe/Berlin', policy: { catchup: 'skip' } });
  const general = scheduled('scheduled', { timezone: 'Asia/Kolkata', policy: { overlap: 'replace' } });

  test('the key, then the tag, then the profile, then the profile `scheduled`, then the machine', () => {
    const both = { timezone: 'UTC', tags: ['timezone:Africa/Lagos'] };
    expect(settings(both, berlin, [general]).zone).toBe('UTC');
    expect(settings({ tags: both.tags }, berlin, [general]).zone).toBe('Africa/Lagos');
    expect(settings({}, berlin, [general]).zone).toBe('Europe/Berlin');
    expect(settings({}, scheduled('other'), [general]).zone).toBe('Asia/Kolkata');
    expect(settings({}, null, [general]).zone).toBe('Asia/Kolkata');
    expect(settings({}, null).zone).toBe('Asia/Tokyo');
  });

  test('a profile overrides what it names, and nothing else', () => {
    expect(settings({}, berlin, [general]).policy).toEqual({ ...POLICY, catchup: 'skip' });
    expect(settings({}, null, [general]).policy).toEqual({ ...POLICY, overlap: 'replace' });
    expect(settings({}, null).policy).toEqual(POLICY);
  });

  test('a zone that there is not holds the task and says which there are', () => {
    expect(judge({ schedule: '09:00', timezone: 'Mars/Base' }).hold).toMatchObject({
      code: 'bad-schedule',
      because: 'there is no time zone "Mars/Base"; name one like Europe/Paris',
    });
  });

  test('another zone moves what is to come; what was run stays so', () => {
    const cron = { schedule: '0 14 * * *' };
    const moved = judge({ ...cron, timezone: 'Asia/Tokyo' }, remembered(cron, at('2027-03-09T14:00:00Z')));
    expect(moved.note).toMatchObject({ baselineAt: NOON, lastNominalAt: at('2027-03-09T14:00:00Z') });
    const once = { schedule: '09:00', timezone: 'Asia/Tokyo' };
    expect(judge(once, remembered({ schedule: '09:00' }, at('2027-03-10T09:00:00Z'))).hold).toBeNull();
    const exact = { schedule: '2027-03-10T13:00:00Z' };
    const kept = judge({ ...exact, timezone: 'Asia/Tokyo' }, { ...remembered(exact), baselineAt: 5 });
    expect(kept).toMatchObject({ note: { baselineAt: 5 }, hold: { nextAt: at('2027-03-10T13:00:00Z') } });
  });
});

describe('what the task is doing meanwhile', () => {
  const hourly = { schedule: '0 * * * *', startedAt: '2027-03-10T11:00:00Z' };
  const ask = (more: Partial<Task>, memory: ScheduleMemory, situation: 'busy' | 'paused', policy = {}) =>
    judgeSchedule({
      task: task('a', more),
      profile: null,
      profiles: profiles([scheduled('scheduled', { policy })]),
      config: config(),
      memory,
      now: NOON,
      cache: createScheduleCache(),
      situation,
    });
  const before = {
    ...remembered(hourly, at('2027-03-10T11:00:00Z')),
    baselineAt: at('2027-03-10T11:00:00Z'),
  };

  test('at work: the instant is released, or waits, or takes the place of what runs', () => {
    expect(ask(hourly, before, 'busy')).toMatchObject({
      passed: [{ kind: 'skipped_overlap', count: 1 }],
      replaces: false,
      lookAt: at('2027-03-10T13:00:00Z'),
    });
    expect(ask(hourly, before, 'busy', { overlap: 'queue_one' })).toMatchObject({
      note: { pendingRuns: [NOON] },
      passed: [],
      replaces: false,
    });
    expect(ask(hourly, before, 'busy', { overlap: 'replace' }).replaces).toBe(true);
  });
  test('at work on what is for once: nothing is remembered', () => {
    expect(ask({ schedule: '13:00' }, remembered({ schedule: '13:00' }), 'busy')).toMatchObject({
      note: null,
      hold: null,
      lookAt: null,
    });
  });
  test('paused: the instant is released', () => {
    expect(ask(hourly, before, 'paused').passed).toMatchObject([{ kind: 'missed', because: 'it is paused' }]);
  });
  test('taken by another and released after its run had finished: it waits for the next', () => {
    const { startedAt: _, ...givenBack } = hourly;
    const next = { hold: { nextAt: at('2027-03-10T13:00:00Z') }, occurrence: null };
    const over = { ...before, baselineAt: NOON, lastIsOver: true } as const;
    expect(judge(givenBack, over)).toMatchObject(next);
    const incomplete = { ...hourly, status: 'incomplete' } as const;
    expect(judge(incomplete, { ...before, baselineAt: NOON }).occurrence).toBe(at('2027-03-10T11:00:00Z'));
  });
  test('released and to be tried again: the next instant finds it busy', () => {
    const { startedAt: _, ...givenBack } = hourly;
    const judged = judge(givenBack, { ...before });
    expect(judged).toMatchObject({ occurrence: at('2027-03-10T11:00:00Z'), hold: null });
    expect(judged.passed).toMatchObject([{ kind: 'skipped_overlap' }]);
  });
});

test('jitter is the same for the same task, and is said', () => {
  const profile = scheduled('scheduled', { policy: { jitterMs: 600_000 } });
  const first = judge({ schedule: '14:00' }, undefined, NOON, profile).hold;
  const late = (first?.nextAt ?? 0) - at('2027-03-10T14:00:00Z');
  expect(late).toBeGreaterThan(0);
  expect(late).toBeLessThan(600_000);
  expect(first?.because).toMatch(/; \S+ of it are jitter\)$/);
  expect(judge({ schedule: '14:00' }, undefined, NOON, profile).hold).toEqual(first);
});

test('an instant that had finished when it was written down is run at once; one that was released is not', () => {
  const past = { schedule: '2020-01-01T00:00:00Z', createdAt: '2027-03-10T11:00:00Z' };
  expect(judge(past)).toMatchObject({ hold: null, occurrence: at('2020-01-01T00:00:00Z') });
  const letGo = {
    expression: '2020-01-01T00:00:00Z UTC 2027-03-10T11:00:00Z',
    baselineAt: NOON,
    lastNominalAt: null,
  };
  expect(judge(past, letGo).hold).toMatchObject({
    code: 'schedule-over',
    because: expect.stringContaining('--schedule ""'),
  });
});

test('in a gap of the clocks the reason says so', () => {
  const more = { schedule: '02:30', timezone: 'America/New_York' };
  const judged = judge(more, undefined, at('2027-03-14T05:00:00Z'));
  expect(judged.hold?.because).toBe(
    'waits until 2027-03-14T07:00:00Z (schedule 02:30, America/New_York; the clocks change then, and that time does not exist)',
  );
});
