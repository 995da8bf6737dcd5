// One name for one graph, however many worktrees and mounts lead to it. Pure.

import type { Worktree } from '../domain/worktree.ts';

/** A worktree with the device and inode of its graph's folder. */
export interface Reached {
  readonly worktree: Worktree;
  readonly identity: string | null;
}

/**
 * One folder has one name, also where it is mounted in two places; a worktree that reaches another's graph says as
 * much of it as its owner does. Answers the worktree as it is to be shown.
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
