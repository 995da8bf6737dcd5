// Copies: if graph.jsonl is committed, every worktree of a repository checks out the same tasks. Decides which copy
// is the task's home, so that a task is never dispatched from two worktrees.

import { changedTasks } from '../domain/graph.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { Task, TaskStatus } from '../domain/task.ts';
import type { GraphView } from './world.ts';

/** What it means for an open task to be one of several copies. */
export type CopyHold = {
  readonly code: 'copy' | 'copy-elsewhere';
  readonly because: string;
};

/** Which tasks are copies of each other. */
export interface Copies {
  /** Why this copy of an open task is not dispatched; null if it is the only one, or the home of idle copies. */
  holdOf(view: GraphView, task: Task): CopyHold | null;
  /** Status of a task's home, if that is in another worktree; else null. */
  statusElsewhere(graph: GraphPath, id: TaskId): TaskStatus | null;
  /** Changes whenever something that this graph's answers depend on changes. */
  version(graph: GraphPath): number;
}

interface Copy {
  readonly place: Place;
  readonly task: Task;
}

/** Where a copy is. Not the whole view: that would keep old graphs in memory. */
type Place = Pick<GraphView, 'graph' | 'worktree' | 'worktreeIsMain' | 'tracked'>;

function placeOf({ graph, worktree, worktreeIsMain, tracked }: GraphView): Place {
  return { graph, worktree, worktreeIsMain, tracked };
}

/** The tasks of one id in the worktrees of one repository. */
interface SameId {
  /** By graph. Most ids are in one graph only: a map for each would cost more than everything else here. */
  copies: Copy | Map<GraphPath, Copy>;
  /** By identity; null until first needed, and again whenever a copy changed. */
  groups: ReadonlyMap<string, Group> | null;
}

/** The copies of one task. */
interface Group {
  readonly size: number;
  readonly home: Copy;
  /** A copy, other than the home, that is being worked on or was finished. */
  readonly taken: Copy | null;
}

interface RepoCopies {
  readonly views: Map<GraphPath, GraphView>;
  readonly byId: Map<TaskId, SameId>;
}

/** Kept between decisions: only graphs that changed are indexed again. */
export interface CopyMemo {
  readonly repos: Map<string, RepoCopies>;
  readonly versions: Map<GraphPath, number>;
}

export function createCopyMemo(): CopyMemo {
  return { repos: new Map(), versions: new Map() };
}

/** Finds the copies among the graphs of each repository. */
export function findCopies(graphs: readonly GraphView[], memo: CopyMemo = createCopyMemo()): Copies {
  const byRepo = new Map<string, GraphView[]>();
  const viewOf = new Map<GraphPath, GraphView>();
  for (const view of graphs) {
    viewOf.set(view.graph, view);
    if (view.settings.duplicates !== 'once') continue;
    const others = byRepo.get(view.repo);
    if (others) others.push(view);
    else byRepo.set(view.repo, [view]);
  }
  for (const repo of memo.repos.keys()) if ((byRepo.get(repo)?.length ?? 0) < 2) forget(repo, memo);
  for (const [repo, views] of byRepo) if (views.length > 1) update(repo, views, memo);
  return {
    holdOf(view, task) {
      const group = groupOf(view, task, memo);
      return group ? holdIn(group, view.graph, task) : null;
    },
    statusElsewhere(graph, id) {
      const view = viewOf.get(graph);
      const task = view?.snapshot.tasks.get(id);
      const home = view && task ? groupOf(view, task, memo)?.home : undefined;
      return home && home.place.graph !== graph ? home.task.status : null;
    },
    version: (graph) => memo.versions.get(graph) ?? 0,
  };
}

function holdIn({ home, taken }: Group, graph: GraphPath, task: Task): CopyHold | null {
  if (home.place.graph !== graph)
    return {
      code: 'copy',
      because: `${home.place.worktree} dispatches this task; there it is ${home.task.status}`,
    };
  if (!taken) return null;
  return {
    code: 'copy-elsewhere',
    because:
      `${taken.place.worktree} has a copy of ${task.id} that is ${taken.task.status}, so it is not started here again; ` +
      'bring the two together, or set `duplicates = "each"` in [[repos]]',
  };
}

/** An agent works or worked on that copy. */
function isTaken(status: TaskStatus): boolean {
  switch (status) {
    case 'open':
    case 'incomplete':
    case 'blocked':
    case 'failed':
    case 'abandoned':
      return false;
    default:
      return true;
  }
}

/** The main worktree, else the first by path. */
function isBefore(a: Place, b: Place): boolean {
  if (a.worktreeIsMain !== b.worktreeIsMain) return a.worktreeIsMain;
  return a.worktree < b.worktree || (a.worktree === b.worktree && a.graph < b.graph);
}

/** All copies of a task; null if it is the only one. */
function groupOf(view: GraphView, task: Task, memo: CopyMemo): Group | null {
  const sameId = memo.repos.get(view.repo)?.byId.get(task.id);
  if (!sameId || !(sameId.copies instanceof Map)) return null;
  sameId.groups ??= grouped(sameId.copies.values());
  const identity = identityOf(view, task);
  const group = identity === null ? undefined : sameId.groups.get(identity);
  return group && group.size > 1 ? group : null;
}

function grouped(copies: Iterable<Copy>): ReadonlyMap<string, Group> {
  const members = new Map<string, Copy[]>();
  for (const copy of copies) {
    const identity = identityOf(copy.place, copy.task);
    if (identity === null) continue;
    const group = members.get(identity);
    if (group) group.push(copy);
    else members.set(identity, [copy]);
  }
  const groups = new Map<string, Group>();
  for (const [identity, group] of members) {
    const home = group.reduce((best, copy) => (isBefore(copy.place, best.place) ? copy : best));
    const taken = group.find((copy) => copy !== home && isTaken(copy.task.status)) ?? null;
    groups.set(identity, { size: group.length, home, taken });
  }
  return groups;
}

/**
 * What copies have in common: their creation time; if that is unknown, that their files are committed; else nothing.
 */
function identityOf(place: Place, task: Task): string | null {
  return task.createdAt ?? (place.tracked ? '' : null);
}

function forget(repo: string, memo: CopyMemo): void {
  for (const graph of memo.repos.get(repo)?.views.keys() ?? []) touch(graph, memo);
  memo.repos.delete(repo);
}

function touch(graph: GraphPath, memo: CopyMemo): void {
  memo.versions.set(graph, (memo.versions.get(graph) ?? 0) + 1);
}

function update(repo: string, views: readonly GraphView[], memo: CopyMemo): void {
  const known = memo.repos.get(repo);
  if (known && isSamePlaces(known, views)) {
    for (const view of views) replace(view, known, memo);
    return;
  }
  forget(repo, memo);
  const fresh: RepoCopies = { views: new Map(), byId: new Map() };
  memo.repos.set(repo, fresh);
  for (const view of views) {
    fresh.views.set(view.graph, view);
    const place = placeOf(view);
    for (const task of view.snapshot.tasks.values()) add({ place, task }, fresh);
    touch(view.graph, memo);
  }
}

/** The same worktrees as before, whatever their tasks are now. */
function isSamePlaces(known: RepoCopies, views: readonly GraphView[]): boolean {
  return (
    known.views.size === views.length &&
    views.every((view) => {
      const before = known.views.get(view.graph);
      return (
        before !== undefined &&
        before.worktree === view.worktree &&
        before.worktreeIsMain === view.worktreeIsMain &&
        before.tracked === view.tracked
      );
    })
  );
}

/** Indexes one graph again if its content changed, and marks the graphs that have copies of what changed. */
function replace(view: GraphView, known: RepoCopies, memo: CopyMemo): void {
  const before = known.views.get(view.graph);
  known.views.set(view.graph, view);
  if (!before || before.snapshot === view.snapshot) return;
  const place = placeOf(view);
  for (const id of changedTasks(before.snapshot.tasks, view.snapshot.tasks)) {
    const old = before.snapshot.tasks.get(id);
    const task = view.snapshot.tasks.get(id);
    if (task) add({ place, task }, known);
    if (old?.status !== task?.status || old?.createdAt !== task?.createdAt) touchAll(id, known, memo);
    if (!task) remove(id, view.graph, known);
  }
}

/** A graph with the only copy sees its changes anyway. */
function touchAll(id: TaskId, known: RepoCopies, memo: CopyMemo): void {
  const copies = known.byId.get(id)?.copies;
  if (copies instanceof Map) for (const graph of copies.keys()) touch(graph, memo);
}

function remove(id: TaskId, graph: GraphPath, known: RepoCopies): void {
  const sameId = known.byId.get(id);
  if (!sameId) return;
  const { copies } = sameId;
  sameId.groups = null;
  if (copies instanceof Map) {
    copies.delete(graph);
    if (copies.size === 0) known.byId.delete(id);
  } else if (copies.place.graph === graph) known.byId.delete(id);
}

function add(copy: Copy, known: RepoCopies): void {
  const { id } = copy.task;
  const sameId = known.byId.get(id);
  if (!sameId) {
    known.byId.set(id, { copies: copy, groups: null });
    return;
  }
  sameId.groups = null;
  if (sameId.copies instanceof Map) sameId.copies.set(copy.place.graph, copy);
  else if (sameId.copies.place.graph === copy.place.graph) sameId.copies = copy;
  else
    sameId.copies = new Map([
      [sameId.copies.place.graph, sameId.copies],
      [copy.place.graph, copy],
    ]);
}
