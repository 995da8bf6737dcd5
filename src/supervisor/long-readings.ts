// Reads large graphs in the background: other work does not wait until a hundred thousand tasks are read. The
// previous reading stays valid until then.

import { messageOf } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Log } from '../platform/log.ts';

/** Fewer tasks are read in a few milliseconds. */
const MANY_TASKS = 5000;

export class LongReadings {
  readonly #graphs: Pick<SupervisedGraphs, 'get' | 'refresh'>;
  readonly #log: Pick<Log, 'warn'>;
  readonly #wake: () => void;
  readonly #readings = new Map<GraphPath, Promise<void>>();
  #ended: GraphPath[] = [];
  /** Ends the current wait. */
  #hurry: (() => void) | null = null;

  /** `wake` is called when a reading completes that is not awaited. */
  constructor(
    parts: { readonly graphs: Pick<SupervisedGraphs, 'get' | 'refresh'>; readonly log: Pick<Log, 'warn'> },
    wake: () => void,
  ) {
    this.#graphs = parts.graphs;
    this.#log = parts.log;
    this.#wake = wake;
  }

  /** Whether reading a graph again may take long. */
  isLong(path: GraphPath): boolean {
    return (this.#graphs.get(path)?.store.snapshot().tasks.size ?? 0) >= MANY_TASKS;
  }

  /** Reads a graph again, after a reading that may be under way. */
  begin(path: GraphPath): void {
    const reading: Promise<void> = this.#graphs
      .refresh([path])
      .catch((thrown: unknown) => this.#log.warn('graph.unread', { graph: path, because: messageOf(thrown) }))
      .then(() => {
        this.#ended.push(path);
        if (this.#readings.get(path) === reading) this.#readings.delete(path);
        if (this.#hurry === null) this.#wake();
      });
    this.#readings.set(path, reading);
  }

  /** Resolves when one of the readings has completed, or `hurry` is called; at once if there is none. */
  async wait(): Promise<void> {
    if (this.#readings.size === 0) return;
    const hurried = new Promise<void>((resolve) => {
      this.#hurry = resolve;
    });
    await Promise.race([...this.#readings.values(), hurried]);
    this.#hurry = null;
  }

  /** The graphs whose reading has completed since the last call. */
  takeEnded(): readonly GraphPath[] {
    const ended = this.#ended;
    this.#ended = [];
    return ended;
  }

  /** Lets the waiting caller continue with the previous reading. */
  hurry(): void {
    this.#hurry?.();
  }

  /** Resolves when no reading is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#readings.values());
  }
}
