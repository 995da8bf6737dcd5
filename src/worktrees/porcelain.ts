// Parses the output of `git worktree list --porcelain -z`. Pure: knows neither git nor the disk.

/** One entry of git's list, as printed. */
export interface ListedWorktree {
  /** Absolute path as git prints it; may contain blanks, newlines and anything else but NUL. */
  readonly path: string;
  /** True for the first entry: the main worktree, or the bare repository. */
  readonly main: boolean;
  readonly bare: boolean;
  readonly detached: boolean;
  /** Short name; a ref outside refs/heads keeps its full one. */
  readonly branch: string | null;
  /** Commit id; null for a bare entry and an unborn branch. */
  readonly head: string | null;
  /** Reason of the lock, '' without one, null if not locked. */
  readonly locked: string | null;
  /** git's reason why it could be pruned, null if it cannot. */
  readonly prunable: string | null;
}

/** The entries of the list, in git's order. Unknown attributes of later versions are skipped. */
export function parseWorktreeList(output: string): ListedWorktree[] {
  const worktrees: ListedWorktree[] = [];
  let attributes: Map<string, string> | null = null;
  const finish = () => {
    const path = attributes?.get('worktree');
    if (attributes && path !== undefined)
      worktrees.push(toWorktree(path, attributes, worktrees.length === 0));
    attributes = null;
  };
  // Every attribute ends with NUL, every record with one more.
  for (const item of output.split('\0')) {
    if (item === '') {
      finish();
      continue;
    }
    const blank = item.indexOf(' ');
    attributes ??= new Map();
    attributes.set(blank < 0 ? item : item.slice(0, blank), blank < 0 ? '' : item.slice(blank + 1));
  }
  // A truncated list must not silently lose its last entry.
  finish();
  return worktrees;
}

function toWorktree(path: string, attributes: ReadonlyMap<string, string>, main: boolean): ListedWorktree {
  const head = attributes.get('HEAD') ?? null;
  return {
    path,
    main,
    bare: attributes.has('bare'),
    detached: attributes.has('detached'),
    branch: attributes.get('branch')?.replace(/^refs\/heads\//, '') ?? null,
    head: head === null || /^0+$/.test(head) ? null : head,
    locked: attributes.get('locked') ?? null,
    prunable: attributes.get('prunable') ?? null,
  };
}
