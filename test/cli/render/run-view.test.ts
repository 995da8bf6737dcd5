import { expect, test } from '@jest/globals';
import { outcomeText, runRows, shortRunIds, usedTogether } from '../../../src/cli/render/run-view.ts';
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

test('at 80 columns: ids whole or as short as they are unique, with tokens and money', () => {
  const usage = {
    ...{ cost_usd: 0.5, input_tokens: 1_000, output_tokens: 200 },
    ...{ cache_read_input_tokens: null, cache_creation_input_tokens: null, turns: 3 },
  };
  const task = 'a-task-with-an-id-of-thirty-six-chars';
  const run = runReport({ run: 'run_01M816WQHJG2G511TENRMJBHHW', task, usage });
  const out = runRows(
    [run],
    fakeContext({ now: NOW, columns: 80, isTTY: true, variables: { NO_COLOR: '1' } }),
    { ids: true },
  );
  for (const line of out.trimEnd().split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(out).toContain('run_01M816WQHJG2 ');
  expect(out).toContain(task);
  const narrow = runRows(
    [{ ...run, task: 'job' }],
    fakeContext({ now: NOW, columns: 80, isTTY: true, variables: { NO_COLOR: '1' } }),
    {
      ids: true,
    },
  );
  expect(narrow).toContain('$0.50 1.2k');
  expect(runRows([run], fakeContext({ now: NOW }), { ids: true })).toContain(run.run);
  expect(usedTogether([run, run, { ...run, usage: null }])).toMatchObject({
    cost_usd: 1,
    input_tokens: 2_000,
  });
  expect(usedTogether([{ ...run, usage: null }])).toBeNull();
});

test('ids that begin alike are told as far as they differ', () => {
  const alike = ['run_01M816WQHJG2G511TENRMJBHHW', 'run_01M816WQHJG2G511TENRMJBHHX', 'run_01M9'];
  expect([...shortRunIds(alike)]).toEqual([
    [alike[0], alike[0]],
    [alike[1], alike[1]],
    ['run_01M9', 'run_01M9'],
  ]);
});
