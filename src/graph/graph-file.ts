// graph.jsonl as a file: read whole and stable, replaced whole and durably. Knows nothing of tasks; locking is the
// caller's.

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  read,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { GraphProblem } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import { openNow } from '../platform/regular-file.ts';
import { graphFile, tooLarge } from './format.ts';
import { type ByteSource, type Rereading, rereadText, SMALL } from './incremental-read.ts';
import { PieceTable } from './piece-table.ts';

/** Distinguishes states of a file without reading it. */
export interface FileState {
  /** Equal text: very likely the same bytes. */
  readonly print: string;
  /**
   * Time of the last write, ms. File systems count in steps of some ms, so a fresh file may change without a new
   * time.
   */
  readonly modifiedAt: number;
  readonly inode: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type FileReading =
  | { readonly kind: 'text'; readonly reading: Rereading; readonly state: FileState }
  | { readonly kind: 'problem'; readonly problem: GraphProblem };

/** What a store does with its graph's file; `diskFiles` is the file system, the simulation has one in memory. */
export interface GraphFiles {
  readonly stateNow: typeof stateOfFileNow;
  readonly stateOfOpened: typeof stateOfOpenedFile;
  readonly read: typeof readGraphFile;
  readonly write: typeof writeGraphFile;
  readonly lockFiles: typeof lockFilesOf;
}

/** A graph may be a link to a shared place. */
const LINKED = { links: 'follow' } as const;

/** How often a file that changes during reading is read again before it is called unstable. */
const MAX_READS = 5;

/**
 * The state of the graph file; null if it is missing or inaccessible. Synchronous: waiting for the thread pool costs
 * more than the call.
 */
export function stateOfFileNow(graph: GraphPath): FileState | null {
  try {
    const found = statSync(graphFile(graph), { bigint: true, throwIfNoEntry: false });
    return found === undefined ? null : stateOf(found);
  } catch {
    // Reading it will report why.
    return null;
  }
}

/**
 * The same by opening the file: on a network file system only that asks the server, a plain stat may be seconds old.
 */
export function stateOfOpenedFile(graph: GraphPath): FileState | null {
  let fd: number | null = null;
  try {
    fd = openNow(graphFile(graph), constants.O_RDONLY, LINKED);
    return fd === null ? null : stateOf(fstatSync(fd, { bigint: true }));
  } catch {
    // Reading it will report why.
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/**
 * Reads the graph file; unchanged parts keep the text of `before`. Anything that prevents a complete read is a
 * problem, not an error.
 */
export async function readGraphFile(
  graph: GraphPath,
  maxBytes: number,
  before: PieceTable | null = null,
): Promise<FileReading> {
  const path = graphFile(graph);
  let fd: number | null = null;
  try {
    for (let attempt = 0; attempt < MAX_READS; attempt++) {
      fd = openNow(path, constants.O_RDONLY, LINKED);
      if (fd === null) return { kind: 'problem', problem: isMissing(path) };
      const stood = fstatSync(fd, { bigint: true });
      if (stood.size > maxBytes)
        return { kind: 'problem', problem: tooLarge(graph, Number(stood.size), maxBytes) };
      const size = Number(stood.size);
      const reading = await rereadText(sourceOf(fd, size), size, before ?? PieceTable.of(Buffer.alloc(0)));
      const after = fstatSync(fd, { bigint: true });
      closeSync(fd);
      fd = null;
      const state = stateOf(after);
      if (reading !== null && state.print === stateOf(stood).print) return { kind: 'text', reading, state };
    }
    return { kind: 'problem', problem: keepsChanging(graph) };
  } catch (thrown) {
    if (thrown instanceof SupervisorError) return unreadable(`${thrown.message}; ${thrown.hint}`);
    return unreadable(`${path} cannot be read (${messageOf(thrown)}); check its permissions and its disk`);
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

const readInPool = promisify(read);

/** An opened file. For one that is read in a single call, waiting for the thread pool costs more than the call. */
function sourceOf(fd: number, size: number): ByteSource {
  if (size > SMALL) return { read: (into, ...where) => readInPool(fd, into, ...where) };
  return { read: async (into, ...where) => ({ bytesRead: readSync(fd, into, ...where) }) };
}

function isMissing(path: string): GraphProblem {
  const message = `${path} does not exist; make the graph with "wg init" or "supervisor add"`;
  return { code: 'missing', message };
}

/** The problem of a graph file whose writer does not pause. */
export function keepsChanging(graph: GraphPath): GraphProblem {
  const message = `${graphFile(graph)} keeps changing while it is read; nothing is done with it until its writer pauses`;
  return { code: 'unstable', message };
}

/** The problem of a graph file that may be in the middle of an in-place write. */
export function justEmptied(graph: GraphPath): FileReading {
  const message = `${graphFile(graph)} was emptied a moment ago, so it may be half written; it is read again shortly`;
  return { kind: 'problem', problem: { code: 'unstable', message } };
}

/**
 * The locks that keep every writer out, in the order they are taken: the one that wg takes in this folder and, if
 * graph.jsonl is a link, the one that wg takes beside the target.
 */
export function lockFilesOf(graph: GraphPath): readonly string[] {
  const own = join(graph, 'graph.lock');
  try {
    if (!lstatSync(graphFile(graph), { throwIfNoEntry: false })?.isSymbolicLink()) return [own];
    const home = dirname(realpathSync.native(graphFile(graph)));
    return home === graph ? [own] : [own, join(home, 'graph.lock')];
  } catch {
    // A dangling link: reading it reports that.
    return [own];
  }
}

/** A graph file as it was replaced. */
export interface Written {
  readonly state: FileState;
  /** As long as the file has this state no other program has written it, however soon after. */
  readonly isSure: boolean;
}

/**
 * Replaces the graph file: a temporary file beside it, the old mode, fsync, rename. A graph file that is a symlink
 * stays one. On failure the old file is untouched, nothing is left behind, and a SupervisorError says what to do;
 * null: the file is no longer `previous`, and is left as it is. The caller has the graph's lock, so the temporary
 * name cannot collide.
 */
export async function writeGraphFile(
  graph: GraphPath,
  text: PieceTable,
  previous: FileState | null,
): Promise<Written | null> {
  const path = graphFile(graph);
  let temporary: string | null = null;
  let handle: FileHandle | undefined;
  try {
    const target = previous === null ? path : realpathSync.native(path);
    temporary = join(dirname(target), `.graph.tmp.${process.pid}`);
    handle = await openNew(temporary);
    await writeAll(handle, text);
    if (previous !== null) await keepOwner(handle, previous);
    const made = await marked(handle);
    await handle.sync();
    await handle.close();
    handle = undefined;
    // The fsync takes time, and editors take no lock.
    if (stateOfFileNow(graph)?.print !== previous?.print) return null;
    await rename(temporary, target);
    temporary = null;
    return written(path, made);
  } catch (thrown) {
    throw cannotWrite(path, thrown);
  } finally {
    await handle?.close();
    if (temporary !== null) await removeIfThere(temporary);
  }
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o666);
  } catch (thrown) {
    if (systemCode(thrown) !== 'EEXIST') throw thrown;
    // Left by a killed process with the same pid; removed rather than opened, as it may be a link.
    await unlink(path);
    return open(path, 'wx', 0o666);
  }
}

/** Buffers passed to one system call at most. */
const PIECES_AT_ONCE = 512;

async function writeAll(handle: FileHandle, text: PieceTable): Promise<void> {
  const parts = text.parts(0, text.length);
  for (let i = 0; i < parts.length; i += PIECES_AT_ONCE) {
    let left = parts.slice(i, i + PIECES_AT_ONCE);
    while (left.length > 0) left = without(left, (await handle.writev(left)).bytesWritten);
  }
}

/** What remains of the parts after the first bytes. */
function without(parts: readonly Buffer[], bytes: number): Buffer[] {
  const text = parts.slice();
  let done = bytes;
  while (text[0] !== undefined && done >= text[0].length) done -= text.shift()?.length ?? 0;
  if (text[0] !== undefined) text[0] = text[0].subarray(done);
  return text;
}

/** Owner and mode of the replaced file. */
async function keepOwner(handle: FileHandle, previous: FileState): Promise<void> {
  const now = fstatSync(handle.fd);
  if (now.uid !== previous.uid || now.gid !== previous.gid) {
    try {
      await handle.chown(previous.uid, previous.gid);
    } catch {
      // Only root may change ownership; otherwise the file becomes the user's, as with wg.
    }
  }
  // chown clears some mode bits.
  const mode = previous.mode & 0o7777;
  if ((fstatSync(handle.fd).mode & 0o7777) !== mode) await handle.chmod(mode);
}

/** How much earlier than its last write our file claims to be written, ns. */
const EARLIER_NS = 2000n;

interface Marked {
  readonly stats: BigIntStats;
  readonly isMarked: boolean;
}

/**
 * Moves the modification time back a little, before anything a later write could get. File systems count time in
 * steps of some ms: without this, a write of the same size within the same step would go unnoticed.
 */
async function marked(handle: FileHandle): Promise<Marked> {
  const natural = await handle.stat({ bigint: true });
  try {
    const seconds = Number(natural.mtimeNs - EARLIER_NS) / 1e9;
    await handle.utimes(seconds, seconds);
  } catch {
    // Not every file system lets times be set; then the file is read again.
  }
  const stats = await handle.stat({ bigint: true });
  return { stats, isMarked: stats.mtimeNs < natural.mtimeNs };
}

/** The state that was written, unless a writer without the lock was quicker: then the file is not ours. */
function written(path: string, { stats, isMarked }: Marked): Written {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  const isOurs =
    found !== undefined &&
    found.dev === stats.dev &&
    found.ino === stats.ino &&
    found.mtimeNs === stats.mtimeNs &&
    found.size === stats.size;
  return isOurs ? { state: stateOf(found), isSure: isMarked } : { state: stateOf(stats), isSure: false };
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch {
    // It was never created, or the disk does not let it be removed: the first error is the one to report.
  }
}

function stateOf(stats: {
  dev: bigint;
  ino: bigint;
  size: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  mode: bigint;
  uid: bigint;
  gid: bigint;
}): FileState {
  const inode = `${stats.dev}:${stats.ino}`;
  return {
    print: `${inode}:${stats.mtimeNs}:${stats.ctimeNs}:${stats.size}`,
    modifiedAt: Number(stats.mtimeNs / 1_000_000n),
    inode,
    size: Number(stats.size),
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
  };
}

function unreadable(message: string): FileReading {
  return { kind: 'problem', problem: { code: 'unreadable', message } };
}

const WRITE_HINTS: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'free some space on that disk; nothing was changed'],
  ['EDQUOT', 'free some of your disk quota; nothing was changed'],
  ['EROFS', 'mount the file system writable; nothing was changed'],
  ['EACCES', 'make the folder and the file writable for this user; nothing was changed'],
  ['EPERM', 'make the folder and the file writable for this user; nothing was changed'],
]);

function cannotWrite(path: string, thrown: unknown): SupervisorError {
  const code = systemCode(thrown);
  return new SupervisorError('graph', `cannot write ${path}: ${messageOf(thrown)}`, {
    hint: WRITE_HINTS.get(code ?? '') ?? 'check the folder and its disk; nothing was changed',
    cause: thrown,
    details: { file: path, ...(code === undefined ? {} : { code }) },
  });
}

/** The file system. */
export const diskFiles: GraphFiles = {
  stateNow: stateOfFileNow,
  stateOfOpened: stateOfOpenedFile,
  read: readGraphFile,
  write: writeGraphFile,
  lockFiles: lockFilesOf,
};
