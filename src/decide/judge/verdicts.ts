// All verdicts of one decision as one read-only map, layered over the verdicts that each graph keeps. Copying every
// verdict of every graph for each tick would cost more than deciding.

import { type GraphPath, type TaskId, type TaskKey, taskKey, taskOfKey } from '../../domain/ids.ts';
import type { Verdict } from '../../domain/verdict.ts';
import type { GraphVerdicts } from './graph-verdicts.ts';

type ByTask = ReadonlyMap<TaskId, Verdict>;

/** The verdict of one task. Saves building and splitting keys where many are asked for. */
export function verdictOf(
  verdicts: ReadonlyMap<TaskKey, Verdict>,
  graph: GraphPath,
  task: TaskId,
): Verdict | undefined {
  return verdicts instanceof Verdicts ? verdicts.of(graph, task) : verdicts.get(taskKey(graph, task));
}

/** The verdicts of one graph: those that stand until it is judged again, and the tasks whose verdicts change by the tick. */
export interface GraphLayers {
  readonly kept: GraphVerdicts;
  readonly passing: readonly TaskId[];
}

/** Verdicts by TaskKey. */
export class Verdicts implements ReadonlyMap<TaskKey, Verdict> {
  readonly #graphs: ReadonlyMap<GraphPath, GraphVerdicts>;
  readonly #now: ReadonlyMap<GraphPath, ByTask>;
  readonly #ready: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, unknown>>;
  readonly #ofReady: (verdict: Verdict) => Verdict;
  readonly size: number;

  /**
   * `graphs`: what each graph keeps. `now`: this tick's overrides. `ready`: the tasks whose kept verdict says ready,
   * which `ofReady` replaces.
   */
  constructor(
    graphs: ReadonlyMap<GraphPath, GraphVerdicts>,
    now: ReadonlyMap<GraphPath, ByTask>,
    ready: ReadonlyMap<GraphPath, ReadonlyMap<TaskId, unknown>>,
    ofReady: (verdict: Verdict) => Verdict,
  ) {
    this.#graphs = graphs;
    this.#now = now;
    this.#ready = ready;
    this.#ofReady = ofReady;
    let size = 0;
    for (const tasks of graphs.values()) size += tasks.size;
    this.size = size;
  }

  get(key: TaskKey): Verdict | undefined {
    const ref = taskOfKey(key);
    return ref === null ? undefined : this.of(ref.graph, ref.task);
  }

  /** What the verdicts of one graph are made of; null: it was not judged. */
  layersOf(graph: GraphPath): GraphLayers | null {
    const kept = this.#graphs.get(graph);
    if (!kept) return null;
    const now = this.#now.get(graph);
    return { kept, passing: [...(now?.keys() ?? []), ...(this.#ready.get(graph)?.keys() ?? [])] };
  }

  /** The same, without a key. */
  of(graph: GraphPath, task: TaskId): Verdict | undefined {
    const kept = this.#graphs.get(graph)?.get(task);
    return kept && this.#said(kept);
  }

  has(key: TaskKey): boolean {
    const ref = taskOfKey(key);
    return ref !== null && (this.#graphs.get(ref.graph)?.has(ref.task) ?? false);
  }

  *entries(): MapIterator<[TaskKey, Verdict]> {
    for (const [graph, tasks] of this.#graphs)
      for (const [id, kept] of tasks) yield [taskKey(graph, id), this.#said(kept)];
    return undefined;
  }

  *keys(): MapIterator<TaskKey> {
    for (const [graph, tasks] of this.#graphs) for (const id of tasks.keys()) yield taskKey(graph, id);
    return undefined;
  }

  *values(): MapIterator<Verdict> {
    for (const tasks of this.#graphs.values()) for (const kept of tasks.values()) yield this.#said(kept);
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

  #said(kept: Verdict): Verdict {
    const now = this.#now.get(kept.graph)?.get(kept.task);
    return now ?? (kept.state === 'ready' ? this.#ofReady(kept) : kept);
  }
}
