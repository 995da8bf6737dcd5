import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { retryDecision } from '../../src/decide/retry.ts';
import type { RetryPolicy } from '../../src/domain/config.ts';
import type { FailureKind, Outcome, StopReason } from '../../src/domain/outcome.ts';
import { NOW } from '../support/tasks.ts';

const policy: RetryPolicy = { attempts: 2, backoffMs: 10_000, maxBackoffMs: 60_000 };

function judged(outcome: Outcome, counted = 1, random = 0, more: Partial<RetryPolicy> = {}) {
  return retryDecision({ attempt: counted }, outcome, { ...policy, ...more }, counted, NOW, random);
}

const failed = (failure: FailureKind, retryable = true): Outcome => ({
  kind: 'failed',
  failure,
  message: 'it broke',
  retryable,
});
const stopped = (reason: StopReason): Outcome => ({ kind: 'stopped', reason });

test('a requested retry time is honoured, and never sooner than our own pause', () => {
  const until = (notBefore: number) => judged({ ...failed('unreachable'), notBefore } as Outcome, 1);
  expect(until(NOW + 3_600_000)).toMatchObject({ again: true, counted: true, at: NOW + 3_600_000 });
  expect(until(NOW + 1)).toMatchObject({ again: true, at: NOW + 10_000 });
});

describe('how often', () => {
  test.each([
    'exit',
    'reported',
    'refused',
    'timeout',
    'silent',
  ] as const)('%s: as the profile says', (failure) => {
    expect(judged(failed(failure), 1)).toMatchObject({ again: true, counted: true, at: NOW + 10_000 });
    expect(judged(failed(failure), 2)).toMatchObject({ again: false });
    expect(judged(failed(failure), 1, 0, { attempts: 1 })).toMatchObject({ again: false });
  });

  test.each([
    'interrupted',
    'unreachable',
    'provider',
  ] as const)('%s: three times at the least', (failure) => {
    expect(judged(failed(failure), 2, 0, { attempts: 1 })).toMatchObject({ again: true, counted: true });
    expect(judged(failed(failure), 3, 0, { attempts: 1 })).toMatchObject({ again: false });
    expect(judged(failed(failure), 4, 0, { attempts: 5 })).toMatchObject({ again: true });
  });

  test('what cannot be helped by trying again is not tried again', () => {
    for (const failure of ['exit', 'interrupted', 'rate-limited'] as const)
      expect(judged(failed(failure, false))).toMatchObject({ again: false });
  });

  test('a used-up quota costs no attempt, however often, and waits longer each time', () => {
    expect(judged(failed('rate-limited'), 1)).toMatchObject({
      again: true,
      counted: false,
      at: NOW + 60_000,
    });
    expect(judged(failed('rate-limited'), 4)).toMatchObject({ again: true, at: NOW + 480_000 });
    expect(judged(failed('rate-limited'), 1000)).toMatchObject({ again: true, at: NOW + 1_800_000 });
  });
});

describe('what was no failure', () => {
  test('success and the graph having moved on end it', () => {
    expect(judged({ kind: 'succeeded' })).toMatchObject({ again: false });
    for (const reason of ['cancelled', 'lost-claim', 'overruled', 'completed', 'detached'] as const)
      expect(judged(stopped(reason))).toMatchObject({ again: false, because: expect.stringMatching(/./) });
  });
  test('a shutdown counts no attempt', () => {
    expect(judged(stopped('shutdown'), 9)).toMatchObject({ again: true, counted: false, at: NOW });
  });
  test('time that ran out is a failed attempt', () => {
    expect(judged(stopped('timeout'), 1)).toMatchObject({ again: true, counted: true });
    expect(judged(stopped('silent'), 2)).toMatchObject({ again: false });
  });
  test('deferred: until then, or after a wait, so that nothing spins', () => {
    const deferred = {
      kind: 'deferred',
      code: 'quota',
      because: 'quota until noon',
      scope: 'account',
    } as const;
    expect(judged({ ...deferred, until: NOW + 7 }, 9)).toEqual({
      again: true,
      at: NOW + 7,
      counted: false,
      because: 'quota until noon',
    });
    expect(judged(deferred)).toMatchObject({ again: true, counted: false, at: NOW + 10_000 });
  });
});

describe('property: how long', () => {
  test('doubles up to the longest, and a quarter of jitter at most', () => {
    const policies = fc.record({
      attempts: fc.integer({ min: 1, max: 100 }),
      backoffMs: fc.integer({ min: 0, max: 100_000 }),
      maxBackoffMs: fc.integer({ min: 0, max: 10_000_000 }),
    });
    const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 99 }), randoms, (more, counted, random) => {
        const decision = judged(failed('exit'), counted, random, more);
        expect(decision.again).toBe(counted < more.attempts);
        if (!decision.again) return;
        const wait = Math.min(more.backoffMs * 2 ** (counted - 1), more.maxBackoffMs);
        expect(decision.at - NOW).toBeGreaterThanOrEqual(wait);
        expect(decision.at - NOW).toBeLessThanOrEqual(Math.ceil(wait * 1.25));
        expect(Number.isSafeInteger(decision.at)).toBe(true);
      }),
    );
  });
});
