// The last decision, and the world it was made from. Written by the tick; all others read.

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

  /** Why nothing at all may start now; null if dispatching is allowed. */
  get dispatchBlocked() {
    return this.#made?.world.dispatchBlocked ?? null;
  }

  note(decided: Decided): void {
    this.#made = decided;
  }
}
