// Makes git ignore a new graph. `git clean`, `stash -u`, `add -A` and `reset` of an agent leave ignored files alone;
// one line in the repository's own exclude file covers the graphs of all its worktrees, without changing anything
// that is committed.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import { appendText, readText, writeText } from '../platform/regular-file.ts';
import { likelyCommonDir } from './common-dir.ts';

/** As git makes files of its own. */
const SHARED = 0o666;

/**
 * Makes git ignore the folder `name` at the root of a worktree. If the exclude file cannot be written, the folder,
 * which must exist then, ignores itself. Returns whether either was possible.
 */
export async function ignoreGraph(worktree: string, name: string): Promise<boolean> {
  const commonDir = await likelyCommonDir(worktree);
  if (commonDir !== null && (await excluded(commonDir, name))) return true;
  try {
    await writeText(join(worktree, name, '.gitignore'), '*\n', SHARED);
    return true;
  } catch {
    // A folder that cannot be written is reported by the writer of the graph itself.
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
    // One short append: another process doing the same at this moment adds a second line, which is harmless.
    await appendText(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}/${name}\n`, SHARED);
    return true;
  } catch {
    // Read-only, or not ours: the folder ignores itself instead.
    return false;
  }
}

/** The text of the file, '' if there is none yet; null for anything that is not a text file. */
async function textOf(file: string): Promise<string | null> {
  try {
    // Not there yet, as after `git init` with another template.
    return (await readText(file, { maxBytes: GIT_FILE_MAX_BYTES })) ?? '';
  } catch (thrown) {
    if (thrown instanceof SupervisorError) return null;
    throw thrown;
  }
}
