// Reads a file whose earlier text is known: equal parts are only compared, through a small buffer, and not stored
// twice. Knows bytes, not lines; whether the file was stable meanwhile is the caller's to check.

import type { PieceTable } from './piece-table.ts';

/** Where bytes are read from, such as an open file. */
export interface ByteSource {
  read(
    into: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
}

/** A file's text, and how much of it equals the start and end of the earlier one. */
export interface Rereading {
  readonly text: PieceTable;
  readonly sameStart: number;
  readonly sameEnd: number;
}

/** Up to this size a file is read in one call. */
export const SMALL = 1 << 20;
/** The largest piece: it fits the caches of most processors and takes less than a millisecond to compare. */
const MAX_CHUNK = 1 << 20;
/** The smallest: a read of fewer bytes costs as much. */
const MIN_CHUNK = 1 << 17;

/** Reads a file of `size` bytes of which `before` is known; null if it turns out to be shorter. */
export async function rereadText(
  handle: ByteSource,
  size: number,
  before: PieceTable,
): Promise<Rereading | null> {
  if (size <= SMALL) return rereadSmall(handle, size, before);
  const most = Math.min(size, before.length);
  // No larger than needed: the remainder waits for the next collection.
  const chunk = Math.min(MAX_CHUNK, Math.max(MIN_CHUNK, Math.ceil(most / 32)));
  const scratch = [Buffer.allocUnsafeSlow(chunk), Buffer.allocUnsafeSlow(chunk)];
  const sameStart = await compare(most, scratch, {
    read: (chunk, done) => fill(handle, chunk, done),
    same: (chunk, done) => before.sameFrom(done, chunk),
  });
  if (sameStart === null) return null;
  if (sameStart === size && size === before.length) return { text: before, sameStart, sameEnd: 0 };
  const sameEnd = await compare(most - sameStart, scratch, {
    read: (chunk, done) => fill(handle, chunk, size - done - chunk.length),
    same: (chunk, done) => before.sameBefore(before.length - done, chunk),
  });
  if (sameEnd === null) return null;
  const fresh = Buffer.allocUnsafeSlow(size - sameStart - sameEnd);
  if (!(await fill(handle, fresh, sameStart))) return null;
  const text = before.replaced([{ from: sameStart, to: before.length - sameEnd, bytes: fresh }]);
  return { text, sameStart, sameEnd };
}

/** A single read for all of it. */
async function rereadSmall(handle: ByteSource, size: number, before: PieceTable): Promise<Rereading | null> {
  const bytes = Buffer.allocUnsafeSlow(size);
  if (!(await fill(handle, bytes, 0))) return null;
  const sameStart = before.sameFrom(0, bytes);
  if (sameStart === size && size === before.length) return { text: before, sameStart, sameEnd: 0 };
  const rest = bytes.subarray(size - Math.min(size, before.length) + sameStart);
  const sameEnd = before.sameBefore(before.length, rest);
  // Copied, so that the remainder of the buffer can be freed.
  const fresh = sameStart + sameEnd === 0 ? bytes : Buffer.from(bytes.subarray(sameStart, size - sameEnd));
  const text = before.replaced([{ from: sameStart, to: before.length - sameEnd, bytes: fresh }]);
  return { text, sameStart, sameEnd };
}

/** How many bytes are equal, at most `most`; the next chunk is read while one is compared. Null: a read was short. */
async function compare(
  most: number,
  scratch: readonly Buffer[],
  by: { read(chunk: Buffer, done: number): Promise<boolean>; same(chunk: Buffer, done: number): number },
): Promise<number | null> {
  const next = (turn: number, done: number) => {
    const chunk = (scratch[turn % 2] as Buffer).subarray(0, most - done);
    return { chunk, isRead: by.read(chunk, done) };
  };
  let done = 0;
  let coming = next(0, 0);
  for (let turn = 1; done < most; turn++) {
    const { chunk, isRead } = coming;
    if (!(await isRead)) return null;
    const after = done + chunk.length;
    if (after < most) coming = next(turn, after);
    const same = by.same(chunk, done);
    done += same;
    if (same === chunk.length) continue;
    // Awaited, because its buffer is used again.
    if (after < most) await coming.isRead;
    break;
  }
  return done;
}

async function fill(handle: ByteSource, bytes: Buffer, from: number): Promise<boolean> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, from + at);
    if (bytesRead === 0) return false;
    at += bytesRead;
  }
  return true;
}
