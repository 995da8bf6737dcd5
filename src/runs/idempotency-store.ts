// Responses to requests with an Idempotency-Key, so that a repeated request is answered and not executed again. Keys
// are stored as hashes. Knows nothing of HTTP beyond a status.

import type { Clock } from '../platform/clock.ts';
import type { Database } from './database.ts';
import { numberOrNull, textOrNull } from './run-row.ts';

/** How long a response is kept, ms. */
export const ANSWERS_KEPT_MS = 24 * 3_600_000;

const SWEEP_EVERY_MS = 3_600_000;

/** Responses kept for one run; if a caller makes up a new key for every heartbeat, the oldest are dropped. */
const MOST_OF_A_RUN = 1000;
const THIN_EVERY = 200;

/** Callers with full access have no such limit. */
const UNLIMITED = 'operator';

export interface KeptAnswer {
  /** Hash of the request made with the key. */
  readonly requestHash: string;
  /** null: it is still being processed, or was when its process died. */
  readonly status: number | null;
  /** The body as sent, in whatever form the caller stores it; null: not stored. */
  readonly answer: string | null;
}

export interface IdempotencyStore {
  /** Reserves a key for a request; returns what is stored if the key was used before. */
  reserve(scope: string, keyHash: string, requestHash: string): KeptAnswer | null;
  keep(scope: string, keyHash: string, status: number, answer: string | null): void;
  /** Frees a key: the request had no effect and may be repeated. */
  drop(scope: string, keyHash: string): void;
  /** Frees every key whose request never completed: its process is gone. */
  dropUnanswered(): void;
}

/** The store over an open, migrated database. */
export function createIdempotencyStore(database: Database, clock: Clock): IdempotencyStore {
  const find = database.prepare('SELECT * FROM idempotency_keys WHERE scope = ? AND key = ?');
  const drop = database.prepare('DELETE FROM idempotency_keys WHERE scope = ? AND key = ?');
  const dropOld = database.prepare('DELETE FROM idempotency_keys WHERE created_at <= ?');
  const dropBeyond = database.prepare(
    `DELETE FROM idempotency_keys WHERE scope = ? AND key IN
       (SELECT key FROM idempotency_keys WHERE scope = ? ORDER BY created_at DESC LIMIT -1 OFFSET ?)`,
  );
  let sweptAt = Number.NEGATIVE_INFINITY;
  let reserved = 0;
  return {
    reserve(scope, key, requestHash) {
      return database.transaction(() => {
        const now = clock.now();
        if (now - sweptAt > SWEEP_EVERY_MS) {
          dropOld.run(now - ANSWERS_KEPT_MS);
          sweptAt = now;
        }
        if (scope !== UNLIMITED && ++reserved % THIN_EVERY === 0) dropBeyond.run(scope, scope, MOST_OF_A_RUN);
        const row = find.one(scope, key);
        if (row !== null && now - Number(row.created_at) < ANSWERS_KEPT_MS)
          return {
            requestHash: String(row.request_hash),
            status: numberOrNull(row, 'status'),
            answer: textOrNull(row, 'answer'),
          };
        drop.run(scope, key);
        database
          .prepare('INSERT INTO idempotency_keys (scope, key, request_hash, created_at) VALUES (?, ?, ?, ?)')
          .run(scope, key, requestHash, now);
        return null;
      });
    },
    keep: (scope, key, status, answer) =>
      void database
        .prepare('UPDATE idempotency_keys SET status = ?, answer = ? WHERE scope = ? AND key = ?')
        .run(status, answer, scope, key),
    drop: (scope, key) => void drop.run(scope, key),
    dropUnanswered: () => void database.prepare('DELETE FROM idempotency_keys WHERE status IS NULL').run(),
  };
}
