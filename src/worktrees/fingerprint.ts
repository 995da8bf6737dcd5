// Whether git could have any news about a repository, from a few of its files. Four times cheaper than calling git,
// and it notices what causes no file event: lock, unlock, move, commits.

import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Steps } from '../domain/steps.ts';
import { yielding } from '../platform/cooperative.ts';
import type { ListedWorktree } from './porcelain.ts';

/**
 * A string that changes whenever the list of worktrees could: worktrees added, removed, moved, locked, switched to
 * another branch or committed, and folders that vanished. `known` are the worktrees as last listed.
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
    // If reflogs are off, commits only show here.
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
 * Identity of a file's content as far as the file system shows it, '' if it does not exist. Synchronous: six calls
 * for each of a thousand worktrees would take four times as long through the thread pool.
 */
export function fileStamp(file: string): string {
  try {
    // Numbers are as exact to a quarter of a microsecond as big integers are to the nanosecond, with half the
    // garbage.
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) return '';
    // A folder's times change with whatever happens inside; here only its identity matters.
    if (found.isDirectory()) return `${found.dev}:${found.ino}`;
    return `${found.dev}:${found.ino}:${found.mtimeMs}:${found.ctimeMs}:${found.size}`;
  } catch {
    // Missing, or inaccessible: git would not see it either.
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
