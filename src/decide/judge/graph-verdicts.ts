// The verdicts of one graph's tasks. Immutable: the next judgement's verdicts are layered on these, as most stay the
// same.

import type { Tasks } from '../../domain/graph.ts';
import type { GraphPath, TaskId } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';

/** What a verdict says. */
export type Reason = Pick<Verdict, 'state' | 'code' | 'because' | 'nextAt'>;

/** The verdict of a task. `executor`: where it would go; null: unknown or irrelevant. */
export function verdictOf(graph: GraphPath, task: Task, executor: string | null, reason: Reason): Verdict {
  const { state, code, because, nextAt } = reason;
  return { graph, task: task.id, state, code, because, nextAt, executor };
}

/** Layers are merged into one map beyond this many verdicts and this share of them: each judgement copies the later one. */
const FEW = 64;
const SHARE = 16;

export class GraphVerdicts implements ReadonlyMap<TaskId, Verdict> {
  /** The ids with verdicts, in the order they are listed. */
  readonly #tasks: Tasks;
  readonly #earlier: ReadonlyMap<TaskId, Verdict>;
  readonly #later: ReadonlyMap<TaskId, Verdict>;
  /** The verdict of a task without one of its own: most are finished, and theirs are only made on request. */
  readonly #ofOthers: (task: Task) => Verdict;

  private constructor(
    tasks: Tasks,
    earlier: ReadonlyMap<TaskId, Verdict>,
    later: ReadonlyMap<TaskId, Verdict>,
    ofOthers: (task: Task) => Verdict,
  ) {
    this.#tasks = tasks;
    this.#earlier = earlier;
    this.#later = later;
    this.#ofOthers = ofOthers;
  }

  /** `made`: verdicts of some of the tasks. */
  static of(
    tasks: Tasks,
    made: ReadonlyMap<TaskId, Verdict>,
    ofOthers: (task: Task) => Verdict,
  ): GraphVerdicts {
    return new GraphVerdicts(tasks, made, new Map(), ofOthers);
  }

  /** The verdicts of these tasks: the fresh ones, and the existing ones for all others. */
  with(tasks: Tasks, fresh: ReadonlyMap<TaskId, Verdict>): GraphVerdicts {
    const later = both(this.#later, fresh);
    if (later.size <= FEW + tasks.size / SHARE)
      return new GraphVerdicts(tasks, this.#earlier, later, this.#ofOthers);
    const made = both(this.#earlier, later);
    for (const id of made.keys()) if (!tasks.has(id)) made.delete(id);
    return GraphVerdicts.of(tasks, made, this.#ofOthers);
  }

  /**
   * The ids whose verdict may differ from an earlier judgement of the same graph. Without one: those of all tasks with a
   * verdict of their own, which finished ones have only if they finished lately.
   */
  *changedFrom(before: GraphVerdicts | undefined): Iterable<TaskId> {
    if (before === this) return;
    if (!before) {
      yield* this.#later.keys();
      yield* this.#earlier.keys();
      return;
    }
    const layers = [this.#later, before.#later];
    if (before.#earlier !== this.#earlier) layers.push(this.#earlier, before.#earlier);
    for (const layer of layers)
      for (const id of layer.keys()) if (this.#own(id) !== before.#own(id)) yield id;
  }

  get size(): number {
    return this.#tasks.size;
  }

  get(id: TaskId): Verdict | undefined {
    const task = this.#tasks.get(id);
    return task && this.#said(task);
  }

  has(id: TaskId): boolean {
    return this.#tasks.has(id);
  }

  keys(): MapIterator<TaskId> {
    return this.#tasks.keys();
  }

  *values(): MapIterator<Verdict> {
    for (const task of this.#tasks.values()) yield this.#said(task);
    return undefined;
  }

  *entries(): MapIterator<[TaskId, Verdict]> {
    for (const task of this.#tasks.values()) yield [task.id, this.#said(task)];
    return undefined;
  }

  [Symbol.iterator](): MapIterator<[TaskId, Verdict]> {
    return this.entries();
  }

  forEach(
    act: (verdict: Verdict, id: TaskId, map: ReadonlyMap<TaskId, Verdict>) => void,
    self?: unknown,
  ): void {
    for (const [id, verdict] of this.entries()) act.call(self, verdict, id, this);
  }

  #said(task: Task): Verdict {
    return this.#own(task.id) ?? this.#ofOthers(task);
  }

  #own(id: TaskId): Verdict | undefined {
    return this.#later.get(id) ?? this.#earlier.get(id);
  }
}

/** One map of two; of what both have, the second counts. */
function both<K, V>(first: ReadonlyMap<K, V>, second: ReadonlyMap<K, V>): Map<K, V> {
  const all = new Map<K, V>();
  for (const [key, value] of first) all.set(key, value);
  for (const [key, value] of second) all.set(key, value);
  return all;
}
