// Where wg's settings say which system runs a project's tasks. Paths only: checking for these files must not load
// what reads them.

import { join } from 'node:path';

/** The relevant files. `home`: the user's home folder. */
export function routeFiles(graph: string, home: string): readonly string[] {
  return [...ownFiles(graph), ...globalFiles(home)];
}

/** Those in the graph's own folder. */
export function ownFiles(graph: string): readonly string[] {
  return [join(graph, 'config.toml'), selectionFile(graph)];
}

/** The user's own file; the older path counts only if the newer one does not exist. */
export function globalFiles(home: string): readonly string[] {
  return ['.wg', '.workgraph'].map((name) => join(home, name, 'config.toml'));
}

/** Where wg records the profile that `wg profile select` chose for a graph. */
export function selectionFile(graph: string): string {
  return join(graph, 'profile-selection.json');
}
