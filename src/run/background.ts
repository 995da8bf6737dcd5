// Work whose result is not awaited, but still tracked: stopping the supervisor waits until all of it has written its
// results.

import { messageOf } from '../domain/errors.ts';
import type { Log } from '../platform/log.ts';

export class Background {
  readonly #pending = new Set<Promise<void>>();
  readonly #log: Pick<Log, 'warn'>;
  readonly #failure: string;

  /** `failure`: the name under which failed work is logged. */
  constructor(log: Pick<Log, 'warn'>, failure: string) {
    this.#log = log;
    this.#failure = failure;
  }

  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** Starts it without waiting; its failure is logged. */
  later(work: Promise<unknown>): void {
    const tracked: Promise<void> = work
      .then(() => undefined)
      .catch((thrown: unknown) => this.#log.warn(this.#failure, { because: messageOf(thrown) }))
      .finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  /** Resolves when none of it is running, including what was started meanwhile. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending]);
  }
}
