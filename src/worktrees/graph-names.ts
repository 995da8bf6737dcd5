// One name for one graph, however many worktrees, mounts and links lead to it. Accesses no files.

import type { GraphPath } from '../domain/ids.ts';
import type { Worktree } from '../domain/worktree.ts';

/** A worktree with the device and inode of its graph's folder. */
export interface Reached {
  readonly worktree: Worktree;
  readonly identity: string | null;
  /** Device and inode of its graph.jsonl, if it may be shared by a hard link; absent or null: it is not. */
  readonly shared?: string | null;
}

/**
 * Folders that share one graph.jsonl by hard links are one graph, and remain one though the next write gives one of
 * them a file of its own: from then on the others have only an older copy. Remembers that between calls.
 */
export class HardLinks {
  /** Graph folder → the file it shared, and with whose folder. */
  readonly #known = new Map<GraphPath, { readonly file: string; readonly identity: string }>();

  /** The same with one identity for all that share a file. `fileNow`: device and inode of a folder's graph.jsonl. */
  unite<T extends Reached>(all: readonly T[], fileNow: (graph: GraphPath) => string | null): T[] {
    const owners = new Map<string, string>();
    for (const { worktree, identity, shared } of all)
      if (shared && identity !== null && !worktree.graphIsAlias && !owners.has(shared))
        owners.set(shared, identity);
    return all.map((one) => {
      const { identity, shared = null, worktree } = one;
      const { graph } = worktree;
      if (graph === null || worktree.graphIsAlias) return one;
      const owner = shared === null ? undefined : owners.get(shared);
      if (shared !== null && owner !== undefined && owner !== identity) {
        this.#known.set(graph, { file: shared, identity: owner });
        return { ...one, identity: owner, worktree: { ...worktree, graphIsAlias: true } };
      }
      const before = this.#known.get(graph);
      if (before === undefined) return one;
      const isOwnerThere = all.some((other) => other !== one && other.identity === before.identity);
      if (isOwnerThere && fileNow(graph) === before.file)
        return { ...one, identity: before.identity, worktree: { ...worktree, graphIsAlias: true } };
      this.#known.delete(graph);
      return one;
    });
  }
}

/**
 * One folder has one name, even if it is mounted in two places; a worktree that reaches another's graph reports it as
 * its owner does. Returns the worktree as it is to be shown.
 */
export function nameGraphs(all: readonly Reached[]): (reached: Reached) => Worktree {
  const owners = new Map<string, Worktree>();
  for (const alias of [false, true])
    for (const { worktree, identity } of all)
      if (identity !== null && worktree.graphIsAlias === alias && !owners.has(identity))
        owners.set(identity, worktree);
  return ({ worktree, identity }) => {
    const owner = identity === null ? undefined : owners.get(identity);
    if (!owner || owner === worktree) return worktree;
    return { ...worktree, graph: owner.graph, graphIsAlias: true, graphTracked: owner.graphTracked };
  };
}
