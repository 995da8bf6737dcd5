import { expect, test } from '@jest/globals';
import { verdictsReport } from '../../src/control/verdicts.ts';
import type { VerdictSpan } from '../../src/runs/verdict-store.ts';
import { graphView, task } from '../support/tasks.ts';

const view = graphView('g', [task('a')]);
const found = { view, task: task('a') };
const waits = { state: 'waiting', code: 'dependency', because: 'waits for b' } as const;
const paused = { state: 'paused', code: 'paused', because: 'it is paused' } as const;

/** `code from-to`, times in seconds; `now` for one that still stands. */
function told(
  spans: readonly VerdictSpan[],
  watched: readonly (readonly [number, number])[],
  [from, to]: readonly [number, number],
  now = 1000,
): string[] {
  const record = {
    verdictSpans: () => [...spans],
    watchedSpans: () => watched.map(([start, end]) => ({ from: start * 1000, to: end * 1000 })),
  };
  const report = verdictsReport(found, record, { from: from * 1000, to: to * 1000 }, now * 1000);
  return report.spans.map((span) => {
    const end = span.to === null ? 'now' : Date.parse(span.to) / 1000;
    return `${span.code} ${Date.parse(span.from) / 1000}-${end}`;
  });
}
const span = (from: number, to: number | null, words: typeof waits | typeof paused): VerdictSpan => ({
  ...words,
  from: from * 1000,
  to: to === null ? null : to * 1000,
});

test('spans as they were recorded, where a supervisor was judging all the time', () => {
  const spans = [span(10, 20, waits), span(20, null, paused)];
  expect(told(spans, [[5, 1000]], [0, 100])).toEqual(['dependency 10-20', 'paused 20-now']);
  expect(told(spans, [[5, 1000]], [12, 12])).toEqual(['dependency 10-20']);
  expect(told([], [], [0, 100])).toEqual([]);
});

test('a time in which no supervisor judged cuts them, and is said', () => {
  const spans = [span(10, 60, waits), span(60, null, paused)];
  const watched = [
    [5, 30],
    [50, 1000],
  ] as const;
  expect(told(spans, watched, [0, 100])).toEqual([
    'dependency 10-30',
    'not-running 30-50',
    'dependency 50-60',
    'paused 60-now',
  ]);
  expect(told(spans, watched, [40, 40])).toEqual(['not-running 30-50']);
});

test('a change seen by the next supervisor at once: the gap ends the one before', () => {
  const spans = [span(10, 50, waits), span(50, null, paused)];
  expect(
    told(
      spans,
      [
        [5, 30],
        [50, 1000],
      ],
      [0, 100],
    ),
  ).toEqual(['dependency 10-30', 'not-running 30-50', 'paused 50-now']);
});

test('no supervisor has run since: what stands is not known any more', () => {
  expect(told([span(10, null, waits)], [[5, 30]], [0, 1000])).toEqual([
    'dependency 10-30',
    'not-running 30-1000',
    'dependency 1000-now',
  ]);
});

test('one supervisor taking over from another leaves no gap', () => {
  expect(
    told(
      [span(10, null, waits)],
      [
        [5, 30],
        [31, 1000],
      ],
      [0, 100],
    ),
  ).toEqual(['dependency 10-now']);
});
