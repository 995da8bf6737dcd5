// What an executor may say of a run while it works on it: signs of life, facts, deliveries.

import type { RunControl } from '../executors/executor.ts';
import type { Clock } from '../platform/clock.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { LiveRun } from './live-run.ts';

/** The control of one run. `hear` is told every sign of life. */
export function runControl(
  live: LiveRun,
  parts: { readonly ledger: Ledger; readonly clock: Clock },
  hear: (message: string) => void,
): RunControl {
  const { ledger, clock } = parts;
  const { id } = live.run;
  return {
    signal: live.signal,
    progress(message) {
      live.progressAt = clock.now();
      live.progress = message;
      hear(message);
    },
    note: (facts) => ledger.note(id, facts),
    deliveries: {
      begin: (message, target) => ledger.deliveries.beginDispatch(message, id, target),
      end: (message, state, because) => ledger.deliveries.noteDispatch(message, state, because),
    },
  };
}
