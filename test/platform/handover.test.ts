import { expect, test } from '@jest/globals';
import { descriptorsOf, handoverText, readHandover } from '../../src/platform/handover.ts';

const LEFT = { lock: 4, socket: 5, tcp: [{ host: '127.0.0.1', port: 7420, fd: 6 }] };

test('what is left comes through', () => {
  expect(readHandover(handoverText(LEFT))).toEqual(LEFT);
  expect(descriptorsOf(LEFT)).toEqual([4, 5, 6]);
});

test.each([
  undefined,
  '',
  'x',
  'null',
  '[]',
  '{}',
  JSON.stringify({ ...LEFT, lock: 0 }),
  JSON.stringify({ ...LEFT, socket: 2 }),
  JSON.stringify({ ...LEFT, socket: '5' }),
  JSON.stringify({ ...LEFT, tcp: {} }),
  JSON.stringify({ ...LEFT, tcp: [null] }),
  JSON.stringify({ ...LEFT, tcp: [{ host: 1, port: 7420, fd: 6 }] }),
  JSON.stringify({ ...LEFT, tcp: [{ host: '::1', port: 0, fd: 6 }] }),
  JSON.stringify({ ...LEFT, tcp: [{ host: '::1', port: 1.5, fd: 6 }] }),
])('%s was written by no supervisor', (text) => {
  expect(readHandover(text)).toBeNull();
});
