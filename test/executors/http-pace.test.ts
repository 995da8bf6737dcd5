import { describe, expect, test } from '@jest/globals';
import {
  createEndpointPace,
  LOCAL_ENDPOINT,
  limitsOf,
  REMOTE_ENDPOINT,
} from '../../src/executors/http-pace.ts';
import { eagerClock } from './http-support.ts';

const signal = new AbortController().signal;

describe('the pace of an endpoint', () => {
  test('five at once, then one a second, and who would wait longer is told when to come back', async () => {
    const clock = eagerClock();
    const pace = createEndpointPace({ ...clock, sleep: async (ms) => void clock.slept.push(ms) });
    const begun = clock.now();
    const entries = [];
    for (let n = 0; n < 9; n++) entries.push(await pace.enter('https://a', REMOTE_ENDPOINT, signal));
    expect(entries.slice(0, 8).map((entry) => entry.kind)).toEqual(Array(8).fill('in'));
    expect(clock.slept).toEqual([1000, 2000, 3000]);
    const last = entries[8];
    expect(last).toMatchObject({ kind: 'later', until: begun + 4000 });
    expect(last?.kind === 'later' && last.because).toContain('https://a');
    // Another endpoint has its own bucket.
    expect((await pace.enter('https://b', REMOTE_ENDPOINT, signal)).kind).toBe('in');
  });

  test('so many in flight and no more; one that leaves makes room, and leaving twice makes no more', async () => {
    const pace = createEndpointPace(eagerClock());
    const limits = { perSecond: null, burst: 1, inFlight: 2 };
    const one = await pace.enter('http://a', limits, signal);
    await pace.enter('http://a', limits, signal);
    expect((await pace.enter('http://a', limits, signal)).kind).toBe('later');
    if (one.kind !== 'in') throw new Error('the first came in');
    one.leave();
    one.leave();
    expect((await pace.enter('http://a', limits, signal)).kind).toBe('in');
    expect((await pace.enter('http://a', limits, signal)).kind).toBe('later');
  });

  test.each([
    ['http://127.0.0.1:3530/api', LOCAL_ENDPOINT],
    ['http://localhost:1/', LOCAL_ENDPOINT],
    ['http://[::1]/', LOCAL_ENDPOINT],
    ['https://localhost.example.org/', REMOTE_ENDPOINT],
    ['http://10.0.0.7/', REMOTE_ENDPOINT],
  ])('%s', (url, limits) => {
    expect(limitsOf(new URL(url))).toBe(limits);
  });
});
