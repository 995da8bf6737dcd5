import { describe, expect, test } from '@jest/globals';
import { createCircuits, type Permit } from '../../../src/executors/http/circuit-breaker.ts';

function circuitsAt(start: number) {
  let now = start;
  const clock = { now: () => now, after: () => () => {}, sleep: async () => {} };
  return {
    circuits: createCircuits(clock, { failures: 3, openMs: 1000 }),
    pass(ms: number) {
      now += ms;
    },
  };
}

function permit(given: ReturnType<ReturnType<typeof createCircuits>['admit']>): Permit {
  if (given.kind !== 'permit') throw new Error(`expected a permit: ${given.because}`);
  return given;
}

describe('circuits', () => {
  test('open after failures in a row, for a while, and only for that endpoint', () => {
    const { circuits } = circuitsAt(5000);
    for (let i = 0; i < 3; i++) permit(circuits.admit('a')).failed();
    expect(circuits.admit('a')).toEqual({
      kind: 'open',
      until: 6000,
      because: 'a failed 3 dispatches in a row',
    });
    expect(circuits.admit('b').kind).toBe('permit');
  });

  test('a success in between begins the count again', () => {
    const { circuits } = circuitsAt(0);
    for (const step of ['failed', 'failed', 'taken', 'failed', 'failed'] as const)
      permit(circuits.admit('a'))[step]();
    expect(circuits.admit('a').kind).toBe('permit');
  });

  test('lets one probe through when its time has finished; its success closes, its failure opens again', () => {
    const { circuits, pass } = circuitsAt(0);
    for (let i = 0; i < 3; i++) permit(circuits.admit('a')).failed();
    pass(1000);
    const probe = permit(circuits.admit('a'));
    expect(circuits.admit('a')).toMatchObject({ kind: 'open', until: 2000 });
    probe.failed();
    expect(circuits.admit('a')).toMatchObject({ kind: 'open', until: 2000 });
    pass(1000);
    permit(circuits.admit('a')).taken();
    permit(circuits.admit('a')).failed();
    expect(circuits.admit('a').kind).toBe('permit');
  });

  test('a probe that learnt nothing leaves its place to the next', () => {
    const { circuits, pass } = circuitsAt(0);
    for (let i = 0; i < 3; i++) permit(circuits.admit('a')).failed();
    pass(1000);
    permit(circuits.admit('a')).dropped();
    expect(circuits.admit('a').kind).toBe('permit');
  });

  test('a permit counts once', () => {
    const { circuits } = circuitsAt(0);
    const one = permit(circuits.admit('a'));
    for (let i = 0; i < 5; i++) one.failed();
    one.dropped();
    expect(circuits.admit('a').kind).toBe('permit');
  });

  test('late failures of dispatches that began before a success still count', () => {
    const { circuits } = circuitsAt(0);
    const late = [1, 2, 3].map(() => permit(circuits.admit('a')));
    permit(circuits.admit('a')).taken();
    for (const one of late) one.failed();
    expect(circuits.admit('a').kind).toBe('open');
  });
});
