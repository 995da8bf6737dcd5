// Where the common git dir of a folder very likely is, from a few files without calling git, and whether git's own
// list of worktrees agrees. Only a likely answer: git is authoritative.

import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import { readTextNow } from '../platform/regular-file.ts';
import { fileStamp } from './fingerprint.ts';
import { realPath } from './graph-folder.ts';
import type { ListedWorktree } from './porcelain.ts';

/** git itself follows links here. */
const TERMS = { maxBytes: GIT_FILE_MAX_BYTES, links: 'follow' } as const;

/** The common git dir of the repository whose worktree begins at `folder`; null if that is not certain. */
export async function likelyCommonDir(folder: string): Promise<string | null> {
  const dotGit = join(folder, '.git');
  try {
    const found = await stat(dotGit);
    const common = found.isDirectory() ? dotGit : commonDirOf(folder, gitDirNamedIn(dotGit) ?? '');
    // A folder without one of these is not a git dir, and git searches further up.
    if (!['HEAD', 'objects', 'refs'].every((name) => existsSync(join(common, name)))) return null;
    return await realPath(common);
  } catch {
    // No worktree begins here, or it is inaccessible.
    return null;
  }
}

/** The git dir named by a worktree's `.git` file, as written; null if it is not such a file. */
export function gitDirNamedIn(dotGit: string): string | null {
  return /^gitdir: (.*?)\n?$/s.exec(readTextNow(dotGit, TERMS) ?? '')?.[1] ?? null;
}

/** git's folder for a worktree whose `.git` is a file; null: it is a folder, as in most main ones, or unreadable. */
export function linkedGitDirOf(worktree: string): string | null {
  try {
    const named = gitDirNamedIn(join(worktree, '.git'));
    return named === null ? null : resolve(worktree, named);
  } catch {
    // Not a file, or gone.
    return null;
  }
}

/** The same for many worktrees, again and again: a `.git` file is read once for each of its states. */
export class LinkedGitDirs {
  readonly #known = new Map<string, { readonly stamp: string; readonly gitDir: string | null }>();

  of(worktree: string): string | null {
    const stamp = fileStamp(join(worktree, '.git'));
    const known = this.#known.get(worktree);
    if (known?.stamp === stamp) return known.gitDir;
    const gitDir = linkedGitDirOf(worktree);
    this.#known.set(worktree, { stamp, gitDir });
    return gitDir;
  }

  /** Forgets worktrees that no longer exist. */
  keepOnly(worktrees: ReadonlySet<string>): void {
    for (const worktree of this.#known.keys()) if (!worktrees.has(worktree)) this.#known.delete(worktree);
  }
}

function commonDirOf(folder: string, named: string): string {
  const gitDir = resolve(folder, named);
  const common = readTextNow(join(gitDir, 'commondir'), TERMS);
  if (common === null) throw new Error(`${gitDir} names no common git dir`);
  return resolve(gitDir, common.replace(/\n$/, ''));
}

/**
 * Whether git listed the worktrees of this very common git dir. It names the main worktree after it: without `/.git`.
 * Bare repositories and separate git dirs are named otherwise, and count as unconfirmed.
 */
export async function isListOf(listed: readonly ListedWorktree[], commonDir: string): Promise<boolean> {
  const [main] = listed;
  return main !== undefined && !main.bare && (await realPath(join(main.path, '.git'))) === commonDir;
}
