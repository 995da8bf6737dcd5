// Notices when the event loop was paused. Measured in this thread's own processor time: a machine that has no time for
// us makes everything late without anyone being to blame, a loop that goes round and round is busy all the while.

import { LOADING_TIME, threadTime } from './module-loading.mjs';
import { PATIENCE } from './patience.mjs';

/** Longer than any turn may take, in ms of processor time. A machine's host may count as ours what it takes itself. */
export const LONGEST_TURN_MS = 1000 * PATIENCE;
const LOOK_EVERY_MS = 100;

export interface LoopWatch {
  /** How long the loop was paused each time since this was asked last, in ms of processor time. */
  stalls(): readonly number[];
  stop(): void;
}

export interface Meters {
  /** Processor time of this thread so far, ms. */
  readonly busy: () => number;
  /** Calls this at every turn of the loop until the result is called, or now and then. */
  readonly everyTurn: (look: () => void) => () => void;
}

/** Watches the loop of this thread until it is stopped. */
export function watchLoop({ busy, everyTurn }: Meters = { busy: ownTime, everyTurn: byTimer }): LoopWatch {
  let last = busy();
  let found: number[] = [];
  const look = () => {
    const now = busy();
    if (now - last >= LONGEST_TURN_MS) found.push(now - last);
    last = now;
  };
  const off = everyTurn(look);
  return {
    stalls() {
      // What still continues, or ended within this very turn, was seen by no timer.
      look();
      const seen = found;
      found = [];
      return seen;
    },
    stop: off,
  };
}

function byTimer(look: () => void): () => void {
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** What this thread worked, without what Jest took to load modules on demand. */
function ownTime(): number {
  const { [LOADING_TIME]: loading } = globalThis as { [LOADING_TIME]?: () => number };
  return threadTime() - (loading?.() ?? 0);
}

/** What is wrong with what was seen since this was asked last; null: nothing. */
export function complaint(watch: LoopWatch): string | null {
  const stalls = watch.stalls();
  if (stalls.length === 0) return null;
  return (
    `The event loop was paused for ${stalls.map((ms) => `${Math.round(ms)} ms`).join(', ')} of processor time: ` +
    'long work takes turns (src/platform/cooperative.ts), and no loop goes round on promises alone.'
  );
}
