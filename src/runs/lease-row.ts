// The lease of external work: worker, clocks, and reports. Converts between such a lease and its row in the ledger;
// does not know when one expires.

import type { Database, SqlRow } from './database.ts';
import { numberOrNull, textOrNull } from './run-row.ts';

/**
 * `hold`: the graph names an external executor and any worker may claim the task · `claim`: a worker took a task that
 * would have gone elsewhere, and without the worker it goes there again · `http`: sent to an agent.
 */
export const LEASE_KINDS = ['hold', 'claim', 'http'] as const;
export type LeaseKind = (typeof LEASE_KINDS)[number];

/** Instants in ms. */
export interface Lease {
  readonly kind: LeaseKind;
  /** The worker; null while the task waits for one. */
  readonly worker: string | null;
  /** The worker's own name for it, returned with every event. */
  readonly externalRef: string | null;
  /** How long the lease lasts after each heartbeat, ms; null: it does not expire. */
  readonly leaseMs: number | null;
  readonly expiresAt: number | null;
  /** The last heartbeat. */
  readonly heartbeatAt: number | null;
  /** The worker's last question to a person (JSON text). */
  readonly question: string | null;
  /** The person's answer; null with a question: the worker waits. */
  readonly answer: string | null;
  /** When it was found to be stale; null: it is not, or that is not recorded yet. */
  readonly staleAt: number | null;
  /** Notified when the run finishes. */
  readonly notifyUrl: string | null;
}

/** A lease of which only the kind is known. */
export function newLease(kind: LeaseKind, facts: Partial<Lease> = {}): Lease {
  return {
    kind,
    worker: null,
    externalRef: null,
    leaseMs: null,
    expiresAt: null,
    heartbeatAt: null,
    question: null,
    answer: null,
    staleAt: null,
    notifyUrl: null,
    ...facts,
  };
}

/** The lease of a row. */
export function leaseOf(row: SqlRow | null): Lease | null {
  if (row === null) return null;
  const kind = LEASE_KINDS.find((word) => word === row.kind);
  if (kind === undefined) throw new Error(`the ledger holds a lease of unknown kind ${String(row.kind)}`);
  return {
    kind,
    worker: textOrNull(row, 'worker'),
    externalRef: textOrNull(row, 'external_ref'),
    leaseMs: numberOrNull(row, 'lease_ms'),
    expiresAt: numberOrNull(row, 'expires_at'),
    heartbeatAt: numberOrNull(row, 'heartbeat_at'),
    question: textOrNull(row, 'question'),
    answer: textOrNull(row, 'answer'),
    staleAt: numberOrNull(row, 'stale_at'),
    notifyUrl: textOrNull(row, 'notify_url'),
  };
}

/** Writes a lease, replacing the previous one. */
export function writeLease(database: Database, run: string, lease: Lease): void {
  database
    .prepare(
      `INSERT OR REPLACE INTO leases (run, kind, worker, external_ref, lease_ms, expires_at, heartbeat_at, question,
         stale_at, notify_url, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      run,
      lease.kind,
      lease.worker,
      lease.externalRef,
      lease.leaseMs,
      lease.expiresAt,
      lease.heartbeatAt,
      lease.question,
      lease.staleAt,
      lease.notifyUrl,
      lease.answer,
    );
}
