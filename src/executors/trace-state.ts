// Our member of W3C Trace Context's tracestate, for spawned and remote agents alike.

import type { RunId } from '../domain/ids.ts';

/** The value of `tracestate` (and TRACESTATE) beside a run's traceparent: the run itself. */
export function traceState(run: RunId): string {
  return `workgraph=${run}`;
}
