import { expect, test } from '@jest/globals';
import { outcomeText, runRows } from '../../../src/cli/render/run-view.ts';
import type { Outcome } from '../../../src/domain/outcome.ts';
import { fakeContext } from '../fake-surroundings.ts';
import { NOW, runReport } from './reports.ts';

test.each<[Outcome, string]>([
  [{ kind: 'succeeded' }, 'succeeded'],
  [{ kind: 'succeeded', summary: 'three' }, 'succeeded: three'],
  [
    { kind: 'failed', failure: 'timeout', message: 'its time ran out', retryable: true },
    'failed (timeout): its time ran out',
  ],
  [{ kind: 'stopped', reason: 'cancelled' }, 'stopped: cancelled'],
  [{ kind: 'deferred', code: 'quota', because: 'quota used up', scope: 'account' }, 'put off: quota used up'],
])('%j', (outcome, text) => {
  expect(outcomeText(outcome)).toBe(text);
});

test('how it ended, else its last sign of life, else why it began', () => {
  const context = fakeContext({ now: NOW });
  const what = (more: Parameters<typeof runReport>[0]) =>
    runRows([runReport(more)], context)
      .trimEnd()
      .split('\n')[1];
  expect(what({})).toMatch(/the built-in default$/);
  expect(what({ progress: 'reading files' })).toMatch(/reading files$/);
  expect(
    what({
      progress: 'x',
      outcome: { kind: 'succeeded', summary: 'all good' },
      finished_at: '2026-06-01T11:59:00Z',
    }),
  ).toMatch(/3 min ago +2 min +succeeded: all good$/);
});
