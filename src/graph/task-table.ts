// The tasks of a graph by id, over the lines they are on. Immutable: a change makes a new table that shares all
// unchanged parts with the old one and can tell quickly how the two differ. Knows nothing of bytes.

import type { Tasks } from '../domain/graph.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Steps } from '../domain/steps.ts';
import { isTerminal, type Task } from '../domain/task.ts';
import type { GraphLine } from './lines.ts';

/**
 * The line of each id. Shared by tables of the same ids on the same lines; grows when lines with new ids are added.
 */
interface Index {
  /** Id → index of the line that counts, which is the last one of that id. */
  readonly at: Map<string, number>;
  /** How many lines it covers. A table of fewer lines does not see later ones. */
  lines: number;
}

/** Which lines contain a task of some kind, ascending. Repeated ids may be among them. */
class Picked {
  readonly #isOne: (task: Task) => boolean;
  readonly places: readonly number[];

  constructor(isOne: (task: Task) => boolean, places: readonly number[]) {
    this.#isOne = isOne;
    this.places = places;
  }

  changed(lines: readonly GraphLine[], from: number, oldTo: number, to: number): Picked {
    const before = this.#first(from);
    const behind = this.#first(oldTo);
    const places = this.places.slice(0, before);
    for (let i = from; i < to; i++) {
      const task = lines[i]?.task;
      if (task && this.#isOne(task)) places.push(i);
    }
    for (let i = behind; i < this.places.length; i++) places.push((this.places[i] ?? 0) + to - oldTo);
    return new Picked(this.#isOne, places);
  }

  /** How many are before a line. */
  #first(line: number): number {
    let low = 0;
    let high = this.places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.places[middle] ?? 0) < line) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const isUnfinished = (task: Task) => !isTerminal(task.status);
const isCycleOwner = (task: Task) => task.hasCycleConfig;

/** Lines indexed between two yields to the event loop. */
const LINES_A_STEP = 2048;

interface Kinds {
  readonly unfinished: Picked;
  readonly cycleOwners: Picked;
}

export class TaskTable implements Tasks {
  readonly size: number;
  readonly #lines: readonly GraphLine[];
  readonly #index: Index;
  /** Some id is on several lines. */
  readonly hasRepeated: boolean;

  readonly #kinds: Kinds;

  private constructor(
    lines: readonly GraphLine[],
    index: Index,
    kinds: Kinds,
    hasRepeated: boolean,
    size: number,
  ) {
    this.#lines = lines;
    this.#index = index;
    this.#kinds = kinds;
    this.hasRepeated = hasRepeated;
    this.size = size;
  }

  /** The table of these lines; in steps, as there may be many. */
  static *of(lines: readonly GraphLine[]): Steps<TaskTable> {
    const at = new Map<string, number>();
    const unfinished: number[] = [];
    const cycleOwners: number[] = [];
    let hasRepeated = false;
    let size = 0;
    for (let i = 0; i < lines.length; i++) {
      if (i % LINES_A_STEP === 0) yield;
      const { id = null, task = null } = lines[i] ?? {};
      if (id === null) continue;
      const earlier = at.get(id);
      if (earlier !== undefined) {
        hasRepeated = true;
        if (lines[earlier]?.task) size--;
      }
      at.set(id, i);
      if (task === null) continue;
      size++;
      if (isUnfinished(task)) unfinished.push(i);
      if (isCycleOwner(task)) cycleOwners.push(i);
    }
    const kinds = {
      unfinished: new Picked(isUnfinished, unfinished),
      cycleOwners: new Picked(isCycleOwner, cycleOwners),
    };
    return new TaskTable(lines, { at, lines: lines.length }, kinds, hasRepeated, size);
  }

  /**
   * The table of lines that came from this one's: `oldTo - from` of them, beginning with the line `from`, were replaced
   * by `to - from` others.
   */
  *changed(lines: readonly GraphLine[], from: number, oldTo: number, to: number): Steps<TaskTable> {
    const old = this.#lines;
    // The end of a file may grow by new ids; anywhere else the ids must be the same as before.
    const isSameLength = to === oldTo;
    const grows = oldTo === old.length && to > oldTo;
    if (!isSameLength && !grows) return yield* TaskTable.of(lines);
    let { size } = this;
    for (let i = from; i < oldTo; i++) {
      if (lines[i] === old[i]) continue;
      if (lines[i]?.id !== old[i]?.id) return yield* TaskTable.of(lines);
      if (this.hasRepeated && !this.#counts(i)) continue;
      size += Number(Boolean(lines[i]?.task)) - Number(Boolean(old[i]?.task));
    }
    const kinds = {
      unfinished: this.#kinds.unfinished.changed(lines, from, oldTo, to),
      cycleOwners: this.#kinds.cycleOwners.changed(lines, from, oldTo, to),
    };
    if (!grows) return new TaskTable(lines, this.#index, kinds, this.hasRepeated, size);
    const added = new Map<string, number>();
    for (let i = oldTo; i < to; i++) {
      const { id = null, task = null } = lines[i] ?? {};
      if (id === null) continue;
      if (added.has(id) || this.lineOf(id) !== undefined) return yield* TaskTable.of(lines);
      added.set(id, i);
      if (task) size++;
    }
    const index = this.#index.lines === old.length ? this.#index : this.#ownIndex();
    for (const [id, line] of added) index.at.set(id, line);
    index.lines = lines.length;
    return new TaskTable(lines, index, kinds, this.hasRepeated, size);
  }

  /** Index of the line of an id, resources included. */
  lineOf(id: string): number | undefined {
    const line = this.#index.at.get(id);
    return line !== undefined && line < this.#lines.length ? line : undefined;
  }

  get(id: TaskId): Task | undefined {
    return this.#lines[this.#index.at.get(id) ?? -1]?.task ?? undefined;
  }

  archivedStatus(id: TaskId): string | undefined {
    return this.#lines[this.lineOf(id) ?? -1]?.archived;
  }

  has(id: TaskId): boolean {
    return this.get(id) !== undefined;
  }

  changedSince(before: ReadonlyMap<TaskId, Task>): Iterable<TaskId> | null {
    return before instanceof TaskTable && before.#index === this.#index ? this.#differing(before) : null;
  }

  *#differing(before: TaskTable): Iterable<TaskId> {
    const count = Math.max(this.#lines.length, before.#lines.length);
    for (let i = 0; i < count; i++) {
      const now = this.#lines[i];
      const old = before.#lines[i];
      if (now === old) continue;
      if ((now?.task ?? null) === (old?.task ?? null) && now?.archived === old?.archived) continue;
      const id = now?.id ?? old?.id ?? '';
      if (!this.hasRepeated || this.#index.at.get(id) === i) yield id;
    }
  }

  unfinished(): Iterable<Task> {
    return this.#picked(this.#kinds.unfinished);
  }

  cycleOwners(): Iterable<Task> {
    return this.#picked(this.#kinds.cycleOwners);
  }

  *#picked({ places }: Picked): Iterable<Task> {
    for (const place of places) {
      const task = this.#lines[place]?.task;
      if (task && (!this.hasRepeated || this.#counts(place))) yield task;
    }
  }

  *values(): MapIterator<Task> {
    for (let i = 0; i < this.#lines.length; i++) {
      const task = this.#lines[i]?.task;
      if (task && (!this.hasRepeated || this.#counts(i))) yield task;
    }
    return undefined;
  }

  *keys(): MapIterator<TaskId> {
    for (const task of this.values()) yield task.id;
    return undefined;
  }

  *entries(): MapIterator<[TaskId, Task]> {
    for (const task of this.values()) yield [task.id, task];
    return undefined;
  }

  [Symbol.iterator](): MapIterator<[TaskId, Task]> {
    return this.entries();
  }

  forEach(act: (task: Task, id: TaskId, map: ReadonlyMap<TaskId, Task>) => void, self?: unknown): void {
    for (const task of this.values()) act.call(self, task, task.id, this);
  }

  /** The line is the last one of its id. */
  #counts(index: number): boolean {
    return this.#index.at.get(this.#lines[index]?.id ?? '') === index;
  }

  /** The index without what later tables appended. */
  #ownIndex(): Index {
    const lines = this.#lines.length;
    const own = new Map<string, number>();
    for (const [id, line] of this.#index.at) if (line < lines) own.set(id, line);
    return { at: own, lines };
  }
}
