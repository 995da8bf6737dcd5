// Paths without symlinks, and what lies there, where nothing may be.

import { realpathSync, statSync } from 'node:fs';

/** The path without symlinks; null: nothing is there, a loop of links, or inaccessible. */
export function realPathNow(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch {
    // The caller treats all three alike.
    return null;
  }
}

/** The path without symlinks; as it is where nothing is there: what comes next says so. */
export function realPathOrSame(path: string): string {
  return realPathNow(path) ?? path;
}

/** Whether a folder is there; no if it is inaccessible. */
export function isFolderNow(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    // Nothing can be done there either way.
    return false;
  }
}
