import { expect, test } from '@jest/globals';
import {
  agoText,
  countText,
  moneyText,
  plainText,
  safeLink,
  sizeText,
  spanText,
} from '../../src/page/words.ts';

test.each([
  [0, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
  [3_900_000, '1 h 5 min'],
  [12 * 3_600_000 + 60_000, '12 h'],
  [90_000_000, '1 d 1 h'],
  [-5, '0 s'],
])('a span of %d ms', (ms, text) => {
  expect(spanText(ms)).toBe(text);
});

test('instants from here', () => {
  const now = Date.parse('2027-01-01T12:00:00Z');
  expect(agoText('2027-01-01T11:48:00Z', now)).toBe('12 min ago');
  expect(agoText('2027-01-01T11:59:58Z', now)).toBe('just now');
  expect(agoText('2027-01-01T15:00:00Z', now)).toBe('in 3 h');
  expect([agoText(null, now), agoText('nonsense', now)]).toEqual(['', '']);
});

test('amounts', () => {
  expect([9, 1200, 34_000, 999_499, 999_500, 5_100_000].map(countText)).toEqual([
    '9',
    '1.2 k',
    '34 k',
    '999 k',
    '1.0 M',
    '5.1 M',
  ]);
  expect([0.5, 99.99, 100].map(moneyText)).toEqual(['$0.50', '$99.99', '$100']);
  expect([12, 2048, 5 * 1024 ** 2].map(sizeText)).toEqual(['12 B', '2 KiB', '5.0 MiB']);
});

test('what would hide or turn text around is shown as its number, and length has an end', () => {
  expect(plainText('a\u202eb\u0000c\u200bd')).toBe('a‹202e›b‹0000›c‹200b›d');
  expect(plainText('\u001b[31mred')).toBe('‹001b›[31mred');
  expect(plainText('tab\tand\nline')).toBe('tab\tand\nline');
  expect(plainText('x'.repeat(1_000_000), 10)).toBe(`${'x'.repeat(10)}…`);
});

test('only http and https are links', () => {
  expect(safeLink('https://example.net/a?b#c')).toBe('https://example.net/a?b#c');
  for (const text of [
    'javascript:alert(1)',
    'data:text/html,x',
    ' https://x',
    'https://a b',
    'file:///etc/passwd',
    '//x',
  ])
    expect(safeLink(text)).toBeNull();
});
