// Work that goes on while nobody waits for its result. It is kept in sight all the same: whoever stops the supervisor
// waits until the last of it has written what it writes.

import { messageOf } from '../domain/errors.ts';
import type { Log } from '../platform/log.ts';

export class Background {
  readonly #pending = new Set<Promise<void>>();
  readonly #log: Pick<Log, 'warn'>;
  readonly #failure: string;

  /** `failure`: the name under which work that failed is logged. */
  constructor(log: Pick<Log, 'warn'>, failure: string) {
    this.#log = log;
    this.#failure = failure;
  }

  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** Lets it go on; its failure is logged. */
  later(work: Promise<unknown>): void {
    const tracked: Promise<void> = work
      .then(() => undefined)
      .catch((thrown: unknown) => this.#log.warn(this.#failure, { because: messageOf(thrown) }))
      .finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  /** Resolves when nothing of it goes on, what was begun meanwhile included. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending]);
  }
}
