import { expect, test } from '@jest/globals';
import { relativeTime, roughDuration, timeOfDay } from '../../../src/cli/render/relative-time.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');

test.each([
  ['2026-06-01T12:00:00Z', 'now'],
  ['2026-06-01T12:00:45Z', 'in 45 s'],
  ['2026-06-01T11:57:00Z', '3 min ago'],
  ['2026-06-01T14:00:00Z', 'in 2 h'],
  ['2026-06-01T14:05:00Z', 'in 2 h 5 min'],
  ['2026-06-02T09:00:00Z', 'in 21 h'],
  ['2026-06-11T12:00:00Z', 'in 10 d'],
  ['soon', 'soon'],
])('%s is %s', (instant, text) => {
  expect(relativeTime(instant, NOW)).toBe(text);
});

test('no instant is no text', () => {
  expect(relativeTime(null, NOW)).toBe('');
});

test.each([
  [59_499, '59 s'],
  [59_600, '1 min'],
  [3_599_000, '1 h'],
  [7_199_000, '2 h'],
  [86_400_000, '24 h'],
])('%d ms is %s', (ms, text) => {
  expect(roughDuration(ms)).toBe(text);
});

test('the time of day is local and always eight characters', () => {
  expect(timeOfDay(new Date(2026, 5, 1, 9, 3, 5).getTime())).toBe('09:03:05');
});
