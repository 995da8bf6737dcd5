// Who holds a run that is worked on elsewhere: worker, clocks, and what they told us. Between such a lease and its row
// in the ledger; knows nothing of when one is over.

import type { Database, SqlRow } from './database.ts';
import { numberOrNull, textOrNull } from './run-row.ts';

/**
 * `hold`: the graph names an outside executor and anybody may come for the task · `claim`: somebody took a task that
 * would have gone elsewhere, and without them it goes there again · `http`: sent to an agent.
 */
export const LEASE_KINDS = ['hold', 'claim', 'http'] as const;
export type LeaseKind = (typeof LEASE_KINDS)[number];

/** Instants in ms. */
export interface Lease {
  readonly kind: LeaseKind;
  /** Who has it; null while a hold waits for somebody. */
  readonly worker: string | null;
  /** The worker's own name for it, given back with every event. */
  readonly externalRef: string | null;
  /** How long the lease holds after each sign of life, ms; null: it does not end by itself. */
  readonly leaseMs: number | null;
  readonly expiresAt: number | null;
  /** The last sign of life. */
  readonly heartbeatAt: number | null;
  /** What the worker asked a person last (JSON text). */
  readonly question: string | null;
  /** What the person answered; null with a question: the worker waits. */
  readonly answer: string | null;
  /** When it was found to be stale; null: it is not, or nobody said so yet. */
  readonly staleAt: number | null;
  /** Told when the run is over. */
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

/** The lease that a row stands for. */
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

/** Writes a lease over what was there before. */
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
