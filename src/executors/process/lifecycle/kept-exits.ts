// A second copy of each run's exit status, in the supervisor's own folder: what git removes from a worktree (`clean -fdx`,
// `stash --all`) takes the run's folder along, and work that succeeded would be done again.

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../../domain/errors.ts';
import type { RunId } from '../../../domain/ids.ts';

const FOLDER = 'exits';
const SUFFIX = '.json';

/** The file of a run. */
export function keptExitFile(stateDir: string, run: RunId): string {
  return join(stateDir, FOLDER, `${encodeURIComponent(run)}${SUFFIX}`);
}

/** Makes room for such files. */
export async function makeKeptExits(stateDir: string): Promise<void> {
  await mkdir(join(stateDir, FOLDER), { recursive: true, mode: 0o700 });
}

/** Removes the files of runs that have finished. Returns how many. */
export async function dropKeptExits(stateDir: string, isOpen: (run: RunId) => boolean): Promise<number> {
  let names: string[];
  try {
    names = await readdir(join(stateDir, FOLDER));
  } catch (thrown) {
    // Nothing was ever started.
    if (systemCode(thrown) === 'ENOENT') return 0;
    throw thrown;
  }
  const over = names.filter(
    (name) => name.endsWith(SUFFIX) && !isOpen(decodeURIComponent(name.slice(0, -SUFFIX.length))),
  );
  for (const name of over) await rm(join(stateDir, FOLDER, name), { force: true });
  return over.length;
}
