import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Situation, type Step, stepSchedule } from '../../../src/decide/schedules/occurrences.ts';
import { nextInstant, parseSchedule, type Schedule } from '../../../src/decide/schedules/schedule.ts';
import type { ScheduleMemory } from '../../../src/decide/world.ts';
import type { SchedulePolicy } from '../../../src/domain/schedule-policy.ts';
import { POLICY } from '../../support/tasks.ts';

const at = (text: string) => Date.parse(text);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function read(text: string, zone = 'UTC'): Schedule {
  const parsed = parseSchedule(text, zone);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.schedule;
}

/** A schedule that is looked at again and again, with what it remembers in between. */
function follow(
  text: string,
  since: string,
  more: { policy?: Partial<SchedulePolicy>; offsetMs?: number; zone?: string } = {},
) {
  const schedule = read(text, more.zone);
  let memory: ScheduleMemory = { expression: text, baselineAt: at(since), lastNominalAt: null };
  let last: Step | null = null;
  const look = (now: string, situation: Situation = 'open') => {
    last = stepSchedule({
      schedule,
      memory,
      now: at(now),
      policy: { ...POLICY, ...more.policy },
      offsetMs: more.offsetMs ?? 0,
      situation,
    });
    memory = last.memory;
    const passed = last.passed.map(({ kind, count, nominalAt }) => `${kind} ${count} ${short(nominalAt)}`);
    return [last.due === null ? `next ${short(last.nextAt)}` : `due ${short(last.due)}`, ...passed].join(
      ', ',
    );
  };
  return {
    look,
    /** What is due is begun. */
    begin() {
      const due = last?.due ?? null;
      if (due === null) throw new Error('nothing is due');
      const pendingRuns = (memory.pendingRuns ?? []).filter((instant) => instant > due);
      memory = { ...memory, lastNominalAt: due, pendingRuns };
    },
    because: () => last?.passed.map((one) => one.because) ?? [],
    lookAt: () => short(last?.lookAt ?? null),
  };
}

const short = (instant: number | null) =>
  instant === null ? 'never' : new Date(instant).toISOString().slice(8, 16);

describe('recurring, when no one looked', () => {
  test('on time, and not again', () => {
    const daily = follow('0 9 * * *', '2027-03-10T08:00:00Z');
    expect(daily.look('2027-03-10T08:59:59Z')).toBe('next 10T09:00');
    expect(daily.look('2027-03-10T09:00:00Z')).toBe('due 10T09:00');
    expect(daily.look('2027-03-10T09:00:01Z')).toBe('due 10T09:00');
    daily.begin();
    expect(daily.look('2027-03-10T09:00:02Z')).toBe('next 11T09:00');
  });

  test('latest: one for any number, the latest', () => {
    const daily = follow('0 9 * * *', '2027-03-10T08:00:00Z');
    expect(daily.look('2027-03-13T12:00:00Z')).toBe('due 13T09:00, missed 3 12T09:00');
    expect(daily.because()).toEqual(['one run makes up for all that were missed']);
    daily.begin();
    expect(daily.look('2027-03-13T12:00:01Z')).toBe('next 14T09:00');
  });

  test('skip: none, but one that is noticed within a moment was not missed', () => {
    const daily = follow('0 9 * * *', '2027-03-10T08:00:00Z', { policy: { catchup: 'skip' } });
    expect(daily.look('2027-03-12T09:02:00Z')).toBe('next 13T09:00, missed 3 12T09:00');
    expect(daily.because()).toEqual(['the supervisor was not running when it came (catchup = "skip")']);
    expect(daily.look('2027-03-14T09:01:00Z')).toBe('due 14T09:00, missed 1 13T09:00');
  });

  test('all: each, oldest first, at most ten; more than ten are told as such', () => {
    const daily = follow('0 9 * * *', '2027-03-10T08:00:00Z', { policy: { catchup: 'all' } });
    expect(daily.look('2027-03-12T12:00:00Z')).toBe('due 10T09:00');
    for (const next of ['due 11T09:00', 'due 12T09:00', 'next 13T09:00']) {
      daily.begin();
      expect(daily.look('2027-03-12T12:00:01Z')).toBe(next);
      if (next.startsWith('next')) break;
    }
    const hourly = follow('0 * * * *', '2027-03-10T08:00:00Z', { policy: { catchup: 'all' } });
    expect(hourly.look('2027-03-12T08:30:00Z')).toBe('due 11T23:00, missed 1 11T22:00');
    const minutes = follow('* * * * *', '2020-01-01T00:00:00Z');
    expect(minutes.look('2027-03-12T08:30:00Z')).toBe('due 12T08:30, missed 10 12T08:29');
  });

  test('catchup_window: what was missed for longer is released', () => {
    const yearly = follow('0 9 1 1 *', '2026-12-01T00:00:00Z');
    expect(yearly.look('2027-01-08T09:00:00Z')).toBe('due 01T09:00');
    const late = follow('0 9 1 1 *', '2026-12-01T00:00:00Z');
    expect(late.look('2027-01-08T09:00:01Z')).toBe('next 01T09:00, missed 1 01T09:00');
    expect(late.because()).toEqual(['it was missed for longer than 7d (catchup_window)']);
    const all = follow('0 9 * * *', '2027-03-01T00:00:00Z', {
      policy: { catchup: 'all', catchupWindowMs: 2 * DAY },
    });
    expect(all.look('2027-03-10T10:00:00Z')).toBe('due 09T09:00, missed 8 08T09:00');
  });

  test('what came while it was paused is released', () => {
    const daily = follow('0 9 * * *', '2027-03-10T08:00:00Z');
    expect(daily.look('2027-03-12T12:00:00Z', 'paused')).toBe('next 13T09:00, missed 3 12T09:00');
    expect(daily.look('2027-03-12T12:00:01Z')).toBe('next 13T09:00');
  });
});

describe('recurring, while it waits to start', () => {
  test('its dependencies may take longer than to the next instant: one run, for the latest', () => {
    const hourly = follow('0 * * * *', '2027-03-10T08:30:00Z');
    expect(hourly.look('2027-03-10T09:00:00Z')).toBe('due 10T09:00');
    expect(hourly.look('2027-03-10T10:00:00Z')).toBe('due 10T10:00, missed 1 10T09:00');
  });

  test('start_deadline: due for longer is released, and that is looked at in time', () => {
    const policy = { startDeadlineMs: 15 * 60_000 };
    const daily = follow('0 9 * * *', '2027-03-10T08:00:00Z', { policy });
    expect(daily.look('2027-03-10T09:00:00Z')).toBe('due 10T09:00');
    expect(daily.lookAt()).toBe('10T09:15');
    expect(daily.look('2027-03-10T09:14:59Z')).toBe('due 10T09:00');
    expect(daily.look('2027-03-10T09:15:00Z')).toBe('next 11T09:00, missed 1 10T09:00');
    expect(daily.because()).toEqual(['it could not start within 15m (start_deadline)']);
  });
});

describe('recurring, while its previous run is not over', () => {
  const begun = (overlap: SchedulePolicy['overlap']) => {
    const hourly = follow('0 * * * *', '2027-03-10T08:30:00Z', { policy: { overlap } });
    hourly.look('2027-03-10T09:00:00Z');
    hourly.begin();
    return hourly;
  };
  test('skip', () => {
    const hourly = begun('skip');
    expect(hourly.look('2027-03-10T11:10:00Z', 'busy')).toBe('next 10T12:00, skipped_overlap 2 10T11:00');
    expect(hourly.look('2027-03-10T11:20:00Z')).toBe('next 10T12:00');
  });
  test('queue_one', () => {
    const hourly = begun('queue_one');
    expect(hourly.look('2027-03-10T10:00:00Z', 'busy')).toBe('due 10T10:00');
    expect(hourly.look('2027-03-10T11:00:00Z', 'busy')).toBe('due 10T11:00, skipped_overlap 1 10T10:00');
    expect(hourly.look('2027-03-10T11:20:00Z')).toBe('due 10T11:00');
  });
  test('replace', () => {
    expect(begun('replace').look('2027-03-10T10:00:00Z', 'busy')).toBe('due 10T10:00');
  });
});

describe('for once', () => {
  test('a time of day comes the next time the clock reads it, and is then past its gate for good', () => {
    const once = follow('09:00', '2027-03-10T10:00:00Z');
    expect(once.look('2027-03-10T10:00:00Z')).toBe('next 11T09:00');
    expect(once.look('2027-03-11T09:00:00Z')).toBe('due 11T09:00');
    once.begin();
    expect(once.look('2027-03-15T12:00:00Z')).toBe('due 11T09:00');
  });

  test('missed: made up for, or another day for a time of day, or never for an instant', () => {
    expect(follow('09:00', '2027-03-10T10:00:00Z').look('2027-03-12T12:00:00Z')).toBe('due 11T09:00');
    const skip = { policy: { catchup: 'skip' } } as const;
    const clock = follow('09:00', '2027-03-10T10:00:00Z', skip);
    expect(clock.look('2027-03-11T12:00:00Z')).toBe('next 12T09:00, missed 1 11T09:00');
    expect(clock.look('2027-03-12T09:00:00Z')).toBe('due 12T09:00');
    const instant = follow('2027-03-11T09:00', '2027-03-10T10:00:00Z', skip);
    expect(instant.look('2027-03-11T12:00:00Z')).toBe('next never, missed 1 11T09:00');
    expect(instant.look('2027-03-11T12:00:01Z')).toBe('next never');
  });

  test('noticed in time it waits for what it needs, however long that takes', () => {
    const once = follow('09:00', '2027-03-10T08:00:00Z', { policy: { catchup: 'skip' } });
    expect(once.look('2027-03-10T09:00:30Z')).toBe('due 10T09:00');
    expect(once.look('2027-04-30T09:00:00Z')).toBe('due 10T09:00');
  });

  test('start_deadline', () => {
    const once = follow('09:00', '2027-03-10T08:00:00Z', { policy: { startDeadlineMs: 60_000 } });
    expect(once.look('2027-03-10T09:00:30Z')).toBe('due 10T09:00');
    expect(once.lookAt()).toBe('10T09:01');
    expect(once.look('2027-03-10T09:01:00Z')).toBe('next 11T09:00, missed 1 10T09:00');
  });

  test('in a gap of the clocks it is run at the first instant after it', () => {
    const once = follow('02:30', '2027-03-14T05:00:00Z', { zone: 'America/New_York' });
    expect(once.look('2027-03-14T05:00:00Z')).toBe('next 14T07:00');
    expect(once.look('2027-03-14T07:00:00Z')).toBe('due 14T07:00');
  });
});

test('jitter: later by the same every time, and its instants stay what they are', () => {
  const daily = follow('0 9 * * *', '2027-03-10T08:00:00Z', { offsetMs: 7 * 60_000 });
  expect(daily.look('2027-03-10T09:06:59Z')).toBe('next 10T09:07');
  expect(daily.look('2027-03-10T09:07:00Z')).toBe('due 10T09:00');
  daily.begin();
  expect(daily.look('2027-03-10T09:07:00Z')).toBe('next 11T09:07');
});

describe('properties, however time moves', () => {
  const texts = fc.constantFrom(
    '0 9 * * *',
    '*/20 * * * *',
    '30 1 * * *',
    '30 1,2 * * *',
    '30 2 * * *',
    '0 0 1 * *',
    '09:00',
  );
  const zones = fc.constantFrom('America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kolkata');
  const policies = fc.record({
    catchup: fc.constantFrom('latest', 'skip', 'all'),
    catchupWindowMs: fc.constantFrom(HOUR, 7 * DAY),
    overlap: fc.constantFrom('skip', 'queue_one', 'replace'),
    startDeadlineMs: fc.constantFrom(null, 10 * 60_000),
    jitterMs: fc.constant(0),
  }) satisfies fc.Arbitrary<SchedulePolicy>;
  const moves = fc.array(
    fc.record({
      ms: fc.oneof(
        fc.integer({ min: 0, max: 2 * HOUR }),
        fc.integer({ min: -3 * DAY, max: 9 * DAY }),
        fc.constantFrom(0, 60_000, -HOUR),
      ),
      situation: fc.constantFrom<Situation>('open', 'open', 'busy', 'paused'),
      begins: fc.boolean(),
    }),
    { maxLength: 40 },
  );

  test('no instant is run twice or before its time; making up is bounded; nothing is lost without a word', () => {
    fc.assert(
      fc.property(
        texts,
        zones,
        policies,
        moves,
        fc.constantFrom(0, 420_000),
        (text, zone, policy, steps, offsetMs) => {
          const schedule = read(text, zone);
          let now = at('2027-10-25T12:00:00Z');
          let memory: ScheduleMemory = { expression: text, baselineAt: now, lastNominalAt: null };
          const begun: number[] = [];
          let letGo = 0;
          for (const { ms, situation, begins } of steps) {
            now += ms;
            if (schedule.kind !== 'cron' && situation === 'busy') continue;
            const from = { schedule, memory, now, policy, offsetMs, situation };
            const step = stepSchedule(from);
            letGo += step.passed.reduce((sum, passed) => sum + passed.count, 0);
            const pendingRuns = step.memory.pendingRuns ?? [];
            expect(pendingRuns.length).toBeLessThanOrEqual(policy.catchup === 'all' ? 10 : 1);
            expect([...pendingRuns].sort((a, b) => a - b)).toEqual(pendingRuns);
            if (step.due !== null && memory.lastNominalAt !== step.due)
              expect(step.due + offsetMs).toBeLessThanOrEqual(now);
            if (step.lookAt !== null && ms >= 0 && step.due === null)
              expect(step.lookAt).toBeGreaterThan(now);
            // Looking twice is looking once.
            const again = stepSchedule({ ...from, memory: step.memory });
            expect(again).toEqual({ ...step, passed: [] });
            expect(again.memory).toBe(step.memory);
            memory = step.memory;
            if (step.due === null || !begins || situation !== 'open') continue;
            if (schedule.kind !== 'cron' && memory.lastNominalAt !== null) continue;
            expect(begun).not.toContain(step.due);
            expect(step.due).toBeGreaterThan(begun.at(-1) ?? 0);
            const isNew = !begun.includes(step.due);
            if (isNew && ms >= 0) expect(pendingRuns).toContain(step.due);
            begun.push(step.due);
            memory = {
              ...memory,
              lastNominalAt: step.due,
              pendingRuns: pendingRuns.filter((one) => one > (step.due ?? 0)),
            };
          }
          if (schedule.kind !== 'cron') return;
          let came = 0;
          const until = Math.max(memory.baselineAt, memory.lastNominalAt ?? 0);
          for (
            let next = nextInstant(schedule, at('2027-10-25T12:00:00Z'));
            next !== null && next <= until;
          ) {
            came++;
            next = nextInstant(schedule, next);
          }
          const known = begun.length + letGo + (memory.pendingRuns?.length ?? 0);
          // A step counts no more than eleven.
          expect(known).toBeLessThanOrEqual(came);
          if (came <= 10) expect(known).toBe(came);
        },
      ),
      { numRuns: 120 },
    );
  });

  test('whatever was slept through, one look makes up for at most ten', () => {
    fc.assert(
      fc.property(texts, policies, fc.integer({ min: 0, max: 400 * DAY }), (text, policy, asleep) => {
        const schedule = read(text);
        const since = at('2027-01-01T00:00:00Z');
        const memory = { expression: text, baselineAt: since, lastNominalAt: null };
        const step = stepSchedule({
          schedule,
          memory,
          now: since + asleep,
          policy,
          offsetMs: 0,
          situation: 'open',
        });
        const most = policy.catchup === 'all' ? 10 : 1;
        expect(step.memory.pendingRuns?.length ?? 0).toBeLessThanOrEqual(most);
        for (const instant of step.memory.pendingRuns ?? []) {
          expect(instant).toBeLessThanOrEqual(since + asleep);
          expect(since + asleep - instant).toBeLessThanOrEqual(Math.max(policy.catchupWindowMs, 90_000));
        }
      }),
      { numRuns: 80 },
    );
  });
});
