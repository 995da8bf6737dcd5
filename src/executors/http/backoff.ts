// How long to wait between two attempts. Pure: time and randomness are passed in, nothing waits.

/** The pace of retries. All in milliseconds. */
export interface Pace {
  readonly baseMs: number;
  readonly capMs: number;
}

/** A `Retry-After` counts between one second and one hour, so that no endpoint can park a task for ever. */
const MIN_RETRY_AFTER_MS = 1000;
const MAX_RETRY_AFTER_MS = 3_600_000;

const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Exponential backoff with full jitter: anywhere in [0, min(cap, base·2^(tries-1))). `tries` counts from 1. */
export function jitteredDelay(tries: number, pace: Pace, random: number): number {
  const ceiling = Math.min(pace.capMs, pace.baseMs * 2 ** Math.min(tries - 1, 40));
  return Math.floor(random * ceiling);
}

/** The delay that a `Retry-After` header requests, in ms and within bounds; null if unusable (RFC 9110 10.2.3). */
export function retryAfterMs(header: string | undefined, now: number): number | null {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return clampRetryAfter(Number(text) * 1000);
  // Date.parse accepts nearly any text with a digit as a date: only the form of RFC 9110 counts.
  if (HTTP_DATE.test(text)) return clampRetryAfter(Date.parse(text) - now);
  return null;
}

/** The delay before the next attempt: our own, or the requested one if that is longer (as Knative does). */
export function nextDelay(
  tries: number,
  pace: Pace,
  random: number,
  retryAfter: string | undefined,
  now: number,
): number {
  return Math.max(jitteredDelay(tries, pace, random), retryAfterMs(retryAfter, now) ?? 0);
}

function clampRetryAfter(ms: number): number {
  return Number.isNaN(ms)
    ? MIN_RETRY_AFTER_MS
    : Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, ms));
}
