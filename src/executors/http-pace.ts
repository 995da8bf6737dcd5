// How fast and how wide one endpoint is dispatched to: so many in flight, so many a second with a burst. Knows nothing of
// HTTP, and keeps its state in memory only: a restart begins with a full bucket.

import type { Clock } from '../seams/clock.ts';

export interface EndpointLimits {
  /** Dispatches a second in the long run; null: no limit. */
  readonly perSecond: number | null;
  /** Dispatches that may follow one another at once. */
  readonly burst: number;
  /** Requests under way at once. */
  readonly inFlight: number;
}

/** Somebody else's service: one a second, after a burst of five (protocols 1.3). */
export const REMOTE_ENDPOINT: EndpointLimits = { perSecond: 1, burst: 5, inFlight: 10 };

/** A service of this machine is bounded by the machine's own limits; a rate would only slow its user down. */
export const LOCAL_ENDPOINT: EndpointLimits = { perSecond: null, burst: 5, inFlight: 10 };

export type Entry =
  | { readonly kind: 'in'; leave(): void }
  /** When it is worth asking again, ms since the epoch. */
  | { readonly kind: 'later'; readonly until: number; readonly because: string };

/** Longer waits give the run's place back. */
const LONGEST_WAIT_MS = 3000;
/** When a full endpoint is looked at again: nobody knows when a request under way ends. */
const FULL_PAUSE_MS = 2000;

interface State {
  inFlight: number;
  /** Below zero: so many are waiting for theirs. */
  tokens: number;
  at: number;
}

export interface EndpointPace {
  /** Waits for its turn where that is soon. An aborted signal ends the waiting; the caller looks at it. */
  enter(endpoint: string, limits: EndpointLimits, signal: AbortSignal): Promise<Entry>;
}

export function createEndpointPace(clock: Clock): EndpointPace {
  const states = new Map<string, State>();

  return {
    async enter(endpoint, limits, signal) {
      const now = clock.now();
      const state = states.get(endpoint) ?? { inFlight: 0, tokens: limits.burst, at: now };
      states.set(endpoint, state);
      if (state.inFlight >= limits.inFlight)
        return {
          kind: 'later',
          until: now + FULL_PAUSE_MS,
          because: `${state.inFlight} requests to ${endpoint} are under way already`,
        };
      const rate = limits.perSecond;
      let waitMs = 0;
      if (rate !== null) {
        const gained = (Math.max(0, now - state.at) / 1000) * rate;
        state.tokens = Math.min(limits.burst, state.tokens + gained);
        state.at = now;
        waitMs = state.tokens >= 1 ? 0 : Math.ceil(((1 - state.tokens) / rate) * 1000);
        if (waitMs > LONGEST_WAIT_MS)
          return {
            kind: 'later',
            until: now + waitMs,
            because: `${endpoint} is dispatched to at most ${rate} times a second`,
          };
        state.tokens -= 1;
      }
      state.inFlight += 1;
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      let left = false;
      return {
        kind: 'in',
        leave() {
          if (left) return;
          left = true;
          state.inFlight -= 1;
          // Forgotten when it holds nothing worth remembering, so that the map does not grow with every URL ever seen.
          if (state.inFlight === 0 && rate === null && states.get(endpoint) === state)
            states.delete(endpoint);
        },
      };
    },
  };
}

/** The limits of an endpoint, by where it is. */
export function limitsOf(endpoint: URL): EndpointLimits {
  const host = endpoint.hostname;
  const local = host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
  return local ? LOCAL_ENDPOINT : REMOTE_ENDPOINT;
}
