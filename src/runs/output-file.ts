// Reads a file that a run wrote, from any place in it and in both directions, holding a block and a line at a time: the
// file may be large, may still grow, and may be cut short or removed meanwhile. Serves `logs` and the API.

import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { openRegular } from '../platform/regular-file.ts';

/** Read at a time, bytes. */
const BLOCK = 64 * 1024;
/** Of a longer line only this much of its beginning is kept, bytes. */
export const LONGEST_LINE = 4 * 1024 * 1024;
const LINE_FEED = 0x0a;

/** A line of output. */
export interface OutputLine {
  /** Where it begins, bytes. */
  readonly at: number;
  /** Where the next one begins. */
  readonly next: number;
  /** Without its line feed. Malformed UTF-8 becomes replacement characters. */
  readonly text: string;
  /** It ends with a line feed; only the last line of a file may not. */
  readonly whole: boolean;
}

/** Part of a file of output. */
export interface OutputWindow {
  /** The bytes from `from` to `to`. */
  readonly from: number;
  readonly to: number;
  /** Of the whole file, when it was read. */
  readonly size: number;
  readonly text: string;
}

/** An open file of output. Close it. */
export class OutputFile {
  readonly path: string;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Bytes that are there now. */
  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  /** Lines from a place that begins one, to the end of the file or to `end`. */
  async *linesFrom(start: number, end = Number.POSITIVE_INFINITY): AsyncGenerator<OutputLine> {
    const splitter = new LineSplitter(start);
    for (let at = start; at < end; ) {
      const block = await this.#read(at, Math.min(BLOCK, end - at));
      if (block.length === 0) break;
      at += block.length;
      yield* splitter.take(block);
    }
    const rest = splitter.rest();
    if (rest !== null) yield rest;
  }

  /** Lines before a place, the nearest first, as far as they begin after `start`. */
  async *linesBefore(end: number, start = 0): AsyncGenerator<OutputLine> {
    /** The line that begins in a block not read yet: its bytes so far, without line feed. */
    let held: Buffer = Buffer.alloc(0);
    let next = end;
    let whole = false;
    let beginsLine = false;
    for (let at = end; at > start; ) {
      const from = Math.max(start, at - BLOCK);
      const block = await this.#read(from, at - from);
      if (block.length < at - from) return;
      let stop = block.length;
      for (let feed = block.lastIndexOf(LINE_FEED); feed >= 0; ) {
        const line = joined(block.subarray(feed + 1, stop), held);
        const begin = from + feed + 1;
        if (beginsLine || begin < next) yield { at: begin, next, text: line.toString('utf8'), whole };
        held = Buffer.alloc(0);
        [next, whole, beginsLine, stop] = [begin, true, true, feed];
        feed = feed === 0 ? -1 : block.lastIndexOf(LINE_FEED, feed - 1);
      }
      held = joined(block.subarray(0, stop), held);
      at = from;
    }
    if (next > 0 && start === 0) yield { at: 0, next, text: held.toString('utf8'), whole };
  }

  /** At most `maxBytes` from a place, or, with `before`, up to it. Never cuts a character in two where there is room. */
  async window(
    place: { readonly from: number } | { readonly before: number },
    maxBytes: number,
  ): Promise<OutputWindow> {
    const size = await this.size();
    const end = 'before' in place ? Math.min(place.before, size) : Math.min(size, place.from + maxBytes);
    const from = 'before' in place ? Math.max(0, end - maxBytes) : Math.min(place.from, size);
    const bytes = await this.#read(from, Math.max(0, end - from));
    const skipped = from === 0 || !('before' in place) ? 0 : continuationBytes(bytes);
    const cut = from + bytes.length < size ? bytes.length - unfinishedBytes(bytes) : bytes.length;
    const to = cut > skipped ? cut : bytes.length;
    return {
      from: from + skipped,
      to: from + to,
      size,
      text: bytes.subarray(skipped, to).toString('utf8'),
    };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #read(at: number, length: number): Promise<Buffer> {
    const block = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(block, done, length - done, at + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return block.subarray(0, done);
  }
}

/** The file, or null when there is none. Throws SupervisorError `graph` for what is no regular file. */
export async function openOutputFile(path: string): Promise<OutputFile | null> {
  const handle = await openRegular(path, constants.O_RDONLY);
  return handle === null ? null : new OutputFile(path, handle);
}

/** Cuts blocks that follow each other into lines. */
export class LineSplitter {
  #held: Buffer = Buffer.alloc(0);
  #begin: number;
  #end: number;

  /** `start`: where the first block begins in the file. */
  constructor(start: number) {
    this.#begin = start;
    this.#end = start;
  }

  /** The lines that this block ends. */
  *take(block: Buffer): Generator<OutputLine> {
    let from = 0;
    for (let feed = block.indexOf(LINE_FEED); feed >= 0; feed = block.indexOf(LINE_FEED, from)) {
      const line = joined(this.#held, block.subarray(from, feed));
      const next = this.#end + feed + 1;
      const at = this.#begin;
      this.#held = Buffer.alloc(0);
      this.#begin = next;
      from = feed + 1;
      yield { at, next, text: line.toString('utf8'), whole: true };
    }
    this.#held = joined(this.#held, block.subarray(from));
    this.#end += block.length;
  }

  /** The line that no line feed has ended yet, null when there is none. */
  rest(): OutputLine | null {
    if (this.#end === this.#begin) return null;
    return { at: this.#begin, next: this.#end, text: this.#held.toString('utf8'), whole: false };
  }
}

/** Both, as far as a line is kept; a copy, because blocks are larger than what is kept of them. */
function joined(first: Buffer, second: Buffer): Buffer {
  if (second.length === 0 || first.length >= LONGEST_LINE) return first.subarray(0, LONGEST_LINE);
  if (first.length === 0) return Buffer.from(second.subarray(0, LONGEST_LINE));
  return Buffer.concat([first, second.subarray(0, LONGEST_LINE - first.length)]);
}

/** Bytes at the beginning that belong to a character before it. */
function continuationBytes(bytes: Buffer): number {
  let count = 0;
  while (count < 3 && count < bytes.length && ((bytes[count] ?? 0) & 0xc0) === 0x80) count++;
  return count;
}

/** Bytes at the end that begin a character and do not finish it. */
function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
