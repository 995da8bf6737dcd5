import { expect, test } from '@jest/globals';
import { preferredWait } from '../../../src/api/request/prefer.ts';

test.each([
  ['wait=30', 30],
  ['respond-async, wait=10', 10],
  ['wait = "7"', 7],
  ['WAIT=5; x=y', 5],
  ['wait=999999', 50],
  ['wait=0', 0],
  ['wait=-1', null],
  ['wait', null],
  ['awaits=3', null],
  ['', null],
  [undefined, null],
])('%s → %s', (header, seconds) => {
  expect(preferredWait(header)).toBe(seconds);
});
