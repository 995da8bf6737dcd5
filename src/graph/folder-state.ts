// What a look at a graph folder tells without reading any file: is it still the same folder, did a file in it change.

import { type BigIntStats, constants } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
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

/** Looks at a graph folder: four calls, nothing is opened. Never rejects. */
export async function lookAt(graph: GraphPath): Promise<FolderState> {
  const [folder, link, ...files] = await Promise.all([
    statOrNull(stat(graph, { bigint: true })),
    statOrNull(lstat(join(graph, 'graph.jsonl'), { bigint: true })),
    ...WATCHED_FILES.map((name) => statOrNull(stat(join(graph, name), { bigint: true }))),
  ]);
  return {
    // The number of a deleted folder is often given to the next one, its time of birth is not.
    folder: folder?.isDirectory() ? `${folder.dev}:${folder.ino}:${folder.birthtimeNs}` : null,
    files: files.map(printOf).join('|'),
    linked: link !== null && (Number(link.mode) & constants.S_IFMT) === constants.S_IFLNK,
  };
}

function printOf(stats: BigIntStats | null | undefined): string {
  if (!stats) return 'none';
  return `${stats.dev}:${stats.ino}:${stats.mtimeNs}:${stats.ctimeNs}:${stats.size}`;
}

async function statOrNull(found: Promise<BigIntStats>): Promise<BigIntStats | null> {
  try {
    return await found;
  } catch {
    // Not there or not to be looked at: reading the graph will say which.
    return null;
  }
}
