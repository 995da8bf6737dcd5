// Files in untrusted places: any name in a repository may be a pipe, a device, a link or ten gigabytes. They are
// opened only here: only regular files, never waiting, never read beyond a limit.

import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { SupervisorError, systemCode } from '../domain/errors.ts';

/** How a path may be used. */
export interface FileTerms {
  /** More than this is not read, bytes. */
  readonly maxBytes: number;
  /** `follow` for files that users link on purpose; by default a link counts as not a file. */
  readonly links?: 'follow' | 'refuse';
}

type Links = Pick<FileTerms, 'links'>;

/** How much is read at a time, bytes. */
const CHUNK_BYTES = 256 * 1024;

/** Why a path cannot be read as a file, in one sentence; null if it can, or if nothing is there. */
export function obstacleAt(
  path: string,
  { links, maxBytes }: Links & { readonly maxBytes: number | null },
): string | null {
  const found = lookAt(path, links) ?? (links === 'follow' ? lookAt(path, 'refuse') : null);
  if (found === null) return null;
  if (found.isSymbolicLink() && links === 'follow') return `${path} is a link that leads nowhere`;
  if (!found.isFile()) return `${path} is not a file but ${kindOf(found)}`;
  if (maxBytes !== null && found.size > maxBytes) return tooLargeText(path, found.size, maxBytes);
  return isReadable(path) ? null : `${path} may not be read by this user`;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch (thrown) {
    // It vanished between two calls.
    return systemCode(thrown) === 'ENOENT';
  }
}

/**
 * The text of a file, null if there is none. Throws SupervisorError `graph` for anything that is not a file, or is
 * too large.
 */
export function readTextNow(path: string, terms: FileTerms): string | null {
  return readBytesNow(path, terms)?.toString('utf8') ?? null;
}

/** The same as bytes. */
export function readBytesNow(path: string, terms: FileTerms): Buffer | null {
  const fd = openNow(path, constants.O_RDONLY, terms);
  if (fd === null) return null;
  try {
    const chunks = gathering(path, terms.maxBytes, fstatSync(fd).size);
    for (;;) {
      const chunk = chunks.next();
      if (!chunks.took(readSync(fd, chunk, 0, chunk.length, null))) return chunks.all();
    }
  } finally {
    closeSync(fd);
  }
}

/** As `readTextNow`, without blocking while the disk is slow. */
export async function readText(path: string, terms: FileTerms): Promise<string | null> {
  return (await readBytes(path, terms))?.toString('utf8') ?? null;
}

/** The same as bytes. */
export async function readBytes(path: string, terms: FileTerms): Promise<Buffer | null> {
  const handle = await openRegular(path, constants.O_RDONLY, terms);
  if (handle === null) return null;
  try {
    const chunks = gathering(path, terms.maxBytes, (await handle.stat()).size);
    for (;;) {
      const chunk = chunks.next();
      if (!chunks.took((await handle.read(chunk, 0, chunk.length, null)).bytesRead)) return chunks.all();
    }
  } finally {
    await handle.close();
  }
}

const APPENDING = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND;
const ANEW = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
/** Files in a graph's folder are created for their owner alone; a wider mode is kept. */
const PRIVATE = 0o600;

/** Appends to a file, which is created if there is none. Never through a link. */
export function appendTextNow(path: string, text: string): void {
  writeNow(path, text, APPENDING);
}

/** Overwrites a file in place. Never through a link. */
export function writeTextNow(path: string, text: string): void {
  writeNow(path, text, ANEW);
}

/** As `appendTextNow`, through the thread pool. */
export async function appendText(path: string, text: string, mode = PRIVATE): Promise<void> {
  await write(path, text, APPENDING, mode);
}

/** As `writeTextNow`, through the thread pool. */
export async function writeText(path: string, text: string, mode = PRIVATE): Promise<void> {
  await write(path, text, ANEW, mode);
}

async function write(path: string, text: string, flags: number, mode: number): Promise<void> {
  const handle = await openRegular(path, flags, {}, mode);
  if (handle === null) throw noSuchFolder(path);
  try {
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}

function writeNow(path: string, text: string, flags: number): void {
  const fd = openNow(path, flags, {}, PRIVATE);
  if (fd === null) throw noSuchFolder(path);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } finally {
    closeSync(fd);
  }
}

/** The descriptor of a regular file, null if there is none. Throws SupervisorError `graph` for anything else. */
export function openNow(path: string, flags: number, { links }: Links = {}, mode = 0o666): number | null {
  // Checked before it is opened: opening a device has effects.
  const found = lookAt(path, links);
  if (found !== null && !found.isFile()) throw noFile(path, found);
  if (found === null && !(flags & constants.O_CREAT)) return null;
  let fd: number;
  try {
    fd = openSync(path, safely(flags, links), mode);
  } catch (thrown) {
    return goneOrThrown(path, thrown);
  }
  try {
    const opened = fstatSync(fd);
    if (!opened.isFile()) throw noFile(path, opened);
    return fd;
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

/** As `openNow`, through the thread pool. */
export async function openRegular(
  path: string,
  flags: number,
  { links }: Links = {},
  mode = 0o666,
): Promise<FileHandle | null> {
  const found = lookAt(path, links);
  if (found !== null && !found.isFile()) throw noFile(path, found);
  if (found === null && !(flags & constants.O_CREAT)) return null;
  let handle: FileHandle;
  try {
    handle = await open(path, safely(flags, links), mode);
  } catch (thrown) {
    return goneOrThrown(path, thrown);
  }
  try {
    const opened = await handle.stat();
    if (!opened.isFile()) throw noFile(path, opened);
    return handle;
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

/** A pipe without a writer would block one of the pool's four threads for ever. */
function safely(flags: number, links: FileTerms['links']): number {
  return flags | constants.O_NONBLOCK | (links === 'follow' ? 0 : constants.O_NOFOLLOW);
}

function lookAt(path: string, links: FileTerms['links']): Stats | null {
  try {
    const look = links === 'follow' ? statSync : lstatSync;
    return look(path, { throwIfNoEntry: false }) ?? null;
  } catch (thrown) {
    return goneOrThrown(path, thrown);
  }
}

function goneOrThrown(path: string, thrown: unknown): null {
  const code = systemCode(thrown);
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  // Put there between the check and the open: a link, a pipe without a reader.
  if (code === 'ELOOP' || code === 'ENXIO') throw refused(path, `${path} is not a plain file`, thrown);
  throw thrown;
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a named pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

function noFile(path: string, found: Stats): SupervisorError {
  return refused(path, `${path} is not a file but ${kindOf(found)}`);
}

function tooLargeText(path: string, size: number, maxBytes: number): string {
  return `${path} has ${size} bytes, larger than anything that is read under that name (${maxBytes})`;
}

function refused(path: string, message: string, cause?: unknown): SupervisorError {
  return new SupervisorError('graph', message, { hint: 'move it away', cause, details: { file: path } });
}

function noSuchFolder(path: string): Error {
  return Object.assign(new Error(`ENOENT: the folder of ${path} does not exist`), { code: 'ENOENT' });
}

/** Collects data until the end of the file, and stops at the limit, whatever the file's size was. */
function gathering(path: string, maxBytes: number, size: number) {
  if (size > maxBytes) throw refused(path, tooLargeText(path, size, maxBytes));
  const parts: Buffer[] = [];
  let length = 0;
  // One byte more than expected, so that most files need one read and one that finds the end.
  let chunk = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES) + 1);
  return {
    next(): Buffer {
      return chunk;
    },
    /** False at the end of the file. */
    took(bytes: number): boolean {
      if (bytes === 0) return false;
      parts.push(chunk.subarray(0, bytes));
      length += bytes;
      if (length > maxBytes) throw refused(path, tooLargeText(path, length, maxBytes));
      chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      return true;
    },
    all: (): Buffer => (parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)),
  };
}
