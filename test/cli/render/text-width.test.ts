import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { shorten, shortenStart, textWidth, wrap } from '../../../src/cli/render/text-width.ts';

describe('textWidth', () => {
  test.each([
    ['plain', 5],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['👍', 2],
    ['👨‍👩‍👧', 2],
    ['🇫🇷', 2],
    ['❤️', 2],
    ['', 0],
  ])('%j takes %d columns', (text, width) => {
    expect(textWidth(text)).toBe(width);
  });
});

describe('shorten', () => {
  test.each([
    ['deploy-to-staging', 8, 'deploy-…'],
    ['short', 8, 'short'],
    ['日本語', 4, '日…'],
    ['ab👨‍👩‍👧cd', 4, 'ab…'],
    ['ab👨‍👩‍👧cd', 5, 'ab👨‍👩‍👧…'],
    ['abc', 0, ''],
  ])('%j to %d', (text, width, short) => {
    expect(shorten(text, width)).toBe(short);
  });

  test('keeps the end of a path', () => {
    expect(shortenStart('/home/me/src/shop', 9)).toBe('…src/shop');
  });

  test('never exceeds the width and never splits a grapheme', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '日', '👨‍👩‍👧', 'e\u0301', '🇫🇷', ' ') });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 20 }), (whole, width) => {
        for (const short of [shorten(whole, width), shortenStart(whole, width)]) {
          expect(textWidth(short)).toBeLessThanOrEqual(width);
          const parts = [...new Intl.Segmenter().segment(short.replace('…', ''))].map((part) => part.segment);
          for (const part of parts) expect(['a', '日', '👨‍👩‍👧', 'e\u0301', '🇫🇷', ' ']).toContain(part);
        }
      }),
    );
  });
});

test('wrap breaks at spaces and leaves long words whole', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrap('anextremelylongword b', 5)).toEqual(['anextremelylongword', 'b']);
});
