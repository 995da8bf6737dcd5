import { describe, expect, test } from '@jest/globals';
import {
  failuresForLife,
  type Interruptions,
  interruptionsInARow,
  restAfterLoss,
} from '../../src/decide/retry.ts';
import type { Failed, Outcome } from '../../src/domain/outcome.ts';
import type { Run } from '../../src/domain/run.ts';
import { run as runOf } from '../support/tasks.ts';

const run = (more: Parameters<typeof runOf>[2]) => runOf('w', 't', more);

const failed = (failure: Failed['failure']): Outcome => ({
  kind: 'failed',
  failure,
  message: '',
  retryable: true,
});
const process = { pid: 7, startTime: '1', bootId: 'b' };
const vanished = run({ phase: 'settled', outcome: failed('interrupted'), process });
const neverStarted = run({ phase: 'interrupted', type: 'command' });
const deferred = run({
  phase: 'interrupted',
  outcome: { kind: 'deferred', code: 'quota', because: '', scope: 'account' },
});
const lost = run({ phase: 'superseded', outcome: { kind: 'stopped', reason: 'lost-claim' } });
const worked = run({ phase: 'settled', outcome: { kind: 'succeeded' } });

describe('interruptions in a row, newest first', () => {
  const cases: [string, Run[], Partial<Interruptions>][] = [
    ['none', [], {}],
    ['three', [vanished, vanished, vanished], { vanished: 3 }],
    ['what tells something ends the row', [vanished, worked, vanished], { vanished: 1 }],
    [
      'a failure of the work does too',
      [vanished, run({ phase: 'settled', outcome: failed('exit') }), vanished],
      { vanished: 1 },
    ],
    ['want of something does not', [vanished, deferred, vanished], { vanished: 2 }],
    [
      'claimed and never started is another kind',
      [neverStarted, vanished, neverStarted],
      { vanished: 1, neverStarted: 2 },
    ],
    [
      'released by an external worker is no interruption',
      [run({ phase: 'interrupted', type: 'external' }), neverStarted],
      { neverStarted: 1 },
    ],
    [
      'ended with the supervisor, as it was asked to',
      [run({ phase: 'interrupted', type: 'command', process }), vanished],
      { vanished: 1 },
    ],
    [
      'a claim that is lost and a task that is moved on are kinds of their own',
      [lost, run({ phase: 'overruled' }), lost, deferred, lost, worked, lost],
      { lost: 3, overruled: 1 },
    ],
  ];
  test.each(cases)('%s', (_name, runs, expected) => {
    expect(interruptionsInARow(runs)).toEqual({
      vanished: 0,
      neverStarted: 0,
      lost: 0,
      overruled: 0,
      ...expected,
    });
  });
});

test('the lifetime limit never cuts a policy short', () => {
  expect([failuresForLife(1), failuresForLife(15), failuresForLife(40)]).toEqual([15, 15, 40]);
});

test('a task taken away once was a decision; taken away repeatedly it waits longer each time', () => {
  expect([0, 1, 2, 3, 4, 99].map(restAfterLoss)).toEqual([0, 0, 10_000, 20_000, 40_000, 300_000]);
});
