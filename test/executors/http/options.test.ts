import { expect, test } from '@jest/globals';
import { deliveryTo } from '../../../src/executors/http/options.ts';
import { httpProfile } from './support.ts';

const FAR = new URL('https://agent.example/');

test('the defaults are those of the protocol', () => {
  expect(deliveryTo(httpProfile(), FAR)).toEqual({
    connectMs: 5000,
    responseMs: 20_000,
    attempts: 8,
    backoffMs: 5000,
    maxBackoffMs: 600_000,
    windowMs: 3_600_000,
    inFlight: 10,
    perSecond: 1,
    burst: 5,
  });
});

test('an answer that is the result may take its time, and is bounded by max_concurrent rather than by us', () => {
  const { responseMs, inFlight } = deliveryTo(httpProfile({ completion: 'response' }), FAR);
  expect([responseMs, inFlight]).toEqual([1_800_000, Number.POSITIVE_INFINITY]);
});

test.each([
  ['http://127.0.0.1:3530/api', null],
  ['http://localhost:1/', null],
  ['http://[::1]/', null],
  ['https://localhost.example.org/', 1],
  ['http://10.0.0.7/', 1],
])('%s: %p a second', (url, perSecond) => {
  expect(deliveryTo(httpProfile(), new URL(url)).perSecond).toBe(perSecond);
});

test('what the profile says counts before everything else, on this machine and for answers too', () => {
  const delivery = { perSecond: 2, responseMs: 1000, inFlight: 3, attempts: 1 };
  const profile = httpProfile({ completion: 'response', delivery });
  expect(deliveryTo(profile, new URL('http://localhost/'), { attempts: 5, burst: 9 })).toMatchObject({
    ...delivery,
    burst: 9,
  });
});
