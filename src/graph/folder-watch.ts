// The watch on one graph folder. Reports that something relevant may have changed, never what. Uses the system's own
// watches: chokidar takes three of them per folder, reads it again at every change (ten times the cost), and drops
// the second of two quick changes.

import { type FSWatcher, watch } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { GraphPath } from '../domain/ids.ts';

/** The only files of a graph folder whose changes matter here. */
export const WATCHED_FILES: readonly string[] = ['graph.jsonl', 'config.toml'];

/** Starts watching a folder, not its subfolders; throws the system's error. Reports entry names. */
export type WatchFunction = (
  folder: string,
  hear: { changed(name: string | null): void; failed(thrown: unknown): void },
) => FolderWatch;

export interface FolderWatch {
  close(): void;
}

/** The kind of change: in graph.jsonl alone, or in anything else that matters. */
export type Hint = 'graph' | 'any';

/** The real implementation: inotify on Linux, FSEvents on macOS. */
export const systemWatch: WatchFunction = (folder, hear) => {
  const watcher: FSWatcher = watch(folder, { persistent: true }, (_event, name) => hear.changed(name));
  watcher.on('error', (thrown) => hear.failed(thrown));
  return { close: () => watcher.close() };
};

/** Watches one folder. Changes before this returns are not reported. Throws what `watch` throws. */
export function watchFolder(
  watch: WatchFunction,
  graph: GraphPath,
  hear: { hint(of: Hint): void; failed(thrown: unknown): void },
): FolderWatch {
  const folder = resolve(graph);
  return watch(folder, {
    changed(name) {
      if (name === 'graph.jsonl') hear.hint('graph');
      // No name is given if the kernel's queue overflowed, and the folder's own name if the folder itself vanished.
      else if (name === null || WATCHED_FILES.includes(name) || name === basename(folder)) hear.hint('any');
    },
    failed: (thrown) => hear.failed(thrown),
  });
}
