// Finds tasks that are known to be finished but whose line says otherwise. Comparing every known result with every
// graph of its repository each time would be slow: what did not change is not compared again.

import { changedTasks, type Tasks } from '../domain/graph.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import { type CameBack, cameBack } from './rewind.ts';
import type { GraphView, KnownResults } from './world.ts';

interface Looked {
  readonly tasks: Tasks;
  readonly revision: number;
  readonly repo: string;
  readonly onEach: boolean;
  readonly found: ReadonlyMap<TaskId, CameBack>;
}

/** Kept between decisions. */
export type CameBackMemo = Map<GraphPath, Looked>;

/** The tasks of each graph whose line is older than their known result. */
export function findCameBack(
  graphs: readonly GraphView[],
  results: KnownResults | undefined,
  memo: CameBackMemo,
): ReadonlyMap<GraphPath, ReadonlyMap<TaskId, CameBack>> {
  const all = new Map<GraphPath, ReadonlyMap<TaskId, CameBack>>();
  if (!results) return all;
  const here = new Set(graphs.map((view) => view.graph));
  for (const graph of memo.keys()) if (!here.has(graph)) memo.delete(graph);
  for (const view of graphs) {
    // An unreadable graph proves nothing.
    if (view.snapshot.problem || view.settings.onRewind === 'rerun') continue;
    const looked = lookAt(view, results, memo.get(view.graph));
    memo.set(view.graph, looked);
    if (looked.found.size > 0) all.set(view.graph, looked.found);
  }
  return all;
}

function lookAt(view: GraphView, results: KnownResults, before: Looked | undefined): Looked {
  const { tasks } = view.snapshot;
  const { repo } = view;
  const revision = results.revisionOf(repo);
  const onEach = view.settings.duplicates === 'each';
  const isKept = before?.repo === repo && before.onEach === onEach;
  if (isKept && before.tasks === tasks && before.revision === revision) return before;
  const noted = isKept ? results.changedSince(repo, before.revision) : null;
  const ids =
    before && noted ? new Set([...changedTasks(before.tasks, tasks), ...noted]) : results.tasksOf(repo);
  const found = new Map(before && noted ? before.found : []);
  for (const id of ids) {
    const one = cameBackIn(view, id, results);
    if (one) found.set(id, one);
    else found.delete(id);
  }
  return { tasks, revision, repo, onEach, found };
}

/** The result that one task's line is older than; null: there is none. */
export function cameBackIn(view: GraphView, id: TaskId, results: KnownResults | undefined): CameBack | null {
  const known = results?.of(view.repo, id) ?? [];
  const task = known.length > 0 ? view.snapshot.tasks.get(id) : undefined;
  if (!task) return null;
  for (const one of known) {
    const back = results && cameBack(one, view, task, () => view.detail?.(id) ?? null, results.isSameContent);
    if (back) return back;
  }
  return null;
}
