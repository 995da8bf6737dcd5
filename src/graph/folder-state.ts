// What can be known of a graph folder without reading a file: is it still the same folder, did a file in it change.

import { lstatSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import { WATCHED_FILES } from './folder-watch.ts';

export interface FolderState {
  /** Differs if the folder was deleted and created again; null if there is none. */
  readonly folder: string | null;
  /** Differs if one of the relevant files changed, appeared or vanished. */
  readonly files: string;
  /** graph.jsonl is a symlink: its target may change without any event in this folder. */
  readonly linked: boolean;
}

/**
 * The state of a graph folder: four calls, nothing is opened. They are synchronous because the thread pool costs four
 * times as much; callers that check many folders yield in between.
 */
export function lookAt(graph: GraphPath): FolderState {
  const folder = folderNow(graph);
  const gone = folder === null;
  return {
    folder,
    files: gone ? '' : WATCHED_FILES.map((name) => printOf(statOrNull(join(graph, name)))).join('|'),
    linked: !gone && isLink(join(graph, 'graph.jsonl')),
  };
}

/** Only the first of these calls: a watched folder reports its files itself. */
export function folderNow(graph: GraphPath): string | null {
  const folder = statOrNull(graph);
  if (folder === null || !folder.isDirectory()) return null;
  // The inode number of a deleted folder is often reused, its birth time is not.
  return `${folder.dev}:${folder.ino}:${folder.birthtimeMs}`;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  } catch {
    // Not accessible: reading the graph will report why.
    return false;
  }
}

function printOf(stats: Stats | null): string {
  if (!stats) return 'none';
  return `${stats.dev}:${stats.ino}:${stats.mtimeMs}:${stats.ctimeMs}:${stats.size}`;
}

function statOrNull(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (thrown) {
    // A part of the path is not a folder, or may not be entered: reading the graph will report which.
    if (systemCode(thrown) === undefined) throw thrown;
    return null;
  }
}
