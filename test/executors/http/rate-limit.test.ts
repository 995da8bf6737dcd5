import { describe, expect, test } from '@jest/globals';
import { createEndpointPace } from '../../../src/executors/http/rate-limit.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { eagerClock } from './support.ts';

const signal = new AbortController().signal;

describe('the pace of an endpoint', () => {
  test('five at once, then one per second, and a longer wait is answered with when to come back', async () => {
    const clock = eagerClock();
    const pace = createEndpointPace({ ...clock, sleep: async (ms) => void clock.slept.push(ms) });
    const begun = clock.now();
    const limits = { perSecond: 1, burst: 5, inFlight: 100 };
    const entries = [];
    for (let n = 0; n < 16; n++) entries.push(await pace.enter('https://a', limits, signal));
    expect(entries.slice(0, 15).map((entry) => entry.kind)).toEqual(Array(15).fill('in'));
    expect(clock.slept).toEqual([1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000]);
    const last = entries[15];
    expect(last).toMatchObject({ kind: 'later', until: begun + 11_000 });
    expect(last?.kind === 'later' && last.because).toContain('https://a');
    // Another endpoint has its own bucket.
    expect((await pace.enter('https://b', limits, signal)).kind).toBe('in');
  });

  test('this many in flight: the next waits for one to leave, and leaving twice makes room once', async () => {
    const pace = createEndpointPace(systemClock());
    const limits = { perSecond: null, burst: 1, inFlight: 2 };
    const one = await pace.enter('http://a', limits, signal);
    await pace.enter('http://a', limits, signal);
    const order: string[] = [];
    const third = pace.enter('http://a', limits, signal).then((entry) => order.push(entry.kind));
    const gone = new AbortController();
    const fourth = pace.enter('http://a', limits, gone.signal).then((entry) => order.push(entry.kind));
    if (one.kind !== 'in') throw new Error('the first came in');
    one.leave();
    one.leave();
    await third;
    expect(order).toEqual(['in']);
    gone.abort();
    await fourth;
    expect(order).toEqual(['in', 'later']);
  });

  test('where everyone who is in rests, the next is sent away at once, until one is awake', async () => {
    const clock = eagerClock();
    const pace = createEndpointPace(clock);
    const limits = { perSecond: null, burst: 1, inFlight: 2 };
    const [one, two] = [
      await pace.enter('http://a', limits, signal),
      await pace.enter('http://a', limits, signal),
    ];
    if (one.kind !== 'in' || two.kind !== 'in') throw new Error('both came in');
    const awake = [one.rest(), two.rest()];
    expect(await pace.enter('http://a', limits, signal)).toEqual({
      kind: 'later',
      until: clock.now() + 60_000,
      because: '2 messages to http://a wait to be delivered again',
    });
    expect(clock.slept).toEqual([]);
    awake[0]?.();
    awake[0]?.();
    expect(await pace.enter('http://a', limits, signal)).toMatchObject({
      because: '2 requests to http://a are under way already',
    });
    expect(clock.slept).toEqual([10_000]);
    two.leave();
    awake[1]?.();
    expect((await pace.enter('http://a', limits, signal)).kind).toBe('in');
  });

  test('who waits too long for room is told when to come back', async () => {
    const clock = eagerClock();
    const pace = createEndpointPace(clock);
    const limits = { perSecond: null, burst: 1, inFlight: 1 };
    await pace.enter('http://a', limits, signal);
    const begun = clock.now();
    expect(await pace.enter('http://a', limits, signal)).toMatchObject({
      kind: 'later',
      until: begun + 20_000,
    });
  });
});
