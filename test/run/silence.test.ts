import { expect, test } from '@jest/globals';
import { LiveRun } from '../../src/run/live-run.ts';
import { nextSilenceAt, silenceLevel, silenceText } from '../../src/run/silence.ts';
import { NOW, run as runOf } from '../support/tasks.ts';

const run = (more: Parameters<typeof runOf>[2]) => runOf('w', 't', more);

const MINUTE = 60_000;
const process = { pid: 7, startTime: '1', bootId: 'b' };
const live = (more = {}) => new LiveRun(run({ phase: 'started', process, ...more }), null, NOW);

test('five minutes are a warning, fifteen are critical, a sign of life ends both', () => {
  const one = live();
  const levels = [0, 4.9, 5, 14.9, 15, 600].map((minutes) => silenceLevel(one, NOW + minutes * MINUTE));
  expect(levels).toEqual([null, null, 'warning', 'warning', 'critical', 'critical']);
  expect([0, 5, 15].map((minutes) => nextSilenceAt(one, NOW + minutes * MINUTE))).toEqual([
    NOW + 5 * MINUTE,
    NOW + 15 * MINUTE,
    null,
  ]);
  one.progress = 'reading';
  expect(silenceText(one, NOW + 7 * MINUTE)).toBe('no sign of life for 7 min; last: reading');
  one.progressAt = NOW + 20 * MINUTE;
  expect(silenceLevel(one, NOW + 21 * MINUTE)).toBeNull();
  expect(silenceText(one, NOW + 21 * MINUTE)).toBeNull();
});

test('only processes of the supervisor are expected to say something, and only while they have something to do', () => {
  const later = NOW + 3_600_000;
  expect(silenceLevel(live({ process: null }), later)).toBeNull();
  expect(silenceLevel(live({ phase: 'handed-off' }), later)).toBeNull();
  const over = live();
  over.declared = { kind: 'succeeded' };
  expect(silenceLevel(over, later)).toBeNull();
  const ending = live();
  ending.stop('cancelled');
  expect([silenceLevel(ending, later), nextSilenceAt(ending, later)]).toEqual([null, null]);
});

test('a jump of the clock takes no time and gives none', () => {
  const one = live({ deadlineAt: NOW + MINUTE });
  one.lingerUntil = NOW + 2 * MINUTE;
  one.shift(86_400_000);
  expect(silenceLevel(one, NOW + 86_400_000 + MINUTE)).toBeNull();
  expect([one.run.deadlineAt, one.lingerUntil]).toEqual([NOW + 86_460_000, NOW + 86_520_000]);
  one.shift(-86_400_000);
  expect(one.endsAt).toBe(NOW + 2 * MINUTE);
});
