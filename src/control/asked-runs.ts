// Which runs, and which worktree, a filter means. What is nowhere to be found is said, not answered with nothing.

import type { GraphView } from '../decide/world.ts';
import type { GraphPath } from '../domain/ids.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import { isTerminal } from '../domain/task.ts';
import { globalTaskId } from '../run/assignment.ts';
import type { LedgerView } from '../runs/ledger.ts';
import type { RunFilter, TaskQuery } from './control.ts';
import { findTask, isInside, unknownWorktree, viewsAt } from './find-task.ts';

/** How many runs are told of where nobody says. */
const LIMIT = 50;

/** The graphs of the worktree that a filter names, null when it names none. Throws `not-found` for an unknown one. */
export function askedPlaces(
  views: readonly GraphView[],
  worktree: string | undefined,
): readonly GraphView[] | null {
  if (worktree === undefined) return null;
  const places = viewsAt(views, worktree);
  if (places.length === 0) throw unknownWorktree(worktree);
  return places;
}

/**
 * The runs that a filter means, latest first. Throws `not-found` for an unknown worktree, and for a task that no graph
 * has and of which no run is remembered.
 */
export function askedRuns(
  ledger: Pick<LedgerView, 'runs'> | null,
  views: readonly GraphView[],
  filter: RunFilter,
): Run[] {
  const { task, worktree, open, limit = LIMIT } = filter;
  const places = askedPlaces(views, worktree);
  const which = {
    ...(open === undefined ? {} : { openOnly: open }),
    ...(places === null ? {} : { graphs: places.map((view) => view.graph) }),
    limit,
  };
  const runs = ledger?.runs({ ...(task === undefined ? {} : { task }), ...which }) ?? [];
  if (task === undefined || runs.length > 0) return runs;
  if ((places ?? views).some((view) => view.snapshot.tasks.has(task))) return [];
  // A task that was removed from its graph is still known by what ran.
  if (ledger?.runs({ task, limit: 1 }).length) return [];
  const found = findTask(views, { task, ...(worktree === undefined ? {} : { worktree }) });
  return ledger?.runs({ graph: found.view.graph, task: found.task.id, ...which }) ?? [];
}

/** How the task of an open run ended while nobody looked after the run; null where it did not. */
export function endedMeanwhile(run: Run, views: readonly GraphView[]): string | null {
  if (!isOpenRun(run)) return null;
  const status = views.find((view) => view.graph === run.graph)?.snapshot.tasks.get(run.task)?.status;
  return status !== undefined && isTerminal(status) ? status : null;
}

/** The open run that a query means of a task whose graph nobody serves any more; null: there is none, or more than one. */
export function lostRun(
  runs: readonly Run[],
  { task, worktree }: Pick<TaskQuery, 'task' | 'worktree'>,
  isServed: (graph: GraphPath) => boolean,
): Run | null {
  const [only, another] = runs.filter(
    (run) =>
      !isServed(run.graph) &&
      (run.task === task || globalTaskId(run.graph, run.task) === task) &&
      (worktree === undefined || worktree === run.graph || isInside(worktree, run.worktree)),
  );
  return only && !another ? only : null;
}
