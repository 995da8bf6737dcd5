// A graph at one moment: its tasks, or the one reason why it cannot be used; and what differs between two moments.

import type { GraphPath, TaskId } from './ids.ts';
import { isTerminal, type Task } from './task.ts';

/** Why a graph cannot be trusted now. Its tasks are held; other graphs are not affected. */
export interface GraphProblem {
  readonly code: 'missing' | 'unreadable' | 'unstable' | 'invalid-line' | 'too-large';
  /** One sentence that contains the next step. */
  readonly message: string;
  /** 1-based number of the offending line, if there is one. */
  readonly line?: number;
  /** The offending key, if there is one. */
  readonly key?: string;
}

/** The tasks of a graph by id, in the order of the file. */
export interface Tasks extends ReadonlyMap<TaskId, Task> {
  /** The ids whose tasks differ from those of an earlier table; null if all tasks must be compared. */
  changedSince?(before: ReadonlyMap<TaskId, Task>): Iterable<TaskId> | null;
  /** The unfinished tasks, in file order; absent: found by searching all. */
  unfinished?(): Iterable<Task>;
  /** The tasks that carry a cycle_config, likewise. */
  cycleOwners?(): Iterable<Task>;
  /** The final status of an archived task of which only a marker line is left; absent: nothing is known. */
  archivedStatus?(id: TaskId): string | undefined;
}

/** The unfinished tasks: most tasks of a large graph are finished and need no second look. */
export function unfinishedTasks(tasks: Tasks): Iterable<Task> {
  return tasks.unfinished?.() ?? [...tasks.values()].filter((task) => !isTerminal(task.status));
}

/** The tasks that carry a cycle_config. */
export function cycleOwners(tasks: Tasks): Iterable<Task> {
  return tasks.cycleOwners?.() ?? [...tasks.values()].filter((task) => task.hasCycleConfig);
}

/** The ids whose tasks were added, removed or changed. */
export function changedTasks(before: Tasks, now: Tasks): ReadonlySet<TaskId> {
  return new Set(changedIds(before, now));
}

/** The same, found one by one: there may be many. */
export function* changedIds(before: Tasks, now: Tasks): Iterable<TaskId> {
  const known = now.changedSince?.(before);
  if (known) {
    yield* known;
    return;
  }
  for (const [id, task] of now) if (before.get(id) !== task) yield id;
  for (const id of before.keys()) if (!now.has(id)) yield id;
}

/** graph.jsonl parsed at one revision. Equal revisions mean equal bytes. */
export interface Snapshot {
  readonly graph: GraphPath;
  /** Identity of the bytes: different for every different content. */
  readonly revision: string;
  readonly tasks: Tasks;
  /** If set, nothing may be dispatched from or written to this graph; `tasks` contains what could be read. */
  readonly problem: GraphProblem | null;
  /** Harmless oddities worth showing in `status`, such as a duplicate id. */
  readonly warnings: readonly string[];
}
