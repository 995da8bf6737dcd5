// How long the event loop of this process let others wait while something continued. Says it as figures for a table.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Figure } from './report.ts';

/** The loop is expected to come by at this interval, ms; lateness is the delay. */
const RESOLUTION_MS = 2;

/** How long others waited, ms. Short looks every two ms are the samples: one long block is one of them. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoopWatch {
  /** What was seen since the beginning or the last reset. */
  seen(): LoopDelay;
  /** Forgets what was seen, for instance while the benchmark itself was at work. */
  reset(): void;
  /** Ends the watch; says what was seen. */
  stop(): LoopDelay;
}

/** Watches the event loop of this process from now on. */
export function watchLoop(): LoopWatch {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // What is counted is the time from one look to the next.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const seen = () => ({
    p50: late(histogram.percentile(50)),
    p99: late(histogram.percentile(99)),
    max: late(histogram.max),
  });
  return {
    seen,
    reset: () => histogram.reset(),
    stop() {
      histogram.disable();
      return seen();
    },
  };
}

/** The rows of a table; `what` says during which act. */
export function loopFigures(what: string, delay: LoopDelay, floor?: LoopDelay): Figure[] {
  return [
    {
      name: `${what}, event loop late, p99`,
      value: delay.p99,
      unit: 'ms',
      ...floorOf(floor?.p99),
      aim: '20 ms',
    },
    { name: `${what}, event loop late, worst`, value: delay.max, unit: 'ms', ...floorOf(floor?.max) },
  ];
}

function floorOf(value: number | undefined): { readonly floor?: number } {
  return value === undefined ? {} : { floor: value };
}
