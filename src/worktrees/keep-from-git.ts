// Keeps a new graph out of git's hands. `git clean`, `stash -u`, `add -A` and `reset` of an agent leave alone what is
// ignored; one line in the repository's own exclude file ignores the graphs of all its worktrees, and is no change to
// anything that is committed.

import { appendFile, lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { likelyCommonDir } from './common-dir.ts';

/** An exclude file of this size was not made by people. */
const MOST_BYTES = 1024 * 1024;

/**
 * Has git ignore the folder `name` at the root of a worktree. Where the exclude file cannot be written, the folder, which
 * must exist then, ignores itself. Says whether either could be done.
 */
export async function ignoreGraph(worktree: string, name: string): Promise<boolean> {
  const commonDir = await likelyCommonDir(worktree);
  if (commonDir !== null && (await excluded(commonDir, name))) return true;
  try {
    await writeFile(join(worktree, name, '.gitignore'), '*\n');
    return true;
  } catch {
    // A folder that cannot be written is told of by whoever writes the graph itself.
    return false;
  }
}

async function excluded(commonDir: string, name: string): Promise<boolean> {
  const file = join(commonDir, 'info', 'exclude');
  try {
    await mkdir(join(commonDir, 'info'), { recursive: true });
    const text = await textOf(file);
    if (text === null) return false;
    const known = new Set([name, `${name}/`, `/${name}`, `/${name}/`]);
    if (text.split('\n').some((line) => known.has(line.trim()))) return true;
    // One short write at the end: somebody who does the same at this moment adds a second line, which does no harm.
    await appendFile(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}/${name}\n`);
    return true;
  } catch {
    // Read-only, or not ours: the folder ignores itself instead.
    return false;
  }
}

/** The text of the file, '' where there is none yet; null for what is no file of text. */
async function textOf(file: string): Promise<string | null> {
  try {
    const found = await lstat(file);
    return found.isFile() && found.size <= MOST_BYTES ? await readFile(file, 'utf8') : null;
  } catch {
    // Not there yet, as after `git init` with another template.
    return '';
  }
}
