// Copies: if graph.jsonl is committed, every worktree of a repository checks out the same tasks. Decides which copy
// is the task's home, so that a task is never dispatched from two worktrees.

import { changedIds, type Snapshot } from '../../domain/graph.ts';
import type { GraphPath, TaskId } from '../../domain/ids.ts';
import { atOnce, type Steps } from '../../domain/steps.ts';
import type { Task, TaskStatus } from '../../domain/task.ts';
import type { GraphView } from '../world.ts';

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
  statusElsewhere(view: GraphView, id: TaskId): TaskStatus | null;
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

/** The tasks of one id in several worktrees of one repository. */
interface Shared {
  /** Where a task of the id is; some may have lost theirs, or not count yet. */
  readonly graphs: Set<GraphPath>;
  /** By identity; null until first needed, and again whenever a copy changed. */
  groups: ReadonlyMap<string, Group> | null;
  /** The index they were made from. */
  era: number;
}

/** The copies of one task. */
interface Group {
  readonly size: number;
  readonly home: Copy;
  /** A copy, other than the home, that is being worked on or was finished. */
  readonly taken: Copy | null;
}

interface RepoCopies {
  /** The state of each graph that counts. */
  readonly counted: Map<GraphPath, { readonly place: Place; readonly snapshot: Snapshot }>;
  /** Where each id is. Most are in one graph only: a set for each would cost more than everything else here. */
  readonly byId: Map<TaskId, GraphPath | Shared>;
  /** Counts the states that counted. */
  edition: number;
  /** Changes when all groups must be made again. */
  era: number;
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
  const repos = comparable(graphs);
  for (const repo of memo.repos.keys()) if (!repos.has(repo)) forget(repo, memo);
  for (const [repo, views] of repos) update(repo, views, memo);
  return copiesIn(memo);
}

/** The answers of the index as it is at each question. */
export function copiesIn(memo: CopyMemo): Copies {
  return {
    holdOf(view, task) {
      const group = groupOf(view.repo, view, task, memo);
      return group ? holdIn(group, view.graph, task) : null;
    },
    statusElsewhere({ repo, graph, tracked, snapshot }, id) {
      const task = snapshot.tasks.get(id);
      const home = task ? groupOf(repo, { tracked }, task, memo)?.home : undefined;
      return home && home.place.graph !== graph ? home.task.status : null;
    },
    version: (graph) => memo.versions.get(graph) ?? 0,
  };
}

/** The state of a graph that counts among copies; null: it has none to be compared with, or was never counted. */
export function countedSnapshot({ repo, graph }: GraphView, memo: CopyMemo): Snapshot | null {
  return memo.repos.get(repo)?.counted.get(graph)?.snapshot ?? null;
}

/** The graphs of each repository that may have copies of each other's tasks. */
function comparable(graphs: readonly GraphView[]): ReadonlyMap<string, readonly GraphView[]> {
  const byRepo = new Map<string, GraphView[]>();
  for (const view of graphs) {
    if (view.settings.duplicates !== 'once') continue;
    const others = byRepo.get(view.repo);
    if (others) others.push(view);
    else byRepo.set(view.repo, [view]);
  }
  for (const [repo, views] of byRepo) if (views.length < 2) byRepo.delete(repo);
  return byRepo;
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
function groupOf(repo: string, place: Pick<Place, 'tracked'>, task: Task, memo: CopyMemo): Group | null {
  const known = memo.repos.get(repo);
  const shared = known?.byId.get(task.id);
  if (!known || shared === undefined || typeof shared === 'string') return null;
  if (shared.groups === null || shared.era !== known.era) {
    shared.groups = grouped(copiesOf(task.id, shared, known));
    shared.era = known.era;
  }
  const identity = identityOf(place, task);
  const group = identity === null ? undefined : shared.groups.get(identity);
  return group && group.size > 1 ? group : null;
}

function* copiesOf(id: TaskId, { graphs }: Shared, { counted }: RepoCopies): Iterable<Copy> {
  for (const graph of graphs) {
    const { place, snapshot } = counted.get(graph) ?? {};
    const task = snapshot?.tasks.get(id);
    if (place && task) yield { place, task };
  }
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
function identityOf(place: Pick<Place, 'tracked'>, task: Task): string | null {
  return task.createdAt ?? (place.tracked ? '' : null);
}

function forget(repo: string, memo: CopyMemo): void {
  for (const graph of memo.repos.get(repo)?.counted.keys() ?? []) touch(graph, memo);
  memo.repos.delete(repo);
}

function touch(graph: GraphPath, memo: CopyMemo): void {
  memo.versions.set(graph, (memo.versions.get(graph) ?? 0) + 1);
}

function update(repo: string, views: readonly GraphView[], memo: CopyMemo): void {
  const known = memo.repos.get(repo) ?? { counted: new Map(), byId: new Map(), edition: 0, era: 0 };
  memo.repos.set(repo, known);
  const here = new Set(views.map((view) => view.graph));
  for (const [graph, { place }] of known.counted)
    if (!here.has(graph)) atOnce(replaced(place, null, known, memo));
  for (const view of views) atOnce(counted(view, known, memo));
}

/** Lets a state of a graph count from now on, in steps; until they are through, the state before does. */
export function* countSteps(view: GraphView, memo: CopyMemo): Steps<void> {
  const known = memo.repos.get(view.repo);
  // Where nothing is compared, or the graph is new, the next decision counts it.
  if (known?.counted.has(view.graph)) yield* counted(view, known, memo);
}

function* counted(view: GraphView, known: RepoCopies, memo: CopyMemo): Steps<void> {
  const before = known.counted.get(view.graph);
  const place = placeOf(view);
  if (before && !isSamePlace(before.place, place)) yield* replaced(before.place, null, known, memo);
  else if (before?.snapshot === view.snapshot) return;
  yield* replaced(place, view.snapshot, known, memo);
}

function isSamePlace(a: Place, b: Place): boolean {
  return a.worktree === b.worktree && a.worktreeIsMain === b.worktreeIsMain && a.tracked === b.tracked;
}

const NO_TASKS: Snapshot['tasks'] = new Map();
/** Ids looked at between two pauses. */
const IDS_A_STEP = 256;

/** What one state of a graph differs in from another. */
interface Difference {
  /** Those whose copies say something else now. */
  readonly changed: Shared[];
  readonly touched: Set<GraphPath>;
  readonly gone: TaskId[];
}

/** Puts another state of a graph in the place of the one that counts; marks the graphs with copies of what changed. */
function* replaced(place: Place, snapshot: Snapshot | null, known: RepoCopies, memo: CopyMemo): Steps<void> {
  const { graph } = place;
  const { edition } = known;
  const before = countedTasks(graph, known);
  const { changed, touched, gone } = yield* difference(graph, snapshot?.tasks ?? NO_TASKS, known);
  // From here to the next pause nothing else happens.
  if (countedTasks(graph, known) !== before) return;
  if (snapshot) known.counted.set(graph, { place, snapshot });
  else known.counted.delete(graph);
  for (const shared of changed) shared.groups = null;
  // Another graph changed meanwhile, perhaps in what the two share.
  if (known.edition !== edition) {
    known.era++;
    for (const other of known.counted.keys()) touched.add(other);
  }
  known.edition++;
  for (const other of touched) touch(other, memo);
  yield* removeAll(gone, graph, known);
}

function countedTasks(graph: GraphPath, { counted }: RepoCopies): Snapshot['tasks'] {
  return counted.get(graph)?.snapshot.tasks ?? NO_TASKS;
}

/** New ids are added to the index at once: one that does not count yet is no copy yet. */
function* difference(graph: GraphPath, now: Snapshot['tasks'], known: RepoCopies): Steps<Difference> {
  const before = countedTasks(graph, known);
  const found: Difference = { changed: [], touched: new Set(), gone: [] };
  let looked = 0;
  for (const id of changedIds(before, now)) {
    if (++looked % IDS_A_STEP === 0) yield;
    const old = before.get(id);
    const task = now.get(id);
    if (task && !old) add(id, graph, known);
    if (!task) found.gone.push(id);
    const shared = known.byId.get(id);
    const isSame = old?.status === task?.status && old?.createdAt === task?.createdAt;
    if (typeof shared !== 'object' || isSame) continue;
    found.changed.push(shared);
    for (const other of shared.graphs) found.touched.add(other);
  }
  return found;
}

function* removeAll(ids: readonly TaskId[], graph: GraphPath, known: RepoCopies): Steps<void> {
  for (const [n, id] of ids.entries()) {
    // It may have come back since.
    if (!countedTasks(graph, known).has(id)) remove(id, graph, known);
    if (n % IDS_A_STEP === IDS_A_STEP - 1) yield;
  }
}

function remove(id: TaskId, graph: GraphPath, { byId }: RepoCopies): void {
  const shared = byId.get(id);
  if (shared === graph) byId.delete(id);
  if (typeof shared !== 'object') return;
  shared.graphs.delete(graph);
  shared.groups = null;
  if (shared.graphs.size === 0) byId.delete(id);
}

function add(id: TaskId, graph: GraphPath, { byId }: RepoCopies): void {
  const shared = byId.get(id);
  if (shared === undefined) byId.set(id, graph);
  else if (typeof shared === 'object') shared.graphs.add(graph);
  else if (shared !== graph) byId.set(id, { graphs: new Set([shared, graph]), groups: null, era: 0 });
}
