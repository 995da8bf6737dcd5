// Copies: where graph.jsonl is committed, every worktree of a repository checks out the same tasks. Says which copy is
// the task's home, so that one task is never dispatched from two worktrees.

import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { Task, TaskStatus } from '../domain/task.ts';
import type { GraphView } from './world.ts';

/** What being one of several copies means for an open task. */
export type CopyHold = {
  readonly code: 'copy' | 'copy-elsewhere';
  readonly because: string;
};

/** Which tasks are copies of each other. */
export interface Copies {
  /** Why this copy of an open task is not dispatched; null when it is its own, or the home of quiet copies. */
  holdOf(view: GraphView, task: Task): CopyHold | null;
  /** Status of the home of a task, when that is in another worktree; else null. */
  statusElsewhere(graph: GraphPath, id: TaskId): TaskStatus | null;
  /** Changes whenever something that the answers for this graph depend on changed. */
  version(graph: GraphPath): number;
}

interface Copy {
  readonly view: GraphView;
  readonly task: Task;
}

interface RepoCopies {
  readonly views: Map<GraphPath, GraphView>;
  readonly byId: Map<TaskId, Copy[]>;
}

/** What is kept from one look to the next: only graphs that changed are indexed anew. */
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
      const copies = copiesOf(view, task, memo);
      return copies ? holdAmong(copies, view.graph, task) : null;
    },
    statusElsewhere(graph, id) {
      const view = viewOf.get(graph);
      const task = view?.snapshot.tasks.get(id);
      const copies = view && task ? copiesOf(view, task, memo) : null;
      const home = copies ? homeOf(copies) : null;
      return home && home.view.graph !== graph ? home.task.status : null;
    },
    version: (graph) => memo.versions.get(graph) ?? 0,
  };
}

function holdAmong(copies: readonly Copy[], graph: GraphPath, task: Task): CopyHold | null {
  const home = homeOf(copies);
  if (!home) return null;
  if (home.view.graph !== graph)
    return {
      code: 'copy',
      because: `${home.view.worktree} dispatches this task; there it is ${home.task.status}`,
    };
  const other = copies.find((copy) => copy.view.graph !== graph && isTaken(copy.task.status));
  if (!other) return null;
  return {
    code: 'copy-elsewhere',
    because:
      `${other.view.worktree} has a copy of ${task.id} that is ${other.task.status}, so it is not started here again; ` +
      'bring the two together, or set `duplicates = "each"` in [[repos]]',
  };
}

/** Somebody works or worked on that copy. */
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

/** The copy in the main worktree, else the first by worktree path. */
function homeOf(copies: readonly Copy[]): Copy | null {
  let home: Copy | null = null;
  for (const copy of copies) if (home === null || isBefore(copy.view, home.view)) home = copy;
  return home;
}

function isBefore(a: GraphView, b: GraphView): boolean {
  if (a.worktreeIsMain !== b.worktreeIsMain) return a.worktreeIsMain;
  return a.worktree < b.worktree || (a.worktree === b.worktree && a.graph < b.graph);
}

/** All copies of a task, itself included; null when it is the only one. */
function copiesOf(view: GraphView, task: Task, memo: CopyMemo): readonly Copy[] | null {
  const sameId = memo.repos.get(view.repo)?.byId.get(task.id);
  if (!sameId || sameId.length < 2) return null;
  const same = sameId.filter((copy) => isSame(view, task, copy));
  return same.length > 1 ? same : null;
}

/** Same creation; a task that does not know when it was made is the same only where both files are committed. */
function isSame(view: GraphView, task: Task, copy: Copy): boolean {
  if (copy.view.graph === view.graph) return true;
  if (task.createdAt !== copy.task.createdAt) return false;
  return task.createdAt !== undefined || (view.tracked && copy.view.tracked);
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
    for (const task of view.snapshot.tasks.values()) add({ view, task }, fresh);
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

/** Indexes one graph anew if its content changed, and marks the graphs that hold copies of what changed. */
function replace(view: GraphView, known: RepoCopies, memo: CopyMemo): void {
  const before = known.views.get(view.graph);
  known.views.set(view.graph, view);
  if (!before || before.snapshot === view.snapshot) return;
  for (const [id, task] of before.snapshot.tasks) {
    const now = view.snapshot.tasks.get(id);
    const copies = known.byId.get(id) ?? [];
    if (now?.status !== task.status || now.createdAt !== task.createdAt)
      for (const copy of copies) touch(copy.view.graph, memo);
    const left = copies.filter((copy) => copy.view.graph !== view.graph);
    if (left.length > 0) known.byId.set(id, left);
    else known.byId.delete(id);
  }
  for (const [id, task] of view.snapshot.tasks) {
    add({ view, task }, known);
    if (!before.snapshot.tasks.has(id))
      for (const copy of known.byId.get(id) ?? []) touch(copy.view.graph, memo);
  }
}

function add(copy: Copy, known: RepoCopies): void {
  const copies = known.byId.get(copy.task.id);
  if (copies) copies.push(copy);
  else known.byId.set(copy.task.id, [copy]);
}
