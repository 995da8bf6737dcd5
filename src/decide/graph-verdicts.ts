// The verdicts of one graph's tasks. A value: the next judgement's verdicts are laid over these, as most of them stay.

import type { Tasks } from '../domain/graph.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Verdict } from '../domain/verdict.ts';

/** So many verdicts, and one in so many, may lie above the others before all are put into one map again. */
const FEW = 1024;
const SHARE = 16;

export class GraphVerdicts implements ReadonlyMap<TaskId, Verdict> {
  /** Whose verdicts these are; in this order they are told. */
  readonly #tasks: Tasks;
  readonly #earlier: ReadonlyMap<TaskId, Verdict>;
  readonly #later: ReadonlyMap<TaskId, Verdict>;

  private constructor(
    tasks: Tasks,
    earlier: ReadonlyMap<TaskId, Verdict>,
    later: ReadonlyMap<TaskId, Verdict>,
  ) {
    this.#tasks = tasks;
    this.#earlier = earlier;
    this.#later = later;
  }

  /** `all`: a verdict for each of the tasks. */
  static of(tasks: Tasks, all: ReadonlyMap<TaskId, Verdict>): GraphVerdicts {
    return new GraphVerdicts(tasks, all, new Map());
  }

  /** The verdicts of these tasks: the fresh ones, and ours for all others. */
  with(tasks: Tasks, fresh: ReadonlyMap<TaskId, Verdict>): GraphVerdicts {
    const now = new GraphVerdicts(tasks, this.#earlier, new Map([...this.#later, ...fresh]));
    const isMuch = now.#later.size > FEW + tasks.size / SHARE;
    return isMuch ? GraphVerdicts.of(tasks, new Map(now)) : now;
  }

  get size(): number {
    return this.#tasks.size;
  }

  get(id: TaskId): Verdict | undefined {
    return this.#tasks.has(id) ? (this.#later.get(id) ?? this.#earlier.get(id)) : undefined;
  }

  has(id: TaskId): boolean {
    return this.#tasks.has(id);
  }

  keys(): MapIterator<TaskId> {
    return this.#tasks.keys();
  }

  *values(): MapIterator<Verdict> {
    for (const [, verdict] of this.entries()) yield verdict;
    return undefined;
  }

  *entries(): MapIterator<[TaskId, Verdict]> {
    for (const id of this.#tasks.keys()) {
      const verdict = this.#later.get(id) ?? this.#earlier.get(id);
      if (verdict) yield [id, verdict];
    }
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
}
