// What was said of a task over a part of time, from the record: its verdicts, cut where no supervisor was judging.

import type { VerdictSpanReport, VerdictsReport } from '../domain/report.ts';
import { isoTime } from '../platform/clock.ts';
import { globalTaskId } from '../run/assignment.ts';
import type { VerdictHistory, VerdictSpan } from '../runs/verdict-store.ts';
import type { FoundTask } from './find-task.ts';

/** A part of time, ms. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

const UNWATCHED = {
  state: 'held',
  code: 'not-running',
  because: 'no supervisor was running',
} as const;

/** Two supervisors in a row leave this much between them even when one takes over at once, ms. */
const HANDOVER_MS = 2_000;

/** The history of a task. `now`: when it is asked, ms. */
export function verdictsReport(
  { view, task }: FoundTask,
  record: VerdictHistory | null,
  { from, to }: Period,
  now: number,
): VerdictsReport {
  const spans = record?.verdictSpans(view.graph, task.id, from, to) ?? [];
  const first = spans[0]?.from ?? now;
  const watched = record?.watchedSpans(Math.min(first, from), to) ?? [];
  return {
    id: globalTaskId(view.graph, task.id),
    task: task.id,
    worktree: view.worktree,
    from: isoTime(from),
    to: isoTime(to),
    spans: cutByGaps(spans, gapsIn(watched, now)).filter(
      (span) => Date.parse(span.from) <= to && (span.to === null || Date.parse(span.to) > from),
    ),
  };
}

/** The times in which no supervisor was judging. */
function gapsIn(watched: readonly Period[], now: number): Period[] {
  return watched.flatMap((period, at) => {
    const next = watched[at + 1]?.from ?? now;
    return next - period.to > HANDOVER_MS ? [{ from: period.to, to: next }] : [];
  });
}

function cutByGaps(spans: readonly VerdictSpan[], gaps: readonly Period[]): VerdictSpanReport[] {
  const cut: VerdictSpanReport[] = [];
  for (const span of spans) {
    const end = span.to ?? Number.POSITIVE_INFINITY;
    let at = span.from;
    for (const gap of gaps) {
      if (gap.to <= at || gap.from >= end) continue;
      if (gap.from > at) cut.push(dated(span, at, gap.from));
      const until = Math.min(gap.to, end);
      cut.push(dated(UNWATCHED, Math.max(gap.from, at), until));
      at = until;
    }
    if (at < end) cut.push(dated(span, at, span.to));
  }
  return cut;
}

function dated(
  { state, code, because }: Pick<VerdictSpanReport, 'state' | 'code' | 'because'>,
  from: number,
  to: number | null,
): VerdictSpanReport {
  return { from: isoTime(from), to: to === null ? null : isoTime(to), state, code, because };
}
