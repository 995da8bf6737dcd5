// The folder of a drill, and what is left of drills that were killed: the next one removes it.

import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileLock, Locker } from '../../platform/flock.ts';
import { kill, markedProcesses } from './processes.ts';

const PREFIX = 'supervisor-drill-';
const LOCK = 'drill.lock';
/** A folder without a lock that is older was left by a drill that was killed as it began, ms. */
const BEGINNING_MS = 60_000;

export interface DrillFolder {
  readonly path: string;
  /** Ends every process of the drill and removes the folder. */
  remove(): Promise<void>;
}

/** Makes a folder that counts as in use for as long as this process lives. */
export async function makeDrillFolder(locker: Locker): Promise<DrillFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
  const lock = locker.tryAcquire(join(path, LOCK));
  writeFileSync(join(path, LOCK), 'held\n');
  return {
    path,
    async remove() {
      await endProcesses(path);
      lock?.release();
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Removes what drills of this user left that were killed; gives the folders. */
export async function removeLeftovers(locker: Locker, now: number): Promise<string[]> {
  const removed: string[] = [];
  const parent = await realpath(tmpdir());
  for (const name of (await readdir(parent)).filter((each) => each.startsWith(PREFIX))) {
    const path = join(parent, name);
    const lock = ownerless(path, locker, now);
    if (lock === null) continue;
    await endProcesses(path);
    if (lock !== 'none') lock.release();
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
    removed.push(path);
  }
  return removed;
}

/** The lock of a folder whose drill is dead; null if it lives, is just beginning, or is another user's. */
function ownerless(path: string, locker: Locker, now: number): FileLock | 'none' | null {
  try {
    const folder = lstatSync(path);
    if (!folder.isDirectory() || folder.uid !== process.getuid?.()) return null;
    const lock = join(path, LOCK);
    const isOld = now - folder.ctimeMs > BEGINNING_MS;
    const file = lstatSync(lock, { throwIfNoEntry: false });
    if (file === undefined) return isOld ? 'none' : null;
    if (!file.isFile() || (!isOld && readFileSync(lock, 'utf8') !== 'held\n')) return null;
    return locker.tryAcquire(lock);
  } catch {
    // Another drill is removing it, or it cannot be read: it is left where it is.
    return null;
  }
}

/** More than once: what is being started while its parent is killed shows a moment later. */
async function endProcesses(folder: string): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const marked = await markedProcesses({ folder, stateDir: join(folder, 'state') });
    if (marked.length === 0) return;
    for (const { pid } of marked) kill(pid);
  }
}
