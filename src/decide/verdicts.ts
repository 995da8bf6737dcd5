// All verdicts of one decision as one read-only map, laid over the verdicts that each graph keeps. Copying every
// verdict of every graph for each tick would cost more than deciding.

import { type GraphPath, type TaskId, type TaskKey, taskKey, taskOfKey } from '../domain/ids.ts';
import type { Verdict } from '../domain/verdict.ts';

/** Verdicts by TaskKey: those of this tick first, then those of the graphs. */
export class Verdicts implements ReadonlyMap<TaskKey, Verdict> {
  readonly #graphs: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, Verdict>>;
  readonly #now: ReadonlyMap<TaskKey, Verdict>;
  readonly size: number;

  /** Every key of `now` must be a task of one of the graphs. */
  constructor(
    graphs: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, Verdict>>,
    now: ReadonlyMap<TaskKey, Verdict>,
  ) {
    this.#graphs = graphs;
    this.#now = now;
    let size = 0;
    for (const tasks of graphs.values()) size += tasks.size;
    this.size = size;
  }

  get(key: TaskKey): Verdict | undefined {
    const now = this.#now.get(key);
    if (now) return now;
    const ref = taskOfKey(key);
    return ref ? this.#graphs.get(ref.graph)?.get(ref.task) : undefined;
  }

  has(key: TaskKey): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[TaskKey, Verdict]> {
    for (const [graph, tasks] of this.#graphs)
      for (const [id, verdict] of tasks) {
        const key = taskKey(graph, id);
        yield [key, this.#now.get(key) ?? verdict];
      }
    return undefined;
  }

  *keys(): MapIterator<TaskKey> {
    for (const [key] of this.entries()) yield key;
    return undefined;
  }

  *values(): MapIterator<Verdict> {
    for (const [, verdict] of this.entries()) yield verdict;
    return undefined;
  }

  [Symbol.iterator](): MapIterator<[TaskKey, Verdict]> {
    return this.entries();
  }

  forEach(
    act: (verdict: Verdict, key: TaskKey, map: ReadonlyMap<TaskKey, Verdict>) => void,
    self?: unknown,
  ): void {
    for (const [key, verdict] of this.entries()) act.call(self, verdict, key, this);
  }
}
