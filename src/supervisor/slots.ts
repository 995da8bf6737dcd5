// The machine's places as a queue: what is in it has been admitted and is on its way or running. A run may give its place
// back before it is over, where nothing of it goes on here for a while. Chooses nothing.

import PQueue from 'p-queue';
import type { RunId } from '../domain/ids.ts';
import type { LiveRun } from '../run/live-run.ts';

export class Slots {
  readonly #queue: PQueue;
  readonly #waiting = new Set<RunId>();

  constructor(count: number) {
    this.#queue = new PQueue({ concurrency: Math.max(1, count) });
  }

  /** Another limit. What runs already goes on. */
  resize(count: number): void {
    this.#queue.concurrency = Math.max(1, count);
  }

  /** Runs that gave their place back and are not over. */
  get waiting(): ReadonlySet<RunId> {
    return this.#waiting;
  }

  /** Does the work of a run in its turn. Resolves when all of it is over, though its place may be free earlier. */
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
