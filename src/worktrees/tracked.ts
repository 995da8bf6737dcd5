// Whether a worktree's graph.jsonl is committed to git. Calls git once for each state of the worktree's index, and
// not at all if the index clearly does not contain it: most graphs are ignored, and fifty calls take a second.

import { basename, join } from 'node:path';
import type { GraphPath } from '../domain/ids.ts';
import { readBytes } from '../platform/regular-file.ts';
import { fileStamp } from './fingerprint.ts';
import type { Git } from './git.ts';

/** Answers whether graphs are tracked, and remembers. */
export class TrackedGraphs {
  readonly #git: Git;
  readonly #known = new Map<string, { readonly stamp: string; readonly tracked: boolean }>();

  constructor(git: Git) {
    this.#git = git;
  }

  /**
   * For a graph folder directly in the worktree. If git cannot tell, it counts as not tracked. `gitDir`: git's folder for
   * the worktree where that is elsewhere, else null.
   */
  async isTracked(worktree: string, graph: GraphPath, gitDir: string | null): Promise<boolean> {
    const index = join(gitDir ?? join(worktree, '.git'), 'index');
    const stamp = `${basename(graph)} ${fileStamp(index)}`;
    const known = this.#known.get(worktree);
    if (known?.stamp === stamp) return known.tracked;
    let tracked: boolean;
    try {
      const file = `${basename(graph)}/graph.jsonl`;
      tracked = !(await surelyLacks(index, file)) && (await this.#git.isTracked(worktree, file));
    } catch {
      // The list of worktrees, requested in the same pass, reports what is wrong with this repository.
      return false;
    }
    this.#known.set(worktree, { stamp, tracked });
    return tracked;
  }

  /** Forgets worktrees that no longer exist. */
  keepOnly(worktrees: ReadonlySet<string>): void {
    for (const worktree of this.#known.keys()) if (!worktrees.has(worktree)) this.#known.delete(worktree);
  }
}

/** A larger index is left to git, bytes. */
const INDEX_MAX_BYTES = 256 * 1024 * 1024;

/**
 * Whether an index file cannot contain a path. Only versions 2 and 3 spell every path out, and a split or sparse
 * index keeps some of them elsewhere; if anything is unclear the answer is no, and git decides.
 */
async function surelyLacks(index: string, file: string): Promise<boolean> {
  let bytes: Buffer | null;
  try {
    bytes = await readBytes(index, { maxBytes: INDEX_MAX_BYTES, links: 'follow' });
  } catch {
    // Only git can interpret it.
    return false;
  }
  if (bytes === null) return false;
  const version = bytes.length >= 12 && bytes.toString('latin1', 0, 4) === 'DIRC' ? bytes.readUInt32BE(4) : 0;
  if (version !== 2 && version !== 3) return false;
  return !['link', 'sdir', file].some((sign) => bytes.includes(sign));
}
