// Sent and pending deliveries, recorded before the first byte leaves: dispatches to agents, and events to webhooks
// with their exact bytes. Sends nothing itself.

import type { Clock } from '../platform/clock.ts';
import type { Database, SqlRow } from './database.ts';
import { numberOrNull, textOrNull } from './run-row.ts';

/** An event to be sent to a webhook. */
export interface QueuedEvent {
  /** The message id: the same for every delivery. */
  readonly id: string;
  /** The webhook's name. */
  readonly target: string;
  /** The exact body. */
  readonly payload: string;
  /** Deliveries so far. */
  readonly attempts: number;
  readonly createdAt: number;
}

/** A dispatch as last recorded. */
export interface DispatchDelivery {
  readonly id: string;
  readonly target: string;
  readonly attempts: number;
  readonly state: string;
  readonly lastError: string | null;
}

export interface DeliveryStore {
  /**
   * Records that a dispatch is about to be delivered; returns the number of this delivery, from 1, continued over
   * restarts.
   */
  beginDispatch(id: string, run: string, target: string): number;
  /** Records the result of the last delivery: `accepted`, `refused`, `retrying` … */
  noteDispatch(id: string, state: string, lastError: string | null): void;
  dispatch(id: string): DispatchDelivery | null;
  /** Queues an event for a webhook. False if it is or was queued already: each transition is sent once. */
  queueEvent(event: { readonly id: string; readonly target: string; readonly payload: string }): boolean;
  /** Events of these webhooks that are due, oldest first. */
  dueEvents(now: number, limit: number): QueuedEvent[];
  /** When the next event is due, ms; null if none waits. */
  nextEventAt(): number | null;
  /** Counts a delivery before it is made, due again at `nextAt` should this process die during it. */
  beginEvent(id: string, nextAt: number): void;
  /** `delivered`, `expired`, `refused`, `held`: final. The bytes are dropped, except those of a held one. */
  endEvent(id: string, state: 'delivered' | 'expired' | 'refused' | 'held', lastError: string | null): void;
  /** Due again later. */
  postponeEvent(id: string, nextAt: number, lastError: string): void;
  /** Queues the held events of a webhook again, once its configuration changed. */
  unholdEvents(target: string): void;
  /** Number of events by state. */
  eventCounts(): ReadonlyMap<string, number>;
}

function eventOf(row: SqlRow): QueuedEvent {
  return {
    id: String(row.id),
    target: String(row.target),
    payload: String(row.payload),
    attempts: Number(row.attempts),
    createdAt: Number(row.created_at),
  };
}

/** The store over an open, migrated database. */
export function createDeliveryStore(database: Database, clock: Clock): DeliveryStore {
  const begin = database.prepare(
    `INSERT INTO deliveries (id, run, target, payload, state, attempts, created_at, kind)
     VALUES (?, ?, ?, '', 'sending', 1, ?, 'dispatch')
     ON CONFLICT (id) DO UPDATE SET attempts = attempts + 1, state = 'sending', target = excluded.target
     RETURNING attempts`,
  );
  const note = database.prepare('UPDATE deliveries SET state = ?, last_error = ? WHERE id = ?');
  const due = database.prepare(
    `SELECT * FROM deliveries WHERE kind = 'notify' AND state = 'queued' AND next_at <= ?
     ORDER BY next_at, created_at LIMIT ?`,
  );
  const next = database.prepare(
    `SELECT min(next_at) AS at FROM deliveries WHERE kind = 'notify' AND state = 'queued'`,
  );
  return {
    beginDispatch: (id, run, target) => Number(begin.one(id, run, target, clock.now())?.attempts ?? 1),
    // The run records its own result; losing this note costs nothing.
    noteDispatch: (id, state, lastError) => void database.relaxed(() => note.run(state, lastError, id)),
    dispatch(id) {
      const row = database.prepare(`SELECT * FROM deliveries WHERE id = ? AND kind = 'dispatch'`).one(id);
      return row === null
        ? null
        : {
            id,
            target: String(row.target),
            attempts: Number(row.attempts),
            state: String(row.state),
            lastError: textOrNull(row, 'last_error'),
          };
    },
    queueEvent({ id, target, payload }) {
      const now = clock.now();
      return (
        database
          .prepare(
            `INSERT OR IGNORE INTO deliveries (id, target, payload, state, attempts, next_at, created_at, kind)
             VALUES (?, ?, ?, 'queued', 0, ?, ?, 'notify')`,
          )
          .run(id, target, payload, now, now) === 1
      );
    },
    dueEvents: (now, limit) => due.all(now, limit).map(eventOf),
    nextEventAt() {
      const row = next.one();
      return row === null ? null : numberOrNull(row, 'at');
    },
    beginEvent: (id, nextAt) =>
      void database
        .prepare('UPDATE deliveries SET attempts = attempts + 1, next_at = ? WHERE id = ?')
        .run(nextAt, id),
    endEvent(id, state, lastError) {
      const kept = state === 'held' ? 'payload' : "''";
      database
        .prepare(`UPDATE deliveries SET state = ?, last_error = ?, payload = ${kept} WHERE id = ?`)
        .run(state, lastError, id);
    },
    postponeEvent: (id, nextAt, lastError) =>
      void database
        .prepare('UPDATE deliveries SET next_at = ?, last_error = ? WHERE id = ?')
        .run(nextAt, lastError, id),
    unholdEvents: (target) =>
      void database
        .prepare(
          `UPDATE deliveries SET state = 'queued', next_at = ?
           WHERE kind = 'notify' AND state = 'held' AND target = ?`,
        )
        .run(clock.now(), target),
    eventCounts: () =>
      new Map(
        database
          .prepare(`SELECT state, count(*) AS n FROM deliveries WHERE kind = 'notify' GROUP BY state`)
          .all()
          .map((row) => [String(row.state), Number(row.n)]),
      ),
  };
}
