// Folders of our own within a graph's folder. A graph that was removed or moved must not come back as an empty shell.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';

/** Makes a folder right in the graph's folder where there is none. Throws ENOENT when the graph's folder is gone. */
export function makeWithin(graph: GraphPath, name: string): void {
  const path = join(graph, name);
  // Asked again and again, and hardly ever not there: an error costs more than a look.
  if (existsSync(path)) return;
  try {
    mkdirSync(path);
  } catch (thrown) {
    if (systemCode(thrown) !== 'EEXIST') throw thrown;
  }
}
