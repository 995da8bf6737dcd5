// Circuit breakers, one per endpoint: after several failed dispatches in a row, the endpoint is left alone for a
// while, then tried with a single one. Knows nothing of HTTP and keeps its state in memory only.

import type { Clock } from '../../platform/clock.ts';

export interface CircuitOptions {
  /** Dispatches that must fail in a row. */
  readonly failures: number;
  /** How long the endpoint is left alone, ms. */
  readonly openMs: number;
}

/** Permission to try. Exactly one of its methods is called when the try has ended; later calls do nothing. */
export interface Permit {
  readonly kind: 'permit';
  /** The endpoint accepted the work. */
  taken(): void;
  failed(): void;
  /** Inconclusive, such as when the run was cancelled. */
  dropped(): void;
}

export interface CircuitOpen {
  readonly kind: 'open';
  /** When to ask again, ms since the epoch. */
  readonly until: number;
  readonly because: string;
}

export interface Circuits {
  admit(endpoint: string): Permit | CircuitOpen;
}

interface State {
  failures: number;
  openUntil: number | null;
  probing: boolean;
}

/** Breakers that all start closed. */
export function createCircuits(clock: Clock, options: CircuitOptions): Circuits {
  const states = new Map<string, State>();

  const open = (state: State) => {
    state.openUntil = clock.now() + options.openMs;
  };

  return {
    admit(endpoint) {
      const state = states.get(endpoint) ?? { failures: 0, openUntil: null, probing: false };
      states.set(endpoint, state);
      const now = clock.now();
      if (state.openUntil !== null && (now < state.openUntil || state.probing))
        return {
          kind: 'open',
          until: now < state.openUntil ? state.openUntil : now + options.openMs,
          because: `${endpoint} failed ${state.failures} dispatches in a row${now < state.openUntil ? '' : '; one is trying it again now'}`,
        };
      const probe = state.openUntil !== null;
      if (probe) state.probing = true;

      let over = false;
      const settle = (act: () => void) => () => {
        if (over) return;
        over = true;
        if (probe) state.probing = false;
        act();
      };
      return {
        kind: 'permit',
        taken: settle(() => {
          // Forgotten rather than reset, so that the map has troubled endpoints only.
          if (states.get(endpoint) === state) states.delete(endpoint);
          state.failures = 0;
          state.openUntil = null;
        }),
        failed: settle(() => {
          state.failures += 1;
          if (!states.has(endpoint)) states.set(endpoint, state);
          if (probe || state.failures >= options.failures) open(state);
        }),
        dropped: settle(() => {}),
      };
    },
  };
}
