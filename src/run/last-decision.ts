// What was decided last, and what was looked at for it. Whoever ticks writes it; all others read.

import type { Decision, World } from '../decide/world.ts';

/** A decision and the world it is about. */
export interface Decided {
  readonly world: World;
  readonly decision: Decision;
}

export class LastDecision {
  #made: Decided | null = null;

  /** Null before the first one. */
  get made(): Decided | null {
    return this.#made;
  }

  /** Why nothing at all is begun just now; null when something may be. */
  get dispatchBlocked() {
    return this.#made?.world.dispatchBlocked ?? null;
  }

  note(decided: Decided): void {
    this.#made = decided;
  }
}
