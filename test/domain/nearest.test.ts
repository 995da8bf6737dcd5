import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nearest } from '../../src/domain/nearest.ts';

const KEYS = ['max_concurrent', 'mode', 'model', 'method', 'timeout', 'timezone', 'type', 'via'];

describe('did you mean', () => {
  test.each([
    ['max_concurent', 'max_concurrent'],
    ['max-concurrent', 'max_concurrent'],
    ['MaxConcurrent', 'max_concurrent'],
    ['methd', 'method'],
    ['tpye', 'type'],
    ['modl', 'mode'],
    ['timezone', 'timezone'],
    ['zebra', null],
    ['x', null],
    ['moderate', null],
    ['maximal_use', null],
    ['', null],
    ['timeout_for_everything', null],
  ])('%j: %j', (word, expected) => expect(nearest(word, KEYS)).toBe(expected));

  test('a known word is its own nearest, and nothing is near to nothing', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 100 }), (word) => nearest(word, [word]) === word),
    );
    expect(nearest('mode', [])).toBeNull();
  });

  test('a huge word costs nothing', () => {
    expect(nearest('x'.repeat(1_000_000), KEYS)).toBeNull();
  });
});
