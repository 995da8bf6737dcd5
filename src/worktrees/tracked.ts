// Whether a worktree's graph.jsonl is committed to git. Asks git once for each state of the worktree's index.

import { readFile } from 'node:fs/promises';
import { basename, isAbsolute, join, resolve } from 'node:path';
import type { GraphPath } from '../domain/ids.ts';
import { fileStamp } from './fingerprint.ts';
import type { Git } from './git.ts';

/** Answers whether graphs are tracked, and remembers. */
export class TrackedGraphs {
  readonly #git: Git;
  readonly #known = new Map<string, { readonly stamp: string; readonly tracked: boolean }>();

  constructor(git: Git) {
    this.#git = git;
  }

  /** For a graph folder right in the worktree. Where git cannot say, it counts as not tracked. */
  async isTracked(worktree: string, graph: GraphPath): Promise<boolean> {
    const stamp = `${basename(graph)} ${await fileStamp(await indexOf(worktree))}`;
    const known = this.#known.get(worktree);
    if (known?.stamp === stamp) return known.tracked;
    let tracked: boolean;
    try {
      tracked = await this.#git.isTracked(worktree, `${basename(graph)}/graph.jsonl`);
    } catch {
      // The list of worktrees, asked for in the same pass, says what is wrong with this repository.
      return false;
    }
    this.#known.set(worktree, { stamp, tracked });
    return tracked;
  }

  /** Forgets worktrees that are no longer there. */
  keepOnly(worktrees: ReadonlySet<string>): void {
    for (const worktree of this.#known.keys()) if (!worktrees.has(worktree)) this.#known.delete(worktree);
  }
}

/** The index file of a worktree: in its `.git` folder, or where its `.git` file points. */
async function indexOf(worktree: string): Promise<string> {
  const dotGit = join(worktree, '.git');
  try {
    const target = /^gitdir: (.*?)\n?$/s.exec(await readFile(dotGit, 'utf8'))?.[1];
    if (target !== undefined) return join(isAbsolute(target) ? target : resolve(worktree, target), 'index');
  } catch {
    // A folder, as in every main worktree.
  }
  return join(dotGit, 'index');
}
