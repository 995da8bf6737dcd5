// Finds tasks that are known to be finished but whose line says otherwise. Comparing every known result with every
// graph of its repository each time would be slow: what did not change is not compared again.

import { changedIds, type Tasks } from '../../domain/graph.ts';
import type { GraphPath, TaskId } from '../../domain/ids.ts';
import { atOnce, type Steps } from '../../domain/steps.ts';
import type { GraphView, KnownResults } from '../world.ts';
import { type CameBack, cameBack } from './rewind.ts';

interface Looked {
  readonly tasks: Tasks;
  readonly revision: number;
  readonly repo: string;
  readonly onEach: boolean;
  readonly found: ReadonlyMap<TaskId, CameBack>;
}

/** Kept between decisions. */
export type CameBackMemo = Map<GraphPath, Looked>;

/**
 * The tasks of each graph whose line is older than their known result.
 * `isLeftOut`: graphs that are not looked at now, but keep their place in the memo.
 */
export function findCameBack(
  graphs: readonly GraphView[],
  results: KnownResults | undefined,
  memo: CameBackMemo,
  isLeftOut: (graph: GraphPath) => boolean = () => false,
): ReadonlyMap<GraphPath, ReadonlyMap<TaskId, CameBack>> {
  const all = new Map<GraphPath, ReadonlyMap<TaskId, CameBack>>();
  if (!results) return all;
  const here = new Set(graphs.map((view) => view.graph));
  for (const graph of memo.keys()) if (!here.has(graph)) memo.delete(graph);
  for (const view of graphs) {
    // An unreadable graph proves nothing.
    if (view.snapshot.problem || view.settings.onRewind === 'rerun' || isLeftOut(view.graph)) continue;
    const looked = atOnce(lookAt(view, results, memo.get(view.graph)));
    memo.set(view.graph, looked);
    if (looked.found.size > 0) all.set(view.graph, looked.found);
  }
  return all;
}

/** The same for one graph, in steps, for the next look. */
export function* cameBackSteps(
  view: GraphView,
  results: KnownResults | undefined,
  memo: CameBackMemo,
): Steps<void> {
  if (!results || view.snapshot.problem || view.settings.onRewind === 'rerun') return;
  memo.set(view.graph, yield* lookAt(view, results, memo.get(view.graph)));
}

/** Ids looked at between two pauses. */
const IDS_A_STEP = 256;

function* lookAt(view: GraphView, results: KnownResults, before: Looked | undefined): Steps<Looked> {
  const { tasks } = view.snapshot;
  const { repo } = view;
  const revision = results.revisionOf(repo);
  const onEach = view.settings.duplicates === 'each';
  const isKept = before?.repo === repo && before.onEach === onEach;
  if (isKept && before.tasks === tasks && before.revision === revision) return before;
  const noted = isKept ? results.changedSince(repo, before.revision) : null;
  const ids = before && noted ? [changedIds(before.tasks, tasks), noted] : [results.tasksOf(repo)];
  const found = new Map(before && noted ? before.found : []);
  let looked = 0;
  for (const id of chained(ids)) {
    if (++looked % IDS_A_STEP === 0) yield;
    const one = cameBackIn(view, id, results);
    if (one) found.set(id, one);
    else found.delete(id);
  }
  return { tasks, revision, repo, onEach, found };
}

function* chained<T>(lists: readonly Iterable<T>[]): Iterable<T> {
  for (const list of lists) yield* list;
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
