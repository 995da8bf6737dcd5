// While the disk refuses the ledger's writes: nothing new starts, and writing is retried at growing intervals.

import type { GraphHold } from '../decide/world.ts';
import type { Clock } from '../platform/clock.ts';
import type { Ledger } from '../runs/ledger.ts';

/** From the first refusal to the first retry, ms; doubled each time. */
const FIRST_TRY_MS = 1000;
const LAST_TRY_MS = 30_000;

export class LedgerTrouble {
  readonly #ledger: Pick<Ledger, 'refusal' | 'probe'>;
  readonly #clock: Pick<Clock, 'now'>;
  #waitMs = FIRST_TRY_MS;
  /** The next retry; null if there is no problem. */
  #triesAt: number | null = null;

  constructor({ ledger, clock }: { ledger: Pick<Ledger, 'refusal' | 'probe'>; clock: Pick<Clock, 'now'> }) {
    this.#ledger = ledger;
    this.#clock = clock;
  }

  /** Why nothing may start, or null. */
  hold(): GraphHold | null {
    const because = this.#ledger.refusal();
    return because === null ? null : { code: 'ledger-unwritable', because };
  }

  /** Checks for a problem, and retries when due. Returns the next instant to check, or null. */
  look(): number | null {
    const now = this.#clock.now();
    const isNew = this.#triesAt === null;
    if (this.#ledger.refusal() !== null && !isNew && now >= Number(this.#triesAt)) {
      try {
        this.#ledger.probe();
      } catch {
        // Still full; the refusal says so.
        this.#waitMs = Math.min(this.#waitMs * 2, LAST_TRY_MS);
        this.#triesAt = now + this.#waitMs;
      }
    }
    if (this.#ledger.refusal() === null) {
      this.#waitMs = FIRST_TRY_MS;
      this.#triesAt = null;
    } else {
      // The clock may have been set back since.
      this.#triesAt = Math.min(this.#triesAt ?? Number.POSITIVE_INFINITY, now + this.#waitMs);
    }
    return this.#triesAt;
  }
}
