// Finds repositories below a folder. Looks at names and kinds only; calls no git.

import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../domain/errors.ts';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import { readText } from '../platform/regular-file.ts';

/** The findings below a folder. */
export interface Scan {
  /** Folders that look like a repository or a worktree of one. */
  readonly repositories: readonly string[];
  /** What could not be searched, one sentence each. */
  readonly notes: readonly string[];
}

/** Enough for a large home folder; beyond that the root is a mistake. */
const MOST_FOLDERS = 20_000;

/**
 * Repositories at `root` and up to `depth` levels below it. Hidden folders, node_modules, symlinks and the inside of
 * repositories are skipped; the root itself may be hidden, or a repository.
 */
export async function findRepositories(root: string, depth: number): Promise<Scan> {
  const repositories: string[] = [];
  const notes: string[] = [];
  let level = [root];
  let looked = 0;
  for (let at = 0; at <= depth && level.length > 0; at++) {
    const below: string[] = [];
    for (const folder of level) {
      if (++looked > MOST_FOLDERS) {
        notes.push(`${root}: more than ${MOST_FOLDERS} folders; name the repositories or lower its depth`);
        return { repositories, notes };
      }
      const entries = await entriesOf(folder);
      if (typeof entries === 'string') {
        notes.push(`${folder} was passed over: ${entries}`);
        continue;
      }
      const found = await looksLikeRepository(folder, entries);
      if (found) repositories.push(folder);
      if (found && at > 0) continue;
      for (const entry of entries)
        if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
          below.push(join(folder, entry.name));
    }
    level = below.sort();
  }
  return { repositories, notes };
}

async function entriesOf(folder: string): Promise<Dirent[] | string> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (thrown) {
    const code = systemCode(thrown);
    if (code === 'ENOENT') return 'it does not exist';
    if (code === 'ENOTDIR') return 'it is not a folder';
    return code === 'EACCES' || code === 'EPERM' ? 'it may not be read' : `it cannot be read (${code})`;
  }
}

async function looksLikeRepository(folder: string, entries: readonly Dirent[]): Promise<boolean> {
  const git = entries.find((entry) => entry.name === '.git');
  if (git) return !(git.isFile() && (await isSubmodule(join(folder, '.git'))));
  const named = (name: string, folderWanted: boolean) =>
    entries.some((entry) => entry.name === name && entry.isDirectory() === folderWanted);
  // A bare repository has the inside of a .git directly here.
  return named('HEAD', false) && named('objects', true) && named('refs', true);
}

/** A submodule belongs to the repository around it, and is no project of its own. */
async function isSubmodule(file: string): Promise<boolean> {
  try {
    return /^gitdir: .*\.git\/modules\//.test((await readText(file, { maxBytes: GIT_FILE_MAX_BYTES })) ?? '');
  } catch {
    // Unreadable: git will report the reason.
    return false;
  }
}
