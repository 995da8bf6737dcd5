// Whether git could have anything new to say of a repository, found out by looking at a handful of its files. Four
// times cheaper than asking git, and it sees what no file event tells: lock, unlock, move, commits.

import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Steps, yielding } from '../platform/cooperative.ts';
import type { ListedWorktree } from './porcelain.ts';

/**
 * A text that changes whenever the list of worktrees could: worktrees that came, went, moved, were locked, switched
 * branch or committed, and folders that vanished. `known` are the worktrees as last listed.
 */
export async function repositoryFingerprint(
  commonDir: string,
  known: readonly ListedWorktree[],
): Promise<string> {
  const names = await linkedNames(commonDir);
  const files = [
    ...['HEAD', 'logs/HEAD', 'packed-refs', 'config', 'config.worktree', 'reftable/tables.list'].map((file) =>
      join(commonDir, file),
    ),
    ...names.flatMap((name) =>
      ['gitdir', 'HEAD', 'logs/HEAD', 'locked'].map((file) => join(commonDir, 'worktrees', name, file)),
    ),
    // git calls a worktree prunable once this is gone.
    ...known.map((worktree) => join(worktree.path, '.git')),
    // Where reflogs are switched off, commits show here alone.
    ...known.flatMap(({ branch }) => (branch === null ? [] : [join(commonDir, 'refs', 'heads', branch)])),
  ];
  const stamps: string[] = [];
  await yielding(stampEach(files, stamps));
  return JSON.stringify([names, stamps]);
}

function* stampEach(files: readonly string[], stamps: string[]): Steps<void> {
  for (const file of files) {
    stamps.push(fileStamp(file));
    yield;
  }
}

/**
 * Identity of a file's content as far as the file system tells, '' when it is not there. At once: six looks for each of a
 * thousand worktrees would take four times as long through the thread pool.
 */
export function fileStamp(file: string): string {
  try {
    // Numbers are to a quarter of a microsecond what big integers are to the nanosecond, for half of the garbage.
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) return '';
    // A folder's times change with whatever happens inside; here only whether it is the same one matters.
    if (found.isDirectory()) return `${found.dev}:${found.ino}`;
    return `${found.dev}:${found.ino}:${found.mtimeMs}:${found.ctimeMs}:${found.size}`;
  } catch {
    // Not there, or not to be looked at: git would not see it either.
    return '';
  }
}

async function linkedNames(commonDir: string): Promise<string[]> {
  try {
    return (await readdir(join(commonDir, 'worktrees'))).sort();
  } catch {
    // There is no such folder before the first linked worktree and after the last.
    return [];
  }
}
