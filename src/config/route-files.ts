// Where wg's settings say which system runs a project's tasks. Paths only: looking whether they are there must load
// nothing that reads them.

import { join } from 'node:path';

/** The files that may say it. `home`: the user's home folder. */
export function routeFiles(graph: string, home: string): readonly string[] {
  return [join(graph, 'config.toml'), selectionFile(graph), ...globalFiles(home)];
}

/** The user's own file; the older place counts only where there is nothing at the newer one. */
export function globalFiles(home: string): readonly string[] {
  return ['.wg', '.workgraph'].map((name) => join(home, name, 'config.toml'));
}

/** Where wg notes the profile that `wg profile select` chose for a graph. */
export function selectionFile(graph: string): string {
  return join(graph, 'profile-selection.json');
}
