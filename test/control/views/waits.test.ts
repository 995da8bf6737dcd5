import { expect, test } from '@jest/globals';
import { type HistoryInput, historyOf } from '../../../src/control/views/waits.ts';
import type { Task } from '../../../src/domain/task.ts';
import { graphView, NOW, run, task } from '../../support/tasks.ts';

const at = (minute: number) => NOW + minute * 60_000;
const iso = (minute: number) => new Date(at(minute)).toISOString();

function spansOf(of: Task, more: Partial<HistoryInput> = {}, others: readonly Task[] = []) {
  const view = graphView('shop', [of, ...others]);
  const report = historyOf({ view, task: of, verdict: undefined, runs: [], noted: [], now: at(60), ...more });
  return report.spans.map(({ kind, from, to, code }) => [
    kind,
    (Date.parse(from) - NOW) / 60_000,
    to === null ? null : (Date.parse(to) - NOW) / 60_000,
    code,
  ]);
}

const verdict = (code: string) => ({
  graph: '/shop',
  task: 'x',
  state: 'queued' as const,
  code,
  because: code,
  nextAt: null,
  executor: null,
});

test('a task that waits for others, then for a place, then runs', () => {
  const of = task('x', { createdAt: iso(0), after: ['a', 'b'], status: 'done', completedAt: iso(40) });
  const others = [
    task('a', { status: 'done', completedAt: iso(5) }),
    task('b', { status: 'done', completedAt: iso(20) }),
  ];
  const ran = run('shop', 'x', {
    phase: 'settled',
    openedAt: at(30),
    startedAt: at(30),
    finishedAt: at(40),
    outcome: { kind: 'succeeded' },
  });
  expect(
    spansOf(of, { runs: [ran], noted: [{ from: at(22), code: 'machine-limit', because: 'full' }] }, others),
  ).toEqual([
    ['waits', 0, 20, 'dependency'],
    ['waits', 20, 22, 'not-noted'],
    ['waits', 22, 30, 'machine-limit'],
    ['runs', 30, 40, 'succeeded'],
  ]);
});

test('attempts with what lay between them; the last wait is open and says what holds now', () => {
  const of = task('x', { createdAt: iso(0) });
  const failed = run('shop', 'x', {
    phase: 'settled',
    openedAt: at(1),
    startedAt: at(1),
    finishedAt: at(3),
    outcome: { kind: 'failed', failure: 'exit', message: 'no', retryable: true },
  });
  expect(spansOf(of, { runs: [failed], verdict: verdict('backoff') })).toEqual([
    ['waits', 0, 1, 'not-noted'],
    ['runs', 1, 3, 'failed'],
    ['waits', 3, null, 'backoff'],
  ]);
});

test('a run that continues is open, and one elsewhere is said to be', () => {
  const open = run('shop', 'x', { phase: 'handed-off', openedAt: at(2), finishedAt: null });
  const of = task('x', { createdAt: iso(2), status: 'in-progress' });
  expect(spansOf(of, { runs: [open] })).toEqual([['elsewhere', 2, null, 'handed-off']]);
});

test('gates by time, and a task of which nothing is known', () => {
  const gated = task('x', { createdAt: iso(0), notBefore: iso(30) });
  expect(spansOf(gated, { verdict: verdict('profile-limit') })).toEqual([
    ['waits', 0, 30, 'not-before'],
    ['waits', 30, null, 'profile-limit'],
  ]);
  expect(spansOf(task('x'), { verdict: verdict('ready') })).toEqual([]);
  expect(spansOf(task('x', { createdAt: 'yesterday' }))).toEqual([]);
});

test('a clock that was set back turns no span around', () => {
  const of = task('x', { createdAt: iso(50), status: 'done', completedAt: iso(2) });
  const ran = run('shop', 'x', {
    phase: 'settled',
    openedAt: at(1),
    startedAt: at(1),
    finishedAt: at(2),
    outcome: { kind: 'succeeded' },
  });
  for (const [, from, to] of spansOf(of, { runs: [ran] }))
    expect(Number(to)).toBeGreaterThanOrEqual(Number(from));
});
