// Long work in short steps that yield to the event loop. Does not know the work.

/** Work that pauses at each `yield`, and returns its result. Anything may happen in between. */
export type Steps<T> = Generator<void, T, void>;

/** How long one step lasts, ms: well below what a waiting caller notices. */
const TURN_MS = 8;

/** Carries the work out, step by step. Rejects with what it throws. */
export async function yielding<T>(steps: Steps<T>): Promise<T> {
  let begun = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() - begun < TURN_MS) continue;
    await nextTurn();
    begun = performance.now();
  }
}

/**
 * Yields to everything else that waits for the event loop: timers, sockets, files. A loop on promises alone would
 * starve them for as long as it lasts.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Carries the work out at once. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
