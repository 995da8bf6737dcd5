// What happened in a while: runs that ended, tasks that were done, tokens and money. Pure.

import type { GraphView } from '../../decide/world.ts';
import { taskKey } from '../../domain/ids.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { DigestItem, DigestReport } from '../../domain/overview.ts';
import type { Run } from '../../domain/run.ts';
import { isoTime } from '../../platform/clock.ts';

const MOST_ITEMS = 100;
const MOST_TEXT = 500;

/** The digest of everything from `since` to `until` (ms). `runs`: those that could have ended in it, latest first. */
export function digestOf(
  since: number,
  until: number,
  runs: readonly Run[],
  graphs: readonly GraphView[],
): DigestReport {
  const ended = runs
    .flatMap((run) =>
      run.finishedAt !== null && run.outcome !== null && run.finishedAt >= since && run.finishedAt <= until
        ? [{ run, at: run.finishedAt, outcome: run.outcome }]
        : [],
    )
    .sort((a, b) => b.at - a.at);
  const done = new Set<string>();
  const failed = new Set<string>();
  for (const { run, outcome } of ended) {
    if (outcome.kind === 'succeeded') done.add(taskKey(run.graph, run.task));
    if (outcome.kind === 'failed') failed.add(taskKey(run.graph, run.task));
  }
  // By hand, or by an external worker.
  for (const { graph, snapshot } of graphs)
    for (const { id, status, completedAt } of snapshot.tasks.values()) {
      const at = completedAt === undefined ? Number.NaN : Date.parse(completedAt);
      if (status === 'done' && at >= since && at <= until) done.add(taskKey(graph, id));
    }
  // What failed and was done in the end is done.
  for (const key of done) failed.delete(key);
  const sum = (of: (run: Run) => number | undefined) =>
    ended.reduce((total, { run }) => total + (of(run) ?? 0), 0);
  return {
    since: isoTime(since),
    until: isoTime(until),
    done: done.size,
    failed: failed.size,
    runs: ended.length,
    cost_usd: sum((run) => usageOf(run).costUsd),
    input_tokens: sum((run) => usageOf(run).inputTokens),
    output_tokens: sum((run) => usageOf(run).outputTokens),
    items: ended.slice(0, MOST_ITEMS).map(
      ({ run, at, outcome }): DigestItem => ({
        run: run.id,
        task: run.task,
        worktree: run.worktree,
        executor: run.executor,
        outcome: outcome.kind,
        message: messageOf(outcome),
        at: isoTime(at),
        cost_usd: usageOf(run).costUsd ?? null,
      }),
    ),
  };
}

/** Noted on its way, or told with its outcome. */
function usageOf({ usage, outcome }: Run) {
  return usage ?? (outcome && 'usage' in outcome ? outcome.usage : undefined) ?? {};
}

function messageOf(outcome: Outcome): string {
  const text =
    outcome.kind === 'succeeded'
      ? (outcome.summary ?? '')
      : outcome.kind === 'failed'
        ? outcome.message
        : outcome.kind === 'stopped'
          ? (outcome.because ?? outcome.reason)
          : outcome.because;
  const [line = ''] = text.trim().split('\n', 1);
  return line.length > MOST_TEXT ? `${line.slice(0, MOST_TEXT)}…` : line;
}
