// Concurrency and rate of dispatches to one endpoint: a number in flight, and a rate per second with a burst. Knows
// nothing of HTTP, and keeps its state in memory only: a restart begins with a full bucket.

import type { HttpDelivery } from '../../domain/profile.ts';
import type { Clock } from '../../platform/clock.ts';

export type EndpointLimits = Pick<HttpDelivery, 'inFlight' | 'perSecond' | 'burst'>;

export type Entry =
  | {
      readonly kind: 'in';
      leave(): void;
      /** It is away from the endpoint for a while, but will return; the returned function says when. */
      rest(): () => void;
    }
  /** When to ask again, ms since the epoch. */
  | { readonly kind: 'later'; readonly until: number; readonly because: string };

/** Longer waits release the run's slot; each time that costs two writes to the graph, so not sooner. */
const LONGEST_WAIT_MS = 10_000;

/** How long others need not ask while all those in flight wait for the endpoint to recover, ms. */
const RECOVERY_MS = 60_000;

interface State {
  inFlight: number;
  /** Those of them that wait for another delivery. */
  resting: number;
  /** Below zero: this many are waiting for theirs. */
  tokens: number;
  at: number;
  /** Callers waiting for a request in flight to complete. */
  readonly waiting: Set<() => void>;
}

export interface EndpointPace {
  /** Waits for its turn if that is soon. An aborted signal ends the waiting; the caller checks it. */
  enter(endpoint: string, limits: EndpointLimits, signal: AbortSignal): Promise<Entry>;
}

export function createEndpointPace(clock: Clock): EndpointPace {
  const states = new Map<string, State>();

  return {
    async enter(endpoint, limits, signal) {
      const state = states.get(endpoint) ?? {
        inFlight: 0,
        resting: 0,
        tokens: limits.burst,
        at: clock.now(),
        waiting: new Set(),
      };
      states.set(endpoint, state);
      const patience = clock.now() + LONGEST_WAIT_MS;
      const isStuck = () => state.resting >= limits.inFlight;
      while (state.inFlight >= limits.inFlight && !isStuck() && clock.now() < patience && !signal.aborted)
        await oneLess(state, clock, patience - clock.now(), signal);
      const now = clock.now();
      if (isStuck())
        return {
          kind: 'later',
          until: now + RECOVERY_MS,
          because: `${state.resting} messages to ${endpoint} wait to be delivered again`,
        };
      if (state.inFlight >= limits.inFlight)
        return {
          kind: 'later',
          until: now + LONGEST_WAIT_MS,
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
        rest() {
          let rests = true;
          state.resting += 1;
          return () => {
            if (rests) state.resting -= 1;
            rests = false;
          };
        },
        leave() {
          if (left) return;
          left = true;
          state.inFlight -= 1;
          const [next] = state.waiting;
          next?.();
          // Forgotten when its state is the initial one, so that the map does not grow with every URL ever seen.
          if (
            state.inFlight === 0 &&
            state.waiting.size === 0 &&
            rate === null &&
            states.get(endpoint) === state
          )
            states.delete(endpoint);
        },
      };
    },
  };
}

/** Resolves when a request in flight completed, the time is up or the signal aborts. */
async function oneLess(state: State, clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const turn = new AbortController();
  const go = () => turn.abort();
  state.waiting.add(go);
  await clock.sleep(ms, AbortSignal.any([signal, turn.signal]));
  state.waiting.delete(go);
}
