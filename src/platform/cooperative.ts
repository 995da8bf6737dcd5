// Long work in short turns, so that whatever else waits for the event loop gets its turn in between. Knows nothing of
// the work.

/** Work that stops wherever it says `yield`, and ends with its result. It must bear that anything happens meanwhile. */
export type Steps<T> = Generator<void, T, void>;

/** How long one turn lasts, ms: well below what anybody notices who waits for an answer. */
const TURN_MS = 8;

/** Carries the work out, turn by turn. Rejects with what it throws. */
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
 * Lets everything else that waits for the event loop have its turn: timers, sockets, files. A loop that goes round on
 * promises alone keeps all of them from theirs for as long as it lasts.
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
