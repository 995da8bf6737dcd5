// Where graphs are found: repositories and their worktrees, as git lists them.

import type { GraphPath } from './ids.ts';

/** One git checkout, as `git worktree list --porcelain -z` and the file system describe it. */
export interface Worktree {
  /** Absolute path as git prints it. */
  readonly path: string;
  /** The repository's id: the real path of its common git dir. */
  readonly repo: string;
  /** True for the first entry of git's list, the main worktree. */
  readonly main: boolean;
  readonly bare: boolean;
  readonly detached: boolean;
  /** Short branch name; null when detached or bare. */
  readonly branch: string | null;
  /** Commit id; null for a bare entry or an unborn branch. */
  readonly head: string | null;
  /** The reason given to `git worktree lock`, '' when none was given, null when not locked. */
  readonly locked: string | null;
  /** git's reason why it could be pruned, null if it cannot be. */
  readonly prunable: string | null;
  /** The folder does not exist. */
  readonly missing: boolean;
  /** The graph that this worktree reaches (real path), or null if there is none. */
  readonly graph: GraphPath | null;
  /** The graph folder is reached through a symlink, or belongs to another worktree. */
  readonly graphIsAlias: boolean;
  /** graph.jsonl is committed to git, so that every worktree checks out a copy of its tasks. */
  readonly graphTracked: boolean;
  /** The task it was made for (worktree = "own"), which is of another worktree's graph; absent: it is a person's. */
  readonly ownTask?: string;
  /** Why nothing may run in it though its folder exists; absent or null: tasks may run. */
  readonly trouble?: WorktreeTrouble | null;
}

/** A worktree in an unusual state. */
export interface WorktreeTrouble {
  /** core-bare, worktree-broken, worktree-moved, worktree-copied, not-at-root, no-worktree. */
  readonly code: string;
  /** One sentence with the command that repairs it. */
  readonly message: string;
}

/** A repository under supervision. */
export interface Repository {
  /** Real path of the common git dir: the identity of the repository. */
  readonly id: string;
  /** Short name for people: the folder name of the main worktree (or of the bare repository). */
  readonly name: string;
  /** Path of the main worktree, or of the bare repository. */
  readonly path: string;
  readonly worktrees: readonly Worktree[];
  /** Set if git could not list it: one sentence with git's own hint. The other fields are the last known. */
  readonly problem: string | null;
}
