// Our member of W3C Trace Context's tracestate, for agents that are spawned and agents that are sent their task alike.

import type { RunId } from '../domain/ids.ts';

/** What stands in `tracestate` (and TRACESTATE) beside a run's traceparent: the run itself. */
export function traceState(run: RunId): string {
  return `workgraph=${run}`;
}
