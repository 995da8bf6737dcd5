// Which graph that is gone is which one that came, told by what cannot be so by accident. Pure.

import type { GraphPath } from '../domain/ids.ts';

/** A graph that is no longer where it was. */
export interface GoneGraph {
  readonly graph: GraphPath;
  readonly repo: string;
  readonly branch: string | null;
  /** Identity of its folder, which a move keeps; '' when it is not known. */
  readonly folder: string;
  /** Its folder is still there, only nobody serves it. */
  readonly isThere: boolean;
}

/** A graph that is served. */
export interface PresentGraph {
  readonly graph: GraphPath;
  readonly repo: string;
  readonly branch: string | null;
  readonly folder: string;
  /** Nothing is remembered of this path. */
  readonly isNew: boolean;
  /** Graphs whose runs left their folders in it, by the runs' own word. */
  readonly holdsRunsOf: ReadonlySet<GraphPath>;
}

export interface MovedGraph {
  readonly from: GraphPath;
  readonly to: GraphPath;
}

/**
 * The same folder under another name; else the folders of its runs, which git does not carry; else the same branch of the
 * same repository, of which git allows one worktree. What fits two graphs fits none.
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
