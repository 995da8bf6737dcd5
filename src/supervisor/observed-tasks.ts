// Observe mode: what would be started is told, each task once for as long as that stands.

import type { Verdict } from '../domain/verdict.ts';
import type { Bus } from '../platform/bus.ts';

export class ObservedTasks {
  readonly #bus: Bus;
  /** What was told, by graph and task. */
  #told: ReadonlyMap<string, string> = new Map();

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Tells of those that were not told yet, or would go elsewhere now. */
  tell(verdicts: Iterable<Verdict>): void {
    const standing = new Map<string, string>();
    for (const { graph, task, code, because } of verdicts) {
      if (code !== 'observe') continue;
      const key = JSON.stringify([graph, task]);
      standing.set(key, because);
      if (this.#told.get(key) !== because) this.#bus.emit('task.held', { graph, task, code, because });
    }
    this.#told = standing;
  }
}
