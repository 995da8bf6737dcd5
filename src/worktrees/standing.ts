// The current commit and branch of a worktree. Read from git's own files, because every dispatch needs them; git
// itself is only called if those are not plain (refs in a reftable, a symbolic branch).

import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Worktree } from '../domain/worktree.ts';
import { readText } from '../platform/regular-file.ts';
import { gitDirNamedIn } from './common-dir.ts';
import type { Git } from './git.ts';

/** Commit and branch, each null as in a listing: an unborn branch has no commit, a detached HEAD no branch. */
export type Standing = Pick<Worktree, 'head' | 'branch'>;

/** git itself follows links here. Every ref of a large repository is in one file. */
const TERMS = { maxBytes: 64 * 1024 * 1024, links: 'follow' } as const;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** The worktree's current commit and branch; the last listed ones if unknown. Never throws. */
export async function standingOf(
  listed: Pick<Worktree, 'path' | 'head' | 'branch'>,
  git: Git,
): Promise<Standing> {
  try {
    return (await plainStanding(listed.path)) ?? (await git.standing(listed.path));
  } catch {
    // Gone, or an unborn branch in a reftable: the last listing is the best there is.
    return { head: listed.head, branch: listed.branch };
  }
}

/** What git's files say; null if that is not plain. */
async function plainStanding(worktree: string): Promise<Standing | null> {
  const dotGit = join(worktree, '.git');
  const isFolder = (await stat(dotGit)).isDirectory();
  const named = isFolder ? '.' : gitDirNamedIn(dotGit);
  if (named === null) return null;
  const gitDir = isFolder ? dotGit : resolve(worktree, named);
  const head = (await readText(join(gitDir, 'HEAD'), TERMS))?.trimEnd() ?? '';
  if (COMMIT.test(head)) return { head, branch: null };
  const ref = /^ref: (refs\/heads\/(.+))$/.exec(head);
  const [, name, branch] = ref ?? [];
  // A reftable repository says refs/heads/.invalid; and nothing that would lead out of the git dir is a branch.
  if (name === undefined || branch === undefined || /(?:^|\/)\./.test(branch)) return null;
  const common = (await readText(join(gitDir, 'commondir'), TERMS))?.replace(/\n$/, '') ?? '.';
  const commonDir = resolve(gitDir, common);
  const loose = (await readText(join(commonDir, name), TERMS))?.trimEnd();
  if (loose !== undefined) return COMMIT.test(loose) ? { head: loose, branch } : null;
  const packed = (await readText(join(commonDir, 'packed-refs'), TERMS)) ?? '';
  const at = packed.indexOf(` ${name}\n`);
  if (at < 0) return { head: null, branch };
  const commit = packed.slice(packed.lastIndexOf('\n', at - 1) + 1, at);
  return COMMIT.test(commit) ? { head: commit, branch } : null;
}
