// Which graph folder a worktree reaches (wg-rules 1.1, 1.2). Looks at folders only; whether there is a graph.jsonl in
// it, and a readable one, is the graph store's business.

import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { GraphPath } from '../domain/ids.ts';

/** wg's own order: `.wg` wins where both exist. */
export const GRAPH_FOLDER_NAMES = ['.wg', '.workgraph'] as const;

/** A graph folder as a worktree reaches it. */
export interface GraphFolder {
  /** Real path. */
  readonly path: GraphPath;
  /** Reached through a symlink, or another worktree's; or its graph.jsonl is a link to one elsewhere. */
  readonly alias: boolean;
  /** Equal for one folder under two names, such as a bind mount, and for two folders that lead to one graph.jsonl. */
  readonly identity: string;
  /** Device and inode of a graph.jsonl that other folders may have too, by a hard link; null: none has. */
  readonly shared: string | null;
}

/** The graph folder right in `folder`, or null. wg's global settings below `home` are never one. */
export async function graphFolderIn(folder: string, home: string): Promise<GraphFolder | null> {
  return graphFolderBeside(folder, await globalGraphFolders(home));
}

/**
 * The same for many folders: `globals` are those that are never a graph, looked up once. At once, for all worktrees are
 * looked at every half minute, and the thread pool costs more than the looks.
 */
export function graphFolderBeside(folder: string, globals: ReadonlySet<string>): GraphFolder | null {
  for (const name of GRAPH_FOLDER_NAMES) {
    const found = folderAt(join(folder, name));
    if (found === null) continue;
    if (globals.has(found.path)) continue;
    const file = fileOf(found.path);
    const isReached = found.path !== join(realPathNow(folder) ?? folder, name);
    return {
      path: found.path,
      ...file,
      identity: file.identity ?? found.identity,
      alias: isReached || file.alias,
    };
  }
  return null;
}

/** Whether a worktree was made below the main one by wg or by Claude for an agent: it works on the main one's graph. */
export function isAgentWorktree(path: string, main: string): boolean {
  return [join(main, '.wg-worktrees'), join(main, '.claude', 'worktrees')].some((folder) =>
    path.startsWith(`${folder}/`),
  );
}

/** The path without symlinks, or null when it is not there. */
export async function realPath(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch {
    // Gone, a loop, or not ours to look at: there is nothing to find in any of them.
    return null;
  }
}

function realPathNow(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch {
    // As above.
    return null;
  }
}

/** What the graph.jsonl of a folder says of it: that it is another folder's, or that it may be. */
function fileOf(graph: string): { identity: string | null; alias: boolean; shared: string | null } {
  const none = { identity: null, alias: false, shared: null };
  const path = join(graph, 'graph.jsonl');
  try {
    const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
    if (found?.isFile())
      return found.nlink > 1n ? { ...none, shared: `${found.dev}:${found.ino}:${found.birthtimeNs}` } : none;
    const real = found?.isSymbolicLink() ? realPathNow(path) : null;
    if (real === null) return none;
    const folder = folderAt(dirname(real));
    if (folder === null || folder.path === graph) return none;
    // The file has the identity of the folder that it lies in, unless that has another graph of its own.
    return { identity: basename(real) === 'graph.jsonl' ? folder.identity : real, alias: true, shared: null };
  } catch {
    // Not to be looked at: whoever reads the graph says why.
    return none;
  }
}

function folderAt(path: string): Pick<GraphFolder, 'path' | 'identity'> | null {
  // Half of the names are never there: an error costs more than a look.
  const real = existsSync(path) ? realPathNow(path) : null;
  if (real === null) return null;
  try {
    const found = statSync(real, { bigint: true });
    return found.isDirectory() ? { path: real, identity: `${found.dev}:${found.ino}` } : null;
  } catch {
    // It went away between two looks; the next listing sees what became of it.
    return null;
  }
}

/** Real paths of `~/.wg` and `~/.workgraph`: wg keeps its global settings there, so they are no project. */
export async function globalGraphFolders(home: string): Promise<ReadonlySet<string>> {
  const paths = await Promise.all(GRAPH_FOLDER_NAMES.map((name) => realPath(join(home, name))));
  return new Set(paths.filter((path) => path !== null));
}
