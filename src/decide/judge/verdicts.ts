// All verdicts of one decision as one read-only map, layered over the verdicts that each graph keeps. Copying every
// verdict of every graph for each tick would cost more than deciding.

import { type GraphPath, type TaskId, type TaskKey, taskKey, taskOfKey } from '../../domain/ids.ts';
import type { Verdict } from '../../domain/verdict.ts';
import type { GraphVerdicts } from './graph-verdicts.ts';
import type { Judgement } from './judge.ts';

type ByTask = ReadonlyMap<TaskId, Verdict>;

/** The verdict of one task. Saves building and splitting keys where many are asked for. */
export function verdictOf(
  verdicts: ReadonlyMap<TaskKey, Verdict>,
  graph: GraphPath,
  task: TaskId,
): Verdict | undefined {
  return verdicts instanceof Verdicts ? verdicts.of(graph, task) : verdicts.get(taskKey(graph, task));
}

/** What is said of the tasks that could start: they start, or wait for capacity. */
export interface ReadyWords {
  readonly say: (kept: Verdict) => Verdict;
  /** By graph, those that may be told something else than others that are `alikeAs` they are; null: any of them. */
  readonly apart: ReadonlyMap<GraphPath, readonly TaskId[]> | null;
}

/** The judgement of one graph, and the tasks of which the tick says something of its own. */
export interface GraphLayers extends Pick<Judgement, 'queues' | 'ready'> {
  readonly kept: GraphVerdicts;
  readonly byTick: Iterable<TaskId>;
}

/** Verdicts by TaskKey. */
export class Verdicts implements ReadonlyMap<TaskKey, Verdict> {
  readonly #graphs: ReadonlyMap<GraphPath, Judgement>;
  readonly #now: ReadonlyMap<GraphPath, ByTask>;
  readonly #ready: ReadyWords;
  readonly size: number;

  /** `graphs`: what each graph keeps. `now`: this tick's overrides. `ready`: replaces kept verdicts that say ready. */
  constructor(
    graphs: ReadonlyMap<GraphPath, Judgement>,
    now: ReadonlyMap<GraphPath, ByTask>,
    ready: ReadyWords,
  ) {
    this.#graphs = graphs;
    this.#now = now;
    this.#ready = ready;
    let size = 0;
    for (const { verdicts } of graphs.values()) size += verdicts.size;
    this.size = size;
  }

  get(key: TaskKey): Verdict | undefined {
    const ref = taskOfKey(key);
    return ref === null ? undefined : this.of(ref.graph, ref.task);
  }

  /** What the verdicts of one graph are made of; null: it was not judged. */
  layersOf(graph: GraphPath): GraphLayers | null {
    const judged = this.#graphs.get(graph);
    if (!judged) return null;
    const { verdicts, queues, ready } = judged;
    const now = this.#now.get(graph)?.keys() ?? [];
    const { apart } = this.#ready;
    return {
      kept: verdicts,
      queues,
      ready,
      byTick: [...now, ...(apart ? (apart.get(graph) ?? []) : ready.keys())],
    };
  }

  /** The same, without a key. */
  of(graph: GraphPath, task: TaskId): Verdict | undefined {
    const kept = this.#graphs.get(graph)?.verdicts.get(task);
    return kept && this.#said(kept);
  }

  has(key: TaskKey): boolean {
    const ref = taskOfKey(key);
    return ref !== null && (this.#graphs.get(ref.graph)?.verdicts.has(ref.task) ?? false);
  }

  *entries(): MapIterator<[TaskKey, Verdict]> {
    for (const [graph, { verdicts }] of this.#graphs)
      for (const [id, kept] of verdicts) yield [taskKey(graph, id), this.#said(kept)];
    return undefined;
  }

  *keys(): MapIterator<TaskKey> {
    for (const [graph, { verdicts }] of this.#graphs)
      for (const id of verdicts.keys()) yield taskKey(graph, id);
    return undefined;
  }

  *values(): MapIterator<Verdict> {
    for (const { verdicts } of this.#graphs.values())
      for (const kept of verdicts.values()) yield this.#said(kept);
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
    return now ?? (kept.state === 'ready' ? this.#ready.say(kept) : kept);
  }
}
