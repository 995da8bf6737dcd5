// Reads files that a process is still writing: line by line as they grow, or just their end. Does not interpret the
// lines, and buffers one unfinished line at most.

import { constants } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import { SupervisorError, systemCode } from '../../../domain/errors.ts';
import { openRegular } from '../../../platform/regular-file.ts';

/** Longest line that is passed on; a longer one is skipped whole. One tool result may well have ten megabytes. */
export const MAX_LINE_BYTES = 32 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** Size of a file in bytes; 0 if it does not exist or is inaccessible. */
export async function sizeOf(path: string): Promise<number> {
  return quietly(async () => (await stat(path)).size, 0);
}

/** Unreadable output counts as empty: the exit status gives the outcome all the same. */
async function quietly<T, U>(read: () => Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await read();
  } catch (thrown) {
    if (systemCode(thrown) === undefined && !(thrown instanceof SupervisorError)) throw thrown;
    return otherwise;
  }
}

/** Null if there is none; never waits for whatever an agent puts in its place. */
const opened = (path: string): Promise<FileHandle | null> => openRegular(path, constants.O_RDONLY);

export interface Follower {
  /** Reads what is new and passes on every finished line; true if the file has grown. */
  read(): Promise<boolean>;
  /** Reads to the end and also passes on a last line without a line end. */
  finish(): Promise<void>;
}

/**
 * Follows a growing file from its beginning, even when it is moved. A file that shrank is read again from the start;
 * a missing one yields nothing.
 */
export function followLines(
  where: string | (() => string),
  onLine: (line: string) => void,
  maxLineBytes = MAX_LINE_BYTES,
): Follower {
  let offset = 0;
  let pieces: Buffer[] = [];
  let held = 0;
  let skipping = false;

  function take(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      hold(chunk.subarray(from, end));
      endLine();
      from = end + 1;
    }
    hold(chunk.subarray(from));
  }

  function hold(piece: Buffer): void {
    if (piece.length === 0 || skipping) return;
    held += piece.length;
    if (held > maxLineBytes) {
      skipping = true;
      pieces = [];
      return;
    }
    pieces.push(Buffer.from(piece));
  }

  function endLine(): void {
    if (!skipping && held > 0) onLine(Buffer.concat(pieces).toString('utf8'));
    pieces = [];
    held = 0;
    skipping = false;
  }

  async function readOn(): Promise<boolean> {
    const path = typeof where === 'string' ? where : where();
    const size = await quietly(async () => (await stat(path)).size, null);
    if (size === null || size === offset) return false;
    if (size < offset) {
      offset = 0;
      pieces = [];
      held = 0;
      skipping = false;
      if (size === 0) return false;
    }
    const file = await opened(path);
    if (file === null) return false;
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      // Only up to the size at the check: a flood must not keep a reader from ever returning.
      while (offset < size) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK_BYTES, size - offset), offset);
        if (bytesRead === 0) break;
        offset += bytesRead;
        take(buffer.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
    return true;
  }

  // One reader at a time: the last read may come during a regular one.
  let last: Promise<boolean> = Promise.resolve(false);
  const read = (): Promise<boolean> => {
    last = last.then(() => quietly(readOn, false));
    return last;
  };

  return {
    read,
    async finish() {
      while (await read());
      endLine();
    },
  };
}

/** The last bytes of a file as text, at most `bytes`; '' if it does not exist. The first line may be torn. */
export async function tailOf(path: string, bytes: number): Promise<string> {
  return quietly(async () => {
    const file = await opened(path);
    if (file === null) return '';
    try {
      const { size } = await file.stat();
      const length = Math.min(bytes, size);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.subarray(0, bytesRead).toString('utf8');
    } finally {
      await file.close();
    }
  }, '');
}
