// The tasks of one graph while a course changes them. Each state is a table of its own that can tell quickly how it
// differs from an earlier one, as the tables of graph files do. A course makes a state for every start and every end, so
// none is a copy: all read the same tasks, and an earlier one what they were before they changed.

import type { Tasks } from '../domain/graph.ts';
import type { TaskId } from '../domain/ids.ts';
import { isTerminal, type Task } from '../domain/task.ts';

type Dropped = 'assigned' | 'readyAfter';

/** New values of a task's members, and members to remove. */
export type TaskChange = Partial<Task> & { readonly drop?: readonly Dropped[] };

/** A task as it was until a change; `at` counts the changes before that one. */
interface Past {
  readonly at: number;
  readonly task: Task;
}

/** The tasks as they are now, and as they were. Ids never come or go. */
interface History {
  readonly tasks: Map<TaskId, Task>;
  /** The id that was changed by each version. */
  readonly changed: TaskId[];
  /** Ascending. */
  readonly past: Map<TaskId, Past[]>;
  /** In the order of all tasks; null: to be looked for. */
  unfinished: Map<TaskId, Task> | null;
}

export class Board {
  readonly #history: History;
  readonly #dependents = new Map<TaskId, TaskId[]>();
  #table: Table | null = null;

  constructor(tasks: ReadonlyMap<TaskId, Task>) {
    this.#history = { tasks: new Map(tasks), changed: [], past: new Map(), unfinished: null };
    for (const { id, after } of tasks.values())
      for (const other of after) {
        const known = this.#dependents.get(other);
        if (known) known.push(id);
        else this.#dependents.set(other, [id]);
      }
  }

  /** How many changes there were. */
  get version(): number {
    return this.#history.changed.length;
  }

  get(id: TaskId): Task | undefined {
    return this.#history.tasks.get(id);
  }

  /** The tasks that name this one as a dependency. */
  dependentsOf(id: TaskId): readonly TaskId[] {
    return this.#dependents.get(id) ?? [];
  }

  /** Changes a task; false: there is none of that id. */
  edit(id: TaskId, { drop = [], ...to }: TaskChange): boolean {
    const { tasks, changed, past } = this.#history;
    const known = tasks.get(id);
    if (!known) return false;
    const task: { -readonly [Key in keyof Task]: Task[Key] } = { ...known, ...to };
    for (const member of drop) delete task[member];
    const before = { at: changed.length, task: known };
    const earlier = past.get(id);
    if (earlier) earlier.push(before);
    else past.set(id, [before]);
    tasks.set(id, task);
    changed.push(id);
    this.#noteStatus(known, task);
    return true;
  }

  #noteStatus(before: Task, now: Task): void {
    const { unfinished } = this.#history;
    if (isTerminal(now.status)) unfinished?.delete(now.id);
    // Opened again, its place among the others must be found.
    else if (isTerminal(before.status)) this.#history.unfinished = null;
    else unfinished?.set(now.id, now);
  }

  /** The tasks as they are now; later changes do not show in it. */
  tasks(): Tasks {
    if (!this.#table?.isPresent) this.#table = new Table(this.#history);
    return this.#table;
  }
}

class Table implements Tasks {
  readonly #history: History;
  readonly #version: number;

  constructor(history: History) {
    this.#history = history;
    this.#version = history.changed.length;
  }

  /** Nothing was changed since. */
  get isPresent(): boolean {
    return this.#version === this.#history.changed.length;
  }

  get size(): number {
    return this.#history.tasks.size;
  }

  get(id: TaskId): Task | undefined {
    const { tasks, past } = this.#history;
    let task = tasks.get(id);
    if (this.isPresent) return task;
    const before = past.get(id) ?? [];
    for (let n = before.length - 1; n >= 0 && (before[n]?.at ?? 0) >= this.#version; n--)
      task = before[n]?.task;
    return task;
  }

  has(id: TaskId): boolean {
    return this.#history.tasks.has(id);
  }

  keys(): MapIterator<TaskId> {
    return this.#history.tasks.keys();
  }

  *values(): MapIterator<Task> {
    for (const [, task] of this.entries()) yield task;
    return undefined;
  }

  *entries(): MapIterator<[TaskId, Task]> {
    for (const id of this.keys()) yield [id, this.get(id) as Task];
    return undefined;
  }

  [Symbol.iterator](): MapIterator<[TaskId, Task]> {
    return this.entries();
  }

  forEach(act: (task: Task, id: TaskId, map: ReadonlyMap<TaskId, Task>) => void, self?: unknown): void {
    for (const [id, task] of this.entries()) act.call(self, task, id, this);
  }

  changedSince(before: ReadonlyMap<TaskId, Task>): ReadonlySet<TaskId> | null {
    if (!(before instanceof Table) || before.#history !== this.#history || before.#version > this.#version)
      return null;
    return new Set(this.#history.changed.slice(before.#version, this.#version));
  }

  unfinished(): Iterable<Task> {
    if (!this.isPresent) return [...this.values()].filter(({ status }) => !isTerminal(status));
    this.#history.unfinished ??= unfinishedOf(this.#history.tasks);
    return this.#history.unfinished.values();
  }
}

function unfinishedOf(tasks: ReadonlyMap<TaskId, Task>): Map<TaskId, Task> {
  return new Map([...tasks].filter(([, { status }]) => !isTerminal(status)));
}
