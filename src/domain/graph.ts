// A graph at one moment: its tasks, or the one reason why it cannot be acted upon; and what differs between two moments.

import type { GraphPath, TaskId } from './ids.ts';
import { isTerminal, type Task } from './task.ts';

/** Why a graph cannot be trusted just now. Its tasks are held; other graphs go on. */
export interface GraphProblem {
  readonly code: 'missing' | 'unreadable' | 'unstable' | 'invalid-line' | 'too-large';
  /** One sentence with the next step in it. */
  readonly message: string;
  /** 1-based line number, where one line is to blame. */
  readonly line?: number;
  /** The offending key, where one is to blame. */
  readonly key?: string;
}

/** The tasks of a graph by id, in the order of the file. */
export interface Tasks extends ReadonlyMap<TaskId, Task> {
  /** The ids whose tasks differ from those of an earlier table; null when every task must be compared to tell. */
  changedSince?(before: ReadonlyMap<TaskId, Task>): ReadonlySet<TaskId> | null;
  /** The tasks that are not over, in the order of the file; absent: they are looked for among all. */
  unfinished?(): Iterable<Task>;
  /** The tasks that carry a cycle_config, likewise. */
  cycleOwners?(): Iterable<Task>;
  /** How a task ended that was archived and left only a line saying so; absent: nothing of the kind is known. */
  archivedStatus?(id: TaskId): string | undefined;
}

/** The tasks that are not over: most tasks of a large graph are, and need no second look. */
export function unfinishedTasks(tasks: Tasks): Iterable<Task> {
  return tasks.unfinished?.() ?? [...tasks.values()].filter((task) => !isTerminal(task.status));
}

/** The tasks that carry a cycle_config. */
export function cycleOwners(tasks: Tasks): Iterable<Task> {
  return tasks.cycleOwners?.() ?? [...tasks.values()].filter((task) => task.hasCycleConfig);
}

/** The ids whose tasks came, went or are others than before. */
export function changedTasks(before: Tasks, now: Tasks): ReadonlySet<TaskId> {
  const known = now.changedSince?.(before);
  if (known) return known;
  const found = new Set<TaskId>();
  for (const [id, task] of now) if (before.get(id) !== task) found.add(id);
  for (const id of before.keys()) if (!now.has(id)) found.add(id);
  return found;
}

/** graph.jsonl parsed at one revision. Equal revisions mean equal bytes. */
export interface Snapshot {
  readonly graph: GraphPath;
  /** Identity of the bytes: grows or changes with every different content. */
  readonly revision: string;
  readonly tasks: Tasks;
  /** Set: nothing may be dispatched from or written to this graph. `tasks` then holds what could be read. */
  readonly problem: GraphProblem | null;
  /** Harmless oddities worth a word in `status`, such as a duplicate id. */
  readonly warnings: readonly string[];
}
