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

  /** `wake` is called when a reading completes. */
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
        this.#wake();
      });
    this.#readings.set(path, reading);
  }

  /** Something is being read. */
  get isBusy(): boolean {
    return this.#readings.size > 0;
  }

  /** The graphs whose reading has completed since the last call. */
  takeEnded(): readonly GraphPath[] {
    const ended = this.#ended;
    this.#ended = [];
    return ended;
  }

  /** Resolves when no reading is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#readings.values());
  }
}
