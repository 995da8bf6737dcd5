// The open runs, cached in memory: every tick reads all of them, and reading a thousand rows each time costs more
// than the rest of the tick. Writes by other processes are noticed and read again.

import type { RunId } from '../domain/ids.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import type { Database } from './database.ts';

export interface OpenRuns {
  /** Every open run, oldest first. */
  all(): Run[];
  /** The open run of this id as far as this process knows; null: not known to be open. */
  get(id: RunId): Run | null;
  /** What this process just wrote of a run; null: read it again at the next call. */
  wrote(run: Run | null): void;
}

/** Over an open database; `read` reads all of them from it. */
export function createOpenRuns(database: Database, read: () => Run[]): OpenRuns {
  // Changes with every commit of another connection, never with our own.
  const version = database.prepare('PRAGMA data_version');
  let seen: unknown = null;
  let runs: Map<RunId, Run> | null = null;
  const current = (): Map<RunId, Run> => {
    const now = version.one()?.data_version;
    if (runs === null || now !== seen) {
      runs = new Map(read().map((run) => [run.id, run]));
      seen = now;
    }
    return runs;
  };
  return {
    all: () => [...current().values()],
    get: (id) => runs?.get(id) ?? null,
    wrote(run) {
      if (run === null) runs = null;
      // A run keeps its position in the map: its opening time does not change.
      else if (isOpenRun(run)) runs?.set(run.id, run);
      else runs?.delete(run.id);
    },
  };
}
