// The watch on one graph folder, and the one home of chokidar for graphs. Tells that something that matters may have
// changed, never what; knows nothing of other folders.

import { basename, resolve } from 'node:path';
import type { GraphPath } from '../domain/ids.ts';

/** The only files of a graph folder whose changes matter here. */
export const WATCHED_FILES: readonly string[] = ['graph.jsonl', 'config.toml'];

/** What is used of a chokidar watcher. */
export interface FileWatcher {
  /** `all` and `raw` tell the event and a path, `error` what was thrown, `ready` nothing. */
  on(event: string, hear: (first?: unknown, second?: unknown) => void): unknown;
  close(): Promise<void>;
}

/** `chokidar.watch`, as far as it is used. */
export type WatchFunction = (
  path: string,
  options: {
    readonly persistent: boolean;
    readonly ignoreInitial: boolean;
    readonly followSymlinks: boolean;
    readonly depth: number;
    readonly ignored: (path: string) => boolean;
  },
) => FileWatcher;

export interface FolderWatch {
  close(): Promise<void>;
}

/** The real thing, loaded when the first folder is watched. */
export async function chokidarWatch(): Promise<WatchFunction> {
  const { watch } = await import('chokidar');
  return (path, options) => watch(path, options) as FileWatcher;
}

/**
 * Watches one folder, not what is below it. `ready` comes once, when the watch stands (or has failed: `failed` comes
 * first then); changes before that are not heard.
 */
export function watchFolder(
  watch: WatchFunction,
  graph: GraphPath,
  hear: { hint(): void; ready(): void; failed(thrown: unknown): void },
): FolderWatch {
  const folder = resolve(graph);
  const name = basename(folder);
  const matters = (path: unknown) =>
    // No name is given when the kernel's queue overflowed, and the folder's own name when the folder itself went.
    typeof path !== 'string' || WATCHED_FILES.includes(basename(path)) || basename(path) === name;
  const watcher = watch(folder, {
    persistent: true,
    ignoreInitial: true,
    followSymlinks: true,
    depth: 0,
    ignored: (path) => path !== folder && !WATCHED_FILES.includes(basename(path)),
  });
  // `all` is throttled and drops the last of several quick changes; `raw` is not, and knows less.
  watcher.on('all', (_event, path) => {
    if (matters(path)) hear.hint();
  });
  watcher.on('raw', (_event, path) => {
    if (matters(path)) hear.hint();
  });
  watcher.on('error', (thrown) => hear.failed(thrown));
  watcher.on('ready', () => hear.ready());
  return {
    close() {
      const closed = watcher.close();
      // Closing removes every listener, and an error that is still on its way would end the process without one.
      watcher.on('error', () => {});
      return closed;
    },
  };
}
