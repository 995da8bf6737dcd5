// Which of the known names are missing from a graph's folder. Most always are, and every graph is looked at twice a
// minute: as long as none of the folders changed, what was missing is missing still.

import { lstatSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GRAPH_FILES, GRAPH_FOLDERS } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';

const NAMES: readonly string[] = [...GRAPH_FOLDERS, ...Object.values(GRAPH_FILES).map(({ path }) => path)];
const FOLDERS: readonly string[] = [...new Set(NAMES.map(dirname))];

/**
 * File systems count time in steps, some of two seconds: until a state of the folders is older than that, a name may be
 * added to them without a new time, ms.
 */
const SETTLED_MS = 5000;

const NONE: ReadonlySet<string> = new Set();

/** What is known to be missing from one graph's folder. */
export class Absences {
  #state = '';
  #since = 0;
  #missing: ReadonlySet<string> | null = null;

  /** Names that are surely missing now. `elapsed`: a time that only goes forward, ms. */
  now(graph: GraphPath, elapsed: number): ReadonlySet<string> {
    const state = FOLDERS.map((folder) => stampOf(join(graph, folder))).join(' ');
    if (state !== this.#state) {
      this.#state = state;
      this.#since = elapsed;
      this.#missing = null;
    }
    // The state was taken first: what is added from here on changes it.
    if (elapsed - this.#since >= SETTLED_MS)
      this.#missing ??= new Set(NAMES.filter((name) => isMissing(join(graph, name))));
    return this.#missing ?? NONE;
  }
}

function stampOf(folder: string): string {
  const found = statSync(folder, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? '' : `${found.dev}:${found.ino}:${found.mtimeNs}:${found.ctimeNs}`;
}

function isMissing(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined;
}
