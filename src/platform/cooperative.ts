// Long work in short steps that yield to the event loop. Does not know the work.

import type { Steps } from '../domain/steps.ts';

/** How long one step lasts, ms: well below what a waiting caller notices. */
const TURN_MS = 4;

/** Carries the work out, step by step. Rejects with what it throws. */
export async function yielding<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const done = forOneTurn(steps);
    if (done) return done.value;
    await nextTurn();
  }
}

/** Does one turn's share of the work; null: there is more of it. */
export type Turn = (steps: Steps<void>) => { readonly value: unknown } | null;

/** Carries out as much of the work as fits into one turn; null: there is more of it. */
export function forOneTurn<T>(steps: Steps<T>): { readonly value: T } | null {
  const begun = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done) return step;
    if (performance.now() - begun >= TURN_MS) return null;
  }
}

/**
 * Yields to everything else that waits for the event loop: timers, sockets, files. A loop on promises alone would
 * starve them for as long as it lasts.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
