import { describe, expect, test } from '@jest/globals';
import { judgeSchedule } from '../../src/decide/task-schedule.ts';
import type { ScheduleMemory } from '../../src/decide/world.ts';
import type { ScheduleProfile } from '../../src/domain/profile.ts';
import type { Task } from '../../src/domain/task.ts';
import { config, profiles, scheduled, task } from '../support/tasks.ts';

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
    cache: new Map(),
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
  test('a task that was deleted and made anew under the same id begins afresh', () => {
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
  test('a task for once that is open again goes on at once', () => {
    for (const schedule of ['09:00', '2027-03-10T09:00']) {
      const more = { schedule, startedAt: '2027-03-10T09:00:01Z' };
      expect(judge(more, remembered(more, nominal))).toMatchObject({ hold: null, occurrence: nominal });
    }
  });
  test('a recurring one that was given back goes on with its occurrence', () => {
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
