// From user input to one task: an id, a machine-wide id, a worktree, or the current folder.

import { basename, sep } from 'node:path';
import type { Decision, GraphView } from '../decide/world.ts';
import { SupervisorError } from '../domain/errors.ts';
import { type GraphPath, taskKey } from '../domain/ids.ts';
import { nearest } from '../domain/nearest.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import { isTerminal, type Task } from '../domain/task.ts';
import { globalTaskId } from '../run/assignment.ts';
import type { LedgerView } from '../runs/ledger.ts';
import type { RunFilter, TaskQuery } from './control.ts';

/** A task and the graph it was found in. */
export interface FoundTask {
  readonly view: GraphView;
  readonly task: Task;
}

/**
 * The one task that a query names. Throws `not-found` (with the nearest known id) or `ambiguous` (with the candidates
 * in `details.candidates`).
 */
export function findTask(views: readonly GraphView[], query: TaskQuery, decision?: Decision): FoundTask {
  const places = query.worktree === undefined ? views : viewsAt(views, query.worktree);
  if (query.worktree !== undefined && places.length === 0) throw unknownWorktree(query.worktree);
  const found = places.flatMap((view): FoundTask[] => {
    const task = view.snapshot.tasks.get(query.task) ?? byGlobalId(view, query.task);
    return task ? [{ view, task }] : [];
  });
  const [only, another] = found;
  if (!only) {
    const known = places.flatMap((view) => [...view.snapshot.tasks.keys()]);
    const close = nearest(query.task, known);
    throw new SupervisorError('not-found', `there is no task ${query.task}`, {
      hint: close === null ? '`supervisor list` shows every task' : `did you mean ${close}?`,
    });
  }
  if (!another) return only;
  const near = query.near === undefined ? [] : viewsAt(places, query.near);
  const here = found.filter((candidate) => near.includes(candidate.view));
  if (here.length === 1 && here[0]) return here[0];
  // Copies of one task in several worktrees are one task: the dispatched one.
  const originals = found.filter(
    ({ view, task }) => decision?.verdicts.get(taskKey(view.graph, task.id))?.state !== 'copy',
  );
  if (originals.length === 1 && originals[0]) return originals[0];
  const candidates = found.map(({ view, task }) => ({
    task: task.id,
    id: globalTaskId(view.graph, task.id),
    worktree: view.worktree,
  }));
  throw new SupervisorError(
    'ambiguous',
    `${query.task} is a task in ${candidates.length} worktrees: ${candidates.map((c) => c.worktree).join(', ')}`,
    { hint: 'say which with --worktree PATH', details: { candidates } },
  );
}

/** The error for a path with nothing under supervision. */
export function unknownWorktree(path: string): SupervisorError {
  return new SupervisorError('not-found', `no supervised worktree has a graph at ${path}`, {
    hint: '`supervisor worktrees` lists what was found',
    details: { unknown: 'worktree' },
  });
}

/** The graphs of a path: of the worktree it lies in (the deepest one), or the graph folder itself. */
export function viewsAt(views: readonly GraphView[], path: string): GraphView[] {
  const named = views.filter(
    (view) => [view.graph, view.repoName, view.branch].includes(path) || basename(view.worktree) === path,
  );
  const inside = views.flatMap((view) =>
    [view.worktree, ...(view.aliases ?? [])]
      .filter((worktree) => isInside(path, worktree))
      .map((worktree) => ({ view, worktree })),
  );
  const deepest = Math.max(...inside.map(({ worktree }) => worktree.length));
  const around = inside.filter(({ worktree }) => worktree.length === deepest).map(({ view }) => view);
  return [...new Set([...named, ...around])];
}

/** Whether a path is a folder or lies in it. */
export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function byGlobalId(view: GraphView, id: string): Task | undefined {
  const tilde = id.indexOf('~');
  if (tilde < 0) return undefined;
  const task = view.snapshot.tasks.get(id.slice(tilde + 1));
  return task && globalTaskId(view.graph, task.id) === id ? task : undefined;
}

/**
 * The run that an id, or the beginning of one, means; null where it is neither. Throws `ambiguous` where several begin so.
 */
export function runNamed(ledger: Pick<LedgerView, 'runs'>, name: string): Run | null {
  if (!/^run_[0-9A-Z]{1,26}$/.test(name)) return null;
  const [run, another] = ledger.runs({ idPrefix: name, limit: 2 });
  if (run === undefined || another === undefined) return run ?? null;
  throw new SupervisorError('ambiguous', `${name} is the beginning of more than one run`, {
    hint: 'write more of it; `supervisor runs` lists them',
    details: { candidates: [run, another].map(({ id, task, worktree }) => ({ run: id, task, worktree })) },
  });
}

/** How many runs are listed by default. */
const LIMIT = 50;

/** The graphs of the worktree named by a filter, null if it names none. Throws `not-found` for an unknown one. */
export function askedPlaces(
  views: readonly GraphView[],
  worktree: string | undefined,
): readonly GraphView[] | null {
  if (worktree === undefined) return null;
  const places = viewsAt(views, worktree);
  if (places.length === 0) throw unknownWorktree(worktree);
  return places;
}

/** The graph of a place, or the only one there is. Throws `not-found` or `ambiguous`. */
export function onlyGraph(views: readonly GraphView[], place: string | null): GraphPath {
  const found = askedPlaces(views, place ?? undefined) ?? views;
  const [one, another] = found;
  if (one === undefined)
    throw new SupervisorError('not-found', 'no worktree has a graph', {
      hint: '`supervisor init` makes one, in a worktree of a supervised repository',
    });
  if (another === undefined) return one.graph;
  throw new SupervisorError('ambiguous', `there are ${found.length} graphs, and no worktree was named`, {
    hint: 'name the worktree',
    details: { candidates: found.map(({ worktree }) => worktree) },
  });
}

/**
 * The runs matching a filter, latest first. Throws `not-found` for an unknown worktree, and for a task that is in no
 * graph and has no recorded run.
 */
export function askedRuns(
  ledger: Pick<LedgerView, 'runs'> | null,
  views: readonly GraphView[],
  filter: RunFilter,
): Run[] {
  const { run, task, worktree, open, failed, since, grep, limit = LIMIT } = filter;
  const places = askedPlaces(views, worktree);
  const which = {
    ...(run === undefined ? {} : { idPrefix: run }),
    ...(open === undefined ? {} : { openOnly: open }),
    ...(failed === undefined ? {} : { failedOnly: failed }),
    ...(since === undefined ? {} : { since }),
    ...(grep === undefined ? {} : { text: grep }),
    ...(places === null ? {} : { graphs: places.map((view) => view.graph) }),
    limit,
  };
  const runs = ledger?.runs({ ...(task === undefined ? {} : { task }), ...which }) ?? [];
  if (task === undefined || runs.length > 0) return runs;
  if ((places ?? views).some((view) => view.snapshot.tasks.has(task))) return [];
  // A task that was removed from its graph is still known by its runs.
  if (ledger?.runs({ task, limit: 1 }).length) return [];
  const found = findTask(views, { task, ...(worktree === undefined ? {} : { worktree }) });
  return ledger?.runs({ graph: found.view.graph, task: found.task.id, ...which }) ?? [];
}

/** How the task of an unattended open run finished; null if it did not. */
export function endedMeanwhile(run: Run, views: readonly GraphView[]): string | null {
  if (!isOpenRun(run)) return null;
  const status = views.find((view) => view.graph === run.graph)?.snapshot.tasks.get(run.task)?.status;
  return status !== undefined && isTerminal(status) ? status : null;
}

/**
 * The open run that a query names, of a task whose graph is no longer served; null: there is none, or more than one.
 */
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
