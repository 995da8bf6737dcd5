// What a report about everything is made of, gathered from a running supervisor. Decides and words nothing.

import type { RunId } from '../domain/ids.ts';
import { isoTime } from '../platform/clock.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import type { ControlParts } from './live-control.ts';
import type { Reportable } from './reports.ts';

/** The state of things now. `startedAt` in ms. */
export function reportableOf(
  supervisor: Supervisor,
  parts: ControlParts,
  startedAt: number,
  progressOf: (run: RunId) => string | null,
): Reportable {
  const { world, decision } = supervisor.judge();
  const { live } = supervisor.dispatcher.runner;
  return {
    world,
    decision,
    repositories: parts.graphs.repositories(),
    gone: supervisor.lost.gone(),
    polling: new Set(parts.pollingGraphs()),
    problems: parts.problems(),
    supervisor: {
      running: true,
      pid: process.pid,
      version: parts.version,
      started_at: isoTime(startedAt),
      mode: parts.observeOnly ? 'observe' : 'dispatch',
      state: supervisor.state,
    },
    progressOf,
    leaseOf: (run) => live.get(run)?.lease ?? null,
  };
}
