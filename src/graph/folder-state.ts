// What a look at a graph folder tells without reading any file: is it still the same folder, did a file in it change.

import { lstatSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import { WATCHED_FILES } from './folder-watch.ts';

export interface FolderState {
  /** Differs when the folder was deleted and made anew; null when there is none. */
  readonly folder: string | null;
  /** Differs when one of the files that matter changed, came or went. */
  readonly files: string;
  /** graph.jsonl is a symlink: its target may change without anything happening in this folder. */
  readonly linked: boolean;
}

/**
 * Looks at a graph folder: four calls, nothing is opened. They are made at once rather than through the thread pool,
 * which costs four times as much; whoever looks at many folders gives others a turn in between.
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

/** The first of these calls alone: a folder that is watched tells of its files by itself. */
export function folderNow(graph: GraphPath): string | null {
  const folder = statOrNull(graph);
  if (folder === null || !folder.isDirectory()) return null;
  // The number of a deleted folder is often given to the next one, its time of birth is not.
  return `${folder.dev}:${folder.ino}:${folder.birthtimeMs}`;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  } catch {
    // Not to be looked at: reading the graph will say why.
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
    // A part of the path is no folder, or may not be entered: reading the graph will say which.
    if (systemCode(thrown) === undefined) throw thrown;
    return null;
  }
}
