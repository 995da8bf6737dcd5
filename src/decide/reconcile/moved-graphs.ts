// Which new graph is a vanished one at a new place, by evidence that cannot be accidental. Pure.

import type { GraphPath } from '../../domain/ids.ts';

/** A graph that is no longer at its path. */
export interface GoneGraph {
  readonly graph: GraphPath;
  readonly repo: string;
  readonly branch: string | null;
  /** Identity of its folder, which a move keeps; '' if unknown. */
  readonly folder: string;
  /** Its folder still exists, but is not being served. */
  readonly isThere: boolean;
}

/** A graph that is served. */
export interface PresentGraph {
  readonly graph: GraphPath;
  readonly repo: string;
  readonly branch: string | null;
  readonly folder: string;
  /** Nothing is recorded for this path yet. */
  readonly isNew: boolean;
  /** Graphs whose runs left their folders in it, according to those runs' records. */
  readonly holdsRunsOf: ReadonlySet<GraphPath>;
}

export interface MovedGraph {
  readonly from: GraphPath;
  readonly to: GraphPath;
}

/**
 * The same folder under another name; else the folders of its runs, which git does not carry; else the same branch of
 * the same repository, of which git allows one worktree. Evidence that fits two graphs fits none.
 */
export function findMoved(gone: readonly GoneGraph[], present: readonly PresentGraph[]): MovedGraph[] {
  const moved: MovedGraph[] = [];
  const taken = new Set<GraphPath>();
  const rules: readonly ((from: GoneGraph, to: PresentGraph) => boolean)[] = [
    (from, to) => from.folder !== '' && from.folder === to.folder,
    (from, to) => !from.isThere && to.holdsRunsOf.has(from.graph),
    (from, to) =>
      !from.isThere && to.isNew && from.branch !== null && from.branch === to.branch && from.repo === to.repo,
  ];
  for (const fits of rules)
    for (const from of gone) {
      if (moved.some((one) => one.from === from.graph)) continue;
      const found = present.filter((to) => !taken.has(to.graph) && fits(from, to));
      const [only] = found;
      if (only === undefined || found.length > 1) continue;
      taken.add(only.graph);
      moved.push({ from: from.graph, to: only.graph });
    }
  return moved;
}
