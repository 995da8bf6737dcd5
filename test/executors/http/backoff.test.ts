import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { jitteredDelay, nextDelay, retryAfterMs } from '../../../src/executors/http/backoff.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const PACE = { baseMs: 5000, capMs: 600_000 };

describe('jitteredDelay', () => {
  test('lies below a ceiling that doubles up to the cap', () => {
    const almostOne = 1 - Number.EPSILON;
    expect([1, 2, 3, 7, 8, 20].map((tries) => jitteredDelay(tries, PACE, almostOne) + 1)).toEqual([
      5000, 10_000, 20_000, 320_000, 600_000, 600_000,
    ]);
    expect(jitteredDelay(5, PACE, 0)).toBe(0);
  });

  test('stays finite and within the cap for any number of tries', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (tries, random) => {
          const delay = jitteredDelay(tries, PACE, random);
          return Number.isInteger(delay) && delay >= 0 && delay <= PACE.capMs;
        },
      ),
    );
  });
});

describe('retryAfterMs', () => {
  test.each([
    ['120', 120_000],
    ['0', 1000],
    ['Sun, 22 Nov 2026 12:02:00 GMT', 120_000],
    ['Sun, 22 Nov 2026 11:00:00 GMT', 1000],
    [String(10 * 365 * 86_400), 3_600_000],
    ['Sun, 22 Nov 2036 12:00:00 GMT', 3_600_000],
    ['9'.repeat(400), 3_600_000],
    ['Xyz, 99 Foo 2026 99:99:99 GMT', 1000],
  ])('%s', (header, expected) => {
    expect(retryAfterMs(header, NOW)).toBe(expected);
  });

  // Date.parse alone would read 'soon 1' as the year 2001.
  test.each([
    'soon',
    'soon 1',
    '-5',
    '1.5',
    '',
    ' ',
    '2026-11-22',
    '120, 240',
  ])('%j says nothing', (header) => {
    expect(retryAfterMs(header, NOW)).toBeNull();
  });

  test('the longer of the two waits counts', () => {
    expect(nextDelay(1, PACE, 0.5, '120', NOW)).toBe(120_000);
    expect(nextDelay(7, PACE, 0.99, '1', NOW)).toBe(316_800);
    expect(nextDelay(1, PACE, 0.5, undefined, NOW)).toBe(2500);
  });
});
