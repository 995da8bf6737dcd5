// How many places the workers elsewhere had: on paper none of them is connected, so the record says it. Pure.

import { isForWorkers } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';

/** By executor, how many of its runs were under way at once at most; of work for workers only. */
export function workerPlaces(runs: readonly Run[]): ReadonlyMap<string, number> {
  const moves = runs
    .filter(({ type }) => isForWorkers(type))
    .flatMap(({ executor, openedAt, finishedAt }) => [
      { executor, at: openedAt, by: 1 },
      ...(finishedAt === null ? [] : [{ executor, at: finishedAt, by: -1 }]),
    ])
    // A place that becomes free at an instant is taken again at that instant.
    .sort((a, b) => a.at - b.at || a.by - b.by);
  const under = new Map<string, number>();
  const most = new Map<string, number>();
  for (const { executor, by } of moves) {
    const now = (under.get(executor) ?? 0) + by;
    under.set(executor, now);
    most.set(executor, Math.max(now, most.get(executor) ?? 0));
  }
  return most;
}
