// What in a graph's folder prevents serving the graph: a pipe in place of a file, a link that leads out of the graph
// where files are written, files that are too large. Only stats; nothing is opened.

import { join } from 'node:path';
import { messageOf, systemCode } from '../domain/errors.ts';
import { GRAPH_FILES, GRAPH_FOLDERS } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';
import { obstacleAt } from '../platform/regular-file.ts';
import { folderObstacle } from './folder-within.ts';

/**
 * The first obstacle as one sentence that names its path and what to do, or null. `missing`: names that need not be
 * looked for.
 */
export function obstacleIn(
  graph: GraphPath,
  missing: () => ReadonlySet<string> = () => new Set(),
): string | null {
  try {
    const because = firstObstacle(graph, missing());
    return because === null ? null : `${because}; move it away`;
  } catch (thrown) {
    if (systemCode(thrown) === undefined) throw thrown;
    return `${graph} cannot be looked at (${messageOf(thrown)}); check its permissions and its disk`;
  }
}

function firstObstacle(graph: GraphPath, missing: ReadonlySet<string>): string | null {
  for (const name of GRAPH_FOLDERS) {
    if (missing.has(name)) continue;
    const because = folderObstacle(graph, name);
    if (because !== null) return because;
  }
  for (const file of Object.values(GRAPH_FILES)) {
    if (missing.has(file.path)) continue;
    const path = join(graph, file.path);
    const because = obstacleAt(path, file);
    if (because !== null) return because;
  }
  return null;
}
