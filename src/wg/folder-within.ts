// The supervisor's own folders within a graph's folder. A graph that was removed or moved must not come back as an
// empty shell, and a repository must not decide where else on the machine files are written.

import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { join, sep } from 'node:path';
import { SupervisorError, systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import { realPathNow } from '../platform/real-path.ts';

/**
 * Creates a folder directly in the graph's folder if there is none. Throws ENOENT if the graph's folder is gone, and
 * SupervisorError `graph` if something else is in its place, or a link that leads out of the graph.
 */
export function makeWithin(graph: GraphPath, name: string): void {
  const path = join(graph, name);
  // Called often, and hardly ever missing: an error costs more than a stat.
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined) {
    const because = obstacleOf(graph, path, found);
    if (because === null) return;
    throw new SupervisorError('graph', because, { hint: 'move it away', details: { folder: path } });
  }
  try {
    mkdirSync(path);
  } catch (thrown) {
    if (systemCode(thrown) !== 'EEXIST') throw thrown;
  }
}

/**
 * Why nothing may be written below a name in the graph's folder, in one sentence; null if it may, or could be
 * created.
 */
export function folderObstacle(graph: GraphPath, name: string): string | null {
  const path = join(graph, name);
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : obstacleOf(graph, path, found);
}

function obstacleOf(graph: GraphPath, path: string, found: Stats): string | null {
  if (found.isDirectory()) return null;
  if (!found.isSymbolicLink()) return `${path} is not a folder`;
  const target = realPathNow(path);
  if (target === null) return `${path} is a link that leads nowhere`;
  return target.startsWith(graph + sep)
    ? null
    : `${path} is a link that leads out of the graph, to ${target}`;
}
