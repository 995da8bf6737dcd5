// The machine's slots as a queue: its entries have been admitted and are starting or running. A run may yield its
// slot before it finishes, if nothing runs locally for a while. Chooses nothing.

import PQueue from 'p-queue';
import type { RunId } from '../domain/ids.ts';
import type { LiveRun } from '../run/live-run.ts';

export class Slots {
  readonly #queue: PQueue;
  readonly #waiting = new Set<RunId>();

  constructor(count: number) {
    this.#queue = new PQueue({ concurrency: Math.max(1, count) });
  }

  /** Changes the limit. Running work continues. */
  resize(count: number): void {
    this.#queue.concurrency = Math.max(1, count);
  }

  /** Unfinished runs that yielded their slot. */
  get waiting(): ReadonlySet<RunId> {
    return this.#waiting;
  }

  /** Carries out a run in its turn. Resolves when all of it has finished, though its slot may be free earlier. */
  async take(live: LiveRun, work: () => Promise<void>, priority = 0): Promise<void> {
    const { id } = live.run;
    let working: Promise<void> = Promise.resolve();
    const freed = live.slotReleased.then(() => void this.#waiting.add(id));
    try {
      await this.#queue.add(
        () => {
          working = work();
          return Promise.race([working, freed]);
        },
        { priority },
      );
      await working;
    } finally {
      this.#waiting.delete(id);
    }
  }
}
