// What the ledger drops: runs that finished long ago, and what was only kept for them. Removes no files: a run whose
// folder still exists stays, because nothing else records the folder's owner.

import type { RunId } from '../domain/ids.ts';
import type { Run } from '../domain/run.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from './database.ts';
import { runOf } from './run-row.ts';

export interface OldRuns {
  /** Runs that finished longer ago than this and whose folder was not removed yet, oldest first, at most `limit`. */
  endedWithFolder(olderThanMs: number, limit: number): Run[];
  /** Records that a run's folder is no longer its own: removed, or left to another owner. */
  forgetFolder(id: RunId): void;
  /**
   * Drops closed runs that finished longer ago than this and have no folder, and expired pauses. At most
   * `PRUNED_AT_ONCE` runs, to keep it short: if that many were dropped, there may be more.
   */
  prune(limits: { readonly runsOlderThanMs: number }): number;
}

/** Before the run's id: the key under which it is kept that, and why, a person cancelled it. */
export const CANCELLED = 'cancelled:';

/** Before the run's id: the key under which the named token is kept that claimed it. */
export const HELD_BY = 'held-by:';

/** Runs dropped by one `prune` at most. */
export const PRUNED_AT_ONCE = 1000;

/** Fences start above this: the highest one of all forgotten tasks. */
const FENCE_FLOOR = 'fence-floor';

/** The highest fence that was ever forgotten. A new one above it is above every earlier one of the same task. */
export const FENCE_FLOOR_SQL = `coalesce((SELECT cast(value AS INTEGER) FROM meta WHERE key = '${FENCE_FLOOR}'), 0)`;

const CLOSED = `phase NOT IN ('opened', 'claimed', 'started', 'handed-off', 'finished')`;

/** Over an open, migrated database. */
export function createOldRuns(database: Database, clock: Clock): OldRuns {
  const withFolder = database.prepare(
    `SELECT * FROM runs WHERE folder IS NOT NULL AND coalesce(finished_at, opened_at) < ? AND ${CLOSED}
     ORDER BY seq LIMIT ?`,
  );
  const forget = database.prepare(`UPDATE runs SET folder = NULL WHERE id = ? AND ${CLOSED}`);
  return {
    endedWithFolder: (olderThanMs, limit) => withFolder.all(clock.now() - olderThanMs, limit).map(runOf),
    // A power cut may undo it: then the folder is looked up once more, and does not exist.
    forgetFolder: (id) => void database.relaxed(() => forget.run(id)),
    prune({ runsOlderThanMs }) {
      const before = clock.now() - runsOlderThanMs;
      return database.transaction(() => {
        database.prepare('DELETE FROM pauses WHERE until IS NOT NULL AND until < ?').run(before);
        database.prepare('DELETE FROM idempotency_keys WHERE created_at < ?').run(before);
        const dropped = database
          .prepare(
            `DELETE FROM runs WHERE seq IN (SELECT seq FROM runs WHERE folder IS NULL
               AND coalesce(finished_at, opened_at) < ? AND ${CLOSED} ORDER BY seq LIMIT ${PRUNED_AT_ONCE})`,
          )
          .run(before);
        for (const table of ['leases', 'run_tokens', 'former_graphs'])
          database.prepare(`DELETE FROM ${table} WHERE run NOT IN (SELECT id FROM runs)`).run();
        database
          .prepare(
            `DELETE FROM deliveries WHERE created_at < ? AND state <> 'queued'
             AND (run IS NULL OR run NOT IN (SELECT id FROM runs))`,
          )
          .run(before);
        for (const prefix of [CANCELLED, HELD_BY])
          database
            .prepare(
              `DELETE FROM meta WHERE substr(key, 1, ${prefix.length}) = '${prefix}'
               AND substr(key, ${prefix.length + 1}) NOT IN (SELECT id FROM runs)`,
            )
            .run();
        if (dropped > 0) forgetTasks(database);
        return dropped;
      });
    },
  };
}

/** Tasks without a run need no row of their own: one number for all of them keeps fences growing. */
function forgetTasks(database: Database): void {
  const without = 'NOT EXISTS (SELECT 1 FROM runs WHERE runs.graph = tasks.graph AND runs.task = tasks.task)';
  database
    .prepare(
      `INSERT INTO meta (key, value)
       SELECT '${FENCE_FLOOR}', cast(max(fence) AS TEXT) FROM tasks WHERE ${without} HAVING max(fence) IS NOT NULL
       ON CONFLICT (key) DO UPDATE SET value = cast(max(cast(value AS INTEGER), cast(excluded.value AS INTEGER)) AS TEXT)`,
    )
    .run();
  database.prepare(`DELETE FROM tasks WHERE ${without}`).run();
}
