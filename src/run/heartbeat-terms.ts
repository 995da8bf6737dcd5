// What an agent promised when it took a task: how often it will give a sign of life, and what it calls the work. Kept as
// the run's lease; that a lease ends is leases.ts.

import type { Begun } from '../executors/executor.ts';
import { newLease } from '../runs/lease-row.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { LiveRun } from './live-run.ts';

/** Signs of life that may be missed in a row before an agent is given up. */
const MISSED = 3;

/** The shortest lease that comes of a promise, ms: networks stumble. */
const SHORTEST_MS = 60_000;

/** Writes the promises of a hand-off down. What a heartbeat said meanwhile is the later word and stays. */
export function notePromises(
  ledger: Pick<Ledger, 'setLease'>,
  live: LiveRun,
  { externalId, heartbeatEveryS }: Extract<Begun, { kind: 'handed-off' }>,
  now: number,
): void {
  if (externalId === undefined && heartbeatEveryS === undefined) return;
  const before = live.lease ?? newLease('http');
  const promised =
    heartbeatEveryS === undefined ? null : Math.max(heartbeatEveryS * 1000 * MISSED, SHORTEST_MS);
  const leaseMs = before.leaseMs ?? promised;
  live.lease = {
    ...before,
    leaseMs,
    expiresAt: before.heartbeatAt === null && leaseMs !== null ? now + leaseMs : before.expiresAt,
    externalRef: before.externalRef ?? externalId ?? null,
  };
  ledger.setLease(live.run.id, live.lease, true);
}
