// The life of a task as spans: what it waited for and when it ran. Made of what the graph and the ledger know, and made
// finer by the reasons that were noted while this supervisor ran. Pure.

import { parseInstant } from '../../decide/instant.ts';
import type { GraphView } from '../../decide/world.ts';
import type { HistoryReport, HistorySpan } from '../../domain/overview.ts';
import { isHold } from '../../domain/profile.ts';
import { isOpenRun, type Run } from '../../domain/run.ts';
import { isTerminal, type Task } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { isoTime } from '../../platform/clock.ts';

/** A reason that was noted while it held; ms. */
export interface NotedReason {
  readonly from: number;
  readonly code: string;
  readonly because: string;
}

/** What the history of a task is made of. `runs`: latest first. */
export interface HistoryInput {
  readonly view: GraphView;
  readonly task: Task;
  readonly verdict: Verdict | undefined;
  readonly runs: readonly Run[];
  readonly noted: readonly NotedReason[];
  readonly now: number;
}

interface Span {
  readonly from: number;
  readonly to: number | null;
  readonly code: string;
  readonly because: string;
}

/** The history, oldest span first; the last is open while the task is. */
export function historyOf(input: HistoryInput): HistoryReport {
  const { task, view, runs, now } = input;
  const spans: HistorySpan[] = [];
  const inOrder = [...runs].sort((a, b) => a.openedAt - b.openedAt);
  const created = instantOf(task.createdAt);
  let at = created ?? inOrder[0]?.openedAt ?? now;
  const begun = at;
  let previous: Run | null = null;
  for (const run of inOrder) {
    if (run.openedAt > at) spans.push(...waits(input, at, run.openedAt, previous));
    const from = Math.max(run.openedAt, at);
    spans.push(runSpan(run, from));
    at = Math.max(at, run.finishedAt ?? (isOpenRun(run) ? now : from));
    previous = run;
  }
  const isOver = isTerminal(task.status);
  const open = inOrder.some((run) => isOpenRun(run) && run.finishedAt === null);
  if (isOver) {
    const end = instantOf(task.completedAt);
    if (inOrder.length === 0 && end !== null && end > at) spans.push(...waits(input, at, end, null));
  } else if (!open) {
    spans.push(...waits(input, at, null, previous));
  }
  return {
    task: task.id,
    worktree: view.worktree,
    from: isoTime(begun),
    to: isOver ? isoTime(Math.max(at, instantOf(task.completedAt) ?? at)) : null,
    spans,
  };
}

function runSpan(run: Run, from: number): HistorySpan {
  const to = run.finishedAt;
  return {
    kind: run.phase === 'handed-off' || isHold(run.type) ? 'elsewhere' : 'runs',
    from: isoTime(from),
    to: to === null ? null : isoTime(Math.max(to, from)),
    code: run.outcome?.kind ?? run.phase,
    because: run.because,
    run: run.id,
    attempt: run.attempt,
    executor: run.executor,
  };
}

/** What a task waited for from one instant to another; null: until now, and still. */
function waits(input: HistoryInput, from: number, to: number | null, previous: Run | null): HistorySpan[] {
  const end = to ?? input.now;
  const parts: Span[] = [];
  let at = from;
  const until = (instant: number | null, code: string, because: string) => {
    if (instant === null || instant <= at) return;
    const stop = Math.min(instant, end);
    if (stop > at) parts.push({ from: at, to: stop, code, because });
    at = Math.max(at, stop);
  };
  const last = lastDependency(input);
  if (last) until(last.at, 'dependency', `waited for ${last.id}`);
  const { notBefore, readyAfter } = input.task;
  until(instantOf(readyAfter), 'ready-after', `waited until ${readyAfter}`);
  until(instantOf(notBefore), 'not-before', `waited until ${notBefore}`);
  if (at < end) parts.push(...rest(input, at, end, to === null, previous));
  else if (to === null && parts.length > 0) parts.push({ ...(parts.pop() as Span), to: null });
  return parts.map((part) => ({
    kind: 'waits',
    from: isoTime(part.from),
    to: part.to === null ? null : isoTime(part.to),
    code: part.code,
    because: part.because.slice(0, 1000),
  }));
}

/** What dates do not tell: the reasons that were noted, the one that holds now, and otherwise that none was. */
function rest(input: HistoryInput, from: number, end: number, isOpen: boolean, previous: Run | null): Span[] {
  const noted = input.noted.filter((one) => one.from < end);
  const known = noted.findLast((one) => one.from <= from);
  const within = noted.filter((one) => one.from > from);
  const first: Span = known
    ? { from, to: end, code: known.code, because: known.because }
    : unknown(from, end, previous, isOpen && within.length === 0 ? input.verdict : undefined);
  const spans = [first];
  for (const { from: begun, code, because } of within) {
    const before = spans.pop() as Span;
    spans.push({ ...before, to: begun }, { from: begun, to: end, code, because });
  }
  if (!isOpen) return spans;
  const open = spans.pop() as Span;
  const { verdict } = input;
  return [
    ...spans,
    verdict ? { ...open, to: null, code: verdict.code, because: verdict.because } : { ...open, to: null },
  ];
}

function unknown(from: number, to: number, previous: Run | null, verdict: Verdict | undefined): Span {
  if (verdict) return { from, to, code: verdict.code, because: verdict.because };
  if (previous?.outcome?.kind === 'failed')
    return { from, to, code: 'retry', because: `waited after attempt ${previous.attempt} failed` };
  if (previous?.outcome?.kind === 'deferred')
    return { from, to, code: previous.outcome.code, because: previous.outcome.because };
  return { from, to, code: 'not-noted', because: 'waited; the reason was not noted' };
}

/** The dependency that ended last, where all have ended. */
function lastDependency({
  view,
  task,
  now,
}: HistoryInput): { readonly id: string; readonly at: number } | null {
  let last: { id: string; at: number } | null = null;
  for (const id of task.after) {
    const dependency = view.snapshot.tasks.get(id);
    if (!dependency) continue;
    const at = isTerminal(dependency.status) ? instantOf(dependency.completedAt) : now;
    if (at !== null && (last === null || at > last.at)) last = { id, at };
  }
  return last;
}

function instantOf(text: string | undefined): number | null {
  return text === undefined ? null : parseInstant(text);
}
