// Since when each task has been held, to notify when it is too long. In memory only: after a restart the time starts
// again, as the reasons do.

import type { Verdict } from '../domain/verdict.ts';
import type { Clock } from '../platform/clock.ts';
import { aboutHeld, type Notification } from './notifications.ts';

/** Every task is checked, so not in every tick. */
const LOOK_EVERY_MS = 15_000;

export interface HeldWatch {
  /** The notifications due now: each task once for each reason it is held by. */
  look(
    verdicts: Iterable<Verdict>,
    heldAfterMs: number,
    worktreeOf: (graph: string) => string,
  ): Notification[];
}

export function createHeldWatch(clock: Clock): HeldWatch {
  let since = new Map<string, { readonly at: number; told: boolean }>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  return {
    look(verdicts, heldAfterMs, worktreeOf) {
      const now = clock.now();
      if (now - lookedAt < Math.min(LOOK_EVERY_MS, heldAfterMs)) return [];
      lookedAt = now;
      const told: Notification[] = [];
      const still: typeof since = new Map();
      for (const verdict of verdicts) {
        // Waiting for other tasks or for its time is normal; being held is not.
        if (verdict.state !== 'held' && verdict.state !== 'queued') continue;
        const key = `${verdict.graph} ${verdict.task} ${verdict.code}`;
        const entry = since.get(key) ?? { at: now, told: false };
        still.set(key, entry);
        if (entry.told || now - entry.at < heldAfterMs) continue;
        entry.told = true;
        told.push(aboutHeld(verdict, worktreeOf(verdict.graph), entry.at));
      }
      since = still;
      return told;
    },
  };
}
