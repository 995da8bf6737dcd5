import { expect, test } from '@jest/globals';
import { timeoutOr, wgSettings } from '../../src/wg/settings.ts';

test('edge 28: without [agency] its pipeline is on; with one, what it leaves out is off', () => {
  expect(wgSettings([])).toMatchObject({ autoAssign: true, autoEvaluate: true, maxVerifyFailures: 3 });
  expect(wgSettings([{ agency: { auto_assign: true } }])).toMatchObject({
    autoAssign: true,
    autoEvaluate: false,
  });
});

test('the local file wins key by key; the older name of the dispatcher counts', () => {
  const settings = wgSettings([
    { agency: { eval_gate_threshold: 0.9, gate_max_attempts: 5 }, coordinator: { max_verify_failures: 7 } },
    { agency: { eval_gate_threshold: 0.5 }, dispatcher: { verify_default_timeout: '30s' } },
  ]);
  expect(settings).toMatchObject({
    evalGateThreshold: 0.5,
    gateMaxAttempts: 5,
    maxVerifyFailures: 7,
    verifyTimeoutMs: 30_000,
  });
});

test('values of another kind are none', () => {
  expect(wgSettings([{ agency: 'on', dispatcher: { max_verify_failures: 'three' } }])).toMatchObject({
    autoAssign: true,
    maxVerifyFailures: 3,
  });
  expect([timeoutOr('2m', 1), timeoutOr(5, 1), timeoutOr('soon', 1), timeoutOr(null, 1)]).toEqual([
    120_000, 5000, 1, 1,
  ]);
});
