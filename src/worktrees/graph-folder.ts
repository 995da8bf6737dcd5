// Which graph folder a worktree reaches (wg-rules 1.1, 1.2). Only stats folders; whether there is a readable
// graph.jsonl in it is the graph store's concern.

import { existsSync, lstatSync, statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { GraphPath } from '../domain/ids.ts';
import { realPathNow } from '../platform/real-path.ts';

/** wg's own order: `.wg` takes precedence if both exist. */
export const GRAPH_FOLDER_NAMES = ['.wg', '.workgraph'] as const;

/** A graph folder as a worktree reaches it. */
export interface GraphFolder {
  /** Real path. */
  readonly path: GraphPath;
  /** Reached through a symlink, or another worktree's; or its graph.jsonl is a link to one elsewhere. */
  readonly alias: boolean;
  /** Equal for one folder under two names, such as a bind mount, and for two folders that lead to one graph.jsonl. */
  readonly identity: string;
  /** Device and inode of a graph.jsonl that other folders may share by a hard link; null: it is not shared. */
  readonly shared: string | null;
}

/** The graph folder directly in `folder`, or null. wg's global settings below `home` never count. */
export async function graphFolderIn(folder: string, home: string): Promise<GraphFolder | null> {
  return graphFolderBeside(folder, await globalGraphFolders(home));
}

/**
 * The same for many folders: `globals` are those that are never a graph, looked up once. Synchronous, because all
 * worktrees are checked every half minute, and the thread pool costs more than the calls.
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

/**
 * Whether a worktree was created below the main one by wg or by Claude for an agent: it works on the main one's
 * graph.
 */
export function isAgentWorktree(path: string, main: string): boolean {
  return [join(main, '.wg-worktrees'), join(main, '.claude', 'worktrees')].some((folder) =>
    path.startsWith(`${folder}/`),
  );
}

/** The path without symlinks, or null if it does not exist. */
export async function realPath(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch {
    // Gone, a loop, or inaccessible: nothing to find in any case.
    return null;
  }
}

/** Whether the graph.jsonl of a folder is another folder's, or may be. */
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
    // The file has the identity of its folder, unless that has another graph of its own.
    return { identity: basename(real) === 'graph.jsonl' ? folder.identity : real, alias: true, shared: null };
  } catch {
    // Inaccessible: reading the graph will report why.
    return none;
  }
}

function folderAt(path: string): Pick<GraphFolder, 'path' | 'identity'> | null {
  // Half of the names never exist: an error costs more than a stat.
  const real = existsSync(path) ? realPathNow(path) : null;
  if (real === null) return null;
  try {
    const found = statSync(real, { bigint: true });
    return found.isDirectory() ? { path: real, identity: `${found.dev}:${found.ino}` } : null;
  } catch {
    // It vanished between two calls; the next listing shows its new state.
    return null;
  }
}

/** Real paths of `~/.wg` and `~/.workgraph`: wg keeps its global settings there, so they are not a project. */
export async function globalGraphFolders(home: string): Promise<ReadonlySet<string>> {
  const paths = await Promise.all(GRAPH_FOLDER_NAMES.map((name) => realPath(join(home, name))));
  return new Set(paths.filter((path) => path !== null));
}
