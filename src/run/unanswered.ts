// Runs that have exited and whose result is unknown for now: their folder is away with its graph. They
// are polled again, less and less often, and not in every tick.

import type { RunId } from '../domain/ids.ts';

const FIRST_AGAIN_MS = 250;
const LAST_AGAIN_MS = 10_000;

export class Unanswered {
  readonly #runs = new Map<RunId, { readonly waitMs: number; readonly askAt: number }>();

  /** The run gave no answer. */
  note(run: RunId, now: number): void {
    const before = this.#runs.get(run);
    const waitMs = before ? Math.min(2 * before.waitMs, LAST_AGAIN_MS) : FIRST_AGAIN_MS;
    this.#runs.set(run, { waitMs, askAt: now + waitMs });
  }

  /** The run has finished. */
  forget(run: RunId): void {
    this.#runs.delete(run);
  }

  mayAsk(run: RunId, now: number): boolean {
    const known = this.#runs.get(run);
    // A clock that was set back must not keep it waiting.
    return known === undefined || now >= known.askAt || now < known.askAt - known.waitMs;
  }

  /** When the next one is to be asked, ms; null: none. */
  nextAt(now: number): number | null {
    let next: number | null = null;
    for (const { askAt } of this.#runs.values())
      if (askAt > now && (next === null || askAt < next)) next = askAt;
    return next;
  }
}
