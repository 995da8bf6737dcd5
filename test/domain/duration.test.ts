import { describe, expect, test } from '@jest/globals';
import { formatDuration, parseDuration, parseWgTimeout } from '../../src/domain/duration.ts';

describe('our durations', () => {
  test.each([
    ['30s', 30_000],
    ['2h', 7_200_000],
    ['500ms', 500],
    ['1d', 86_400_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['0s', 0],
    [0, 0],
  ])('%p is %p ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    '',
    'soon',
    '30',
    30,
    '-5s',
    '5 minutes',
    '1e3s',
    '5sec',
    'NaN',
    Number.POSITIVE_INFINITY,
    '99999999d',
  ])('%p is refused', (text) => {
    expect(() => parseDuration(text)).toThrow(/is not a duration such as "500ms"/);
  });

  test('a bare number is told how to say seconds', () => {
    try {
      parseDuration(30);
      throw new Error('was taken');
    } catch (error) {
      expect(error).toMatchObject({ code: 'config', hint: 'give it a unit: "30s" are seconds' });
    }
  });

  test.each([
    [0, '0s'],
    [500, '500ms'],
    [90_000, '90s'],
    [7_200_000, '2h'],
    [86_400_000, '1d'],
  ])('%p ms is written %p, and read back', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});

describe("wg's timeouts", () => {
  test.each([
    ['90', 90_000],
    ['30s', 30_000],
    ['30m', 1_800_000],
    ['2h', 7_200_000],
    ['', 0],
    ['0', 0],
    ['1d', null],
    ['500ms', null],
    ['1.5h', null],
    ['soon', null],
  ])('%p is %p', (text, ms) => expect(parseWgTimeout(text)).toBe(ms));
});
