// Whether what is missing from a run's folder says anything. A worktree may be moved away for a moment, and the folder
// with it: an exit status that is not to be found then may be there all the same.

import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../../../domain/errors.ts';

/** Reading again because it moved meanwhile, at most. */
const MAX_READINGS = 4;

/**
 * What reading in a run's folder gave, where the folder's graph was in its place all the while; `away`: it was not, and
 * what is missing says nothing. A folder that is missing from a graph that is there is gone for good. `where` is asked
 * again each time: it may follow a move.
 */
export async function readInPlace<T>(where: () => string, read: () => Promise<T>): Promise<T | 'away'> {
  for (let n = 0; n < MAX_READINGS; n++) {
    const before = await graphOf(where());
    const found = await read();
    const after = await graphOf(where());
    if (after === null) return 'away';
    if (before === after) return found;
  }
  return 'away';
}

/** Tells the graph folder of a run's folder (`GRAPH/agents/AGENT`) from any other; null: there is none. */
async function graphOf(folder: string): Promise<string | null> {
  try {
    const { dev, ino, birthtimeMs } = await stat(dirname(dirname(folder)));
    return `${dev}:${ino}:${birthtimeMs}`;
  } catch (thrown) {
    // Not there, or out of reach.
    if (systemCode(thrown) === undefined) throw thrown;
    return null;
  }
}
