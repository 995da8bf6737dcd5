import { expect, test } from '@jest/globals';
import { isLoopback } from '../../src/domain/loopback.ts';

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['::1', true],
  ['[::1]', true],
  ['localhost.example.net', false],
  ['10.127.0.0.1', false],
  ['127.0.0.1.example.net', false],
  ['::2', false],
])('%s', (host, is) => {
  expect(isLoopback(host)).toBe(is);
});
