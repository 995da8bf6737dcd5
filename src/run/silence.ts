// Silent runs: noticed and reported, never stopped here. A live process is not dead because it is quiet; stopping it
// for that is the profile's silence_timeout, which its executor watches.

import type { LiveRun } from './live-run.ts';

/** Silence after which a person should know, ms. */
const WORTH_A_LOOK_MS = 5 * 60_000;
/** Silence after which something is probably wrong, ms. */
const CRITICAL_MS = 15 * 60_000;

export type SilenceLevel = 'warning' | 'critical';

/** Only local agents are expected to show continuous progress. */
function isWatched({ run, declared, signal }: LiveRun): boolean {
  return run.phase === 'started' && run.process !== null && !declared && !signal.aborted;
}

/** How silent a run is now; null if it is not, or need not report anything. */
export function silenceLevel(live: LiveRun, now: number): SilenceLevel | null {
  const silentMs = now - live.progressAt;
  if (!isWatched(live) || silentMs < WORTH_A_LOOK_MS) return null;
  return silentMs < CRITICAL_MS ? 'warning' : 'critical';
}

/** When its silence is reported next, ms; null: already reported, or not watched. */
export function nextSilenceAt(live: LiveRun, now: number): number | null {
  if (!isWatched(live)) return null;
  const level = silenceLevel(live, now);
  if (level === 'critical') return null;
  return live.progressAt + (level === null ? WORTH_A_LOOK_MS : CRITICAL_MS);
}

/** The silence of a run as text, for `status` and `runs`. */
export function silenceText(live: LiveRun, now: number): string | null {
  if (silenceLevel(live, now) === null) return null;
  const minutes = Math.floor((now - live.progressAt) / 60_000);
  return `no sign of life for ${minutes} min${live.progress === null ? '' : `; last: ${live.progress}`}`;
}
