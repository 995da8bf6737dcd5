// What in a repository's git folder would make git itself hang, or fill the memory: git reads some files whole
// without checking their type. Checked before git runs there; nothing is opened but the files that name others.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import { obstacleAt, readTextNow } from '../platform/regular-file.ts';
import { gitDirNamedIn } from './common-dir.ts';

/** git follows links wherever it reads. */
const SMALL = { maxBytes: GIT_FILE_MAX_BYTES, links: 'follow' } as const;
/** Mapped rather than read, however large. */
const ANY_SIZE = { maxBytes: null, links: 'follow' } as const;

/**
 * The first such file as one sentence, or null. `linked`: including those of linked worktrees, which git reads to
 * list them.
 */
export function gitObstacle(folder: string, linked: boolean): string | null {
  try {
    return firstObstacle(folder, linked);
  } catch (thrown) {
    if (thrown instanceof SupervisorError) return thrown.message;
    if (systemCode(thrown) === undefined) throw thrown;
    return `the git files of ${folder} cannot be looked at (${messageOf(thrown)})`;
  }
}

function firstObstacle(folder: string, linked: boolean): string | null {
  const gitDir = gitDirAround(folder);
  // Nothing to read: git reports that itself.
  if (gitDir === null) return null;
  const own = obstacleInGitDir(gitDir);
  if (own !== null) return own;
  const common = commonDirOf(gitDir);
  if (common !== gitDir) {
    const shared = obstacleInGitDir(common);
    if (shared !== null) return shared;
  }
  const gitDirs = linked ? [gitDir, common, ...linkedGitDirs(common)] : [gitDir];
  for (const one of gitDirs) {
    const because = obstacleInGitDir(one) ?? branchObstacle(one, common);
    if (because !== null) return because;
  }
  return null;
}

/** The git folder of the worktree around a folder, or the folder itself if it is one. */
function gitDirAround(folder: string): string | null {
  for (let at = folder; ; at = dirname(at)) {
    const dotGit = join(at, '.git');
    const found = statSync(dotGit, { throwIfNoEntry: false });
    if (found?.isDirectory()) return dotGit;
    if (found !== undefined) {
      const named = gitDirNamedIn(dotGit);
      return named === null ? null : resolve(at, named);
    }
    if (['HEAD', 'objects', 'refs'].every((name) => existsSync(join(at, name)))) return at;
    if (at === dirname(at)) return null;
  }
}

function obstacleInGitDir(gitDir: string): string | null {
  for (const name of ['HEAD', 'config', 'config.worktree', 'commondir', 'gitdir', 'locked']) {
    const because = obstacleAt(join(gitDir, name), SMALL);
    if (because !== null) return because;
  }
  return obstacleAt(join(gitDir, 'packed-refs'), ANY_SIZE) ?? obstacleAt(join(gitDir, 'index'), ANY_SIZE);
}

function commonDirOf(gitDir: string): string {
  const named = readTextNow(join(gitDir, 'commondir'), SMALL)?.replace(/\n$/, '');
  return named === undefined ? gitDir : resolve(gitDir, named);
}

function linkedGitDirs(common: string): string[] {
  const folder = join(common, 'worktrees');
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
}

/** The file of the checked-out branch. */
function branchObstacle(gitDir: string, common: string): string | null {
  const ref = /^ref: (refs\/.+?)\s*$/.exec(readTextNow(join(gitDir, 'HEAD'), SMALL) ?? '')?.[1];
  return ref === undefined || ref.includes('\0') ? null : obstacleAt(join(common, ref), SMALL);
}
