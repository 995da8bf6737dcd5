// The tasks of one graph while a course changes them. Each state is a table of its own that can tell quickly how it
// differs from an earlier one, as the tables of graph files do.

import type { Tasks } from '../domain/graph.ts';
import type { TaskId } from '../domain/ids.ts';
import { isTerminal, type Task } from '../domain/task.ts';

type Dropped = 'assigned' | 'readyAfter';

/** New values of a task's members, and members to remove. */
export type TaskChange = Partial<Task> & { readonly drop?: readonly Dropped[] };

export class Board {
  readonly #tasks: Map<TaskId, Task>;
  /** The id that was changed by each version. */
  readonly #changed: TaskId[] = [];
  readonly #dependents = new Map<TaskId, TaskId[]>();
  #table: Table | null = null;

  constructor(tasks: ReadonlyMap<TaskId, Task>) {
    this.#tasks = new Map(tasks);
    for (const { id, after } of tasks.values())
      for (const other of after) {
        const known = this.#dependents.get(other);
        if (known) known.push(id);
        else this.#dependents.set(other, [id]);
      }
  }

  /** How many changes there were. */
  get version(): number {
    return this.#changed.length;
  }

  get(id: TaskId): Task | undefined {
    return this.#tasks.get(id);
  }

  /** The tasks that name this one as a dependency. */
  dependentsOf(id: TaskId): readonly TaskId[] {
    return this.#dependents.get(id) ?? [];
  }

  /** Changes a task; false: there is none of that id. */
  edit(id: TaskId, { drop = [], ...to }: TaskChange): boolean {
    const known = this.#tasks.get(id);
    if (!known) return false;
    const changed: { -readonly [Key in keyof Task]: Task[Key] } = { ...known, ...to };
    for (const member of drop) delete changed[member];
    this.#tasks.set(id, changed);
    this.#changed.push(id);
    this.#table = null;
    return true;
  }

  /** The tasks as they are now; later changes do not show in it. */
  tasks(): Tasks {
    this.#table ??= new Table(this.#tasks, this.#changed);
    return this.#table;
  }
}

class Table extends Map<TaskId, Task> implements Tasks {
  readonly #history: readonly TaskId[];
  readonly #version: number;

  constructor(tasks: ReadonlyMap<TaskId, Task>, history: readonly TaskId[]) {
    super(tasks);
    this.#history = history;
    this.#version = history.length;
  }

  changedSince(before: ReadonlyMap<TaskId, Task>): ReadonlySet<TaskId> | null {
    if (!(before instanceof Table) || before.#history !== this.#history || before.#version > this.#version)
      return null;
    return new Set(this.#history.slice(before.#version, this.#version));
  }

  unfinished(): Iterable<Task> {
    return [...this.values()].filter(({ status }) => !isTerminal(status));
  }
}
