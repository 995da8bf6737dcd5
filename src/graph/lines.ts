// The lines of a graph file as places in its bytes, and which of them are the same as before. Knows bytes and what
// one line was read as; nothing of the file they came from.

import { isUtf8 } from 'node:buffer';
import type { Task } from '../domain/task.ts';
import { type LineFault, readLine } from './strict.ts';
import { taskOf } from './task-fields.ts';

/** One line: where it stands, without its `\n`, and what it was read as. */
export interface GraphLine {
  readonly offset: number;
  readonly length: number;
  /** Id of the task or resource; null for blank lines, comments, legacy actors and lines that do not load. */
  readonly id: string | null;
  readonly task: Task | null;
  readonly fault: (LineFault & { readonly code: 'invalid-line' | 'too-large' }) | null;
}

const NEWLINE = 10;

/** Splits and reads `bytes`. Lines that `previous` already had, wherever they stood, are not read again. */
export function linesOf(
  bytes: Buffer,
  maxLineBytes: number,
  previous: { readonly bytes: Buffer; readonly lines: readonly GraphLine[] } | undefined,
): readonly GraphLine[] {
  if (previous === undefined) {
    const found: GraphLine[] = [];
    const valid = isUtf8(bytes);
    eachLine(bytes, 0, bytes.length, (offset, length) => {
      found.push(readAt(bytes, offset, length, maxLineBytes, valid));
    });
    return found;
  }
  return reusingLines(bytes, maxLineBytes, previous.bytes, previous.lines);
}

function reusingLines(
  bytes: Buffer,
  maxLineBytes: number,
  old: Buffer,
  oldLines: readonly GraphLine[],
): readonly GraphLine[] {
  const shorter = Math.min(bytes.length, old.length);
  const same = commonStart(bytes, old, shorter);
  // A line belongs to the common start only with its line end: without it, it may have grown.
  let head = 0;
  while (head < oldLines.length && endOf(oldLines[head]) < same) head++;
  const headBytes = head === 0 ? 0 : endOf(oldLines[head - 1]) + 1;
  const shift = bytes.length - old.length;
  const sameEnd = commonEnd(bytes, old, shorter - headBytes);
  let tail = oldLines.length;
  while (tail > head && (oldLines[tail - 1]?.offset ?? 0) - 1 >= old.length - sameEnd) tail--;
  const tailBytes = tail === oldLines.length ? bytes.length : (oldLines[tail]?.offset ?? 0) + shift;

  const found = oldLines.slice(0, head);
  const index = indexByContent(old, oldLines, head, tail);
  eachLine(bytes, headBytes, tailBytes, (offset, length) => {
    const known = index.get(contentHash(bytes, offset, length))?.find((line) => {
      const end = line.offset + line.length;
      return line.length === length && bytes.compare(old, line.offset, end, offset, offset + length) === 0;
    });
    found.push(
      known === undefined ? readAt(bytes, offset, length, maxLineBytes, false) : moved(known, offset),
    );
  });
  for (const line of oldLines.slice(tail)) found.push(moved(line, line.offset + shift));
  return found;
}

/** Calls `take` for every line between two offsets that are line starts. A last line end starts no further line. */
function eachLine(
  bytes: Buffer,
  from: number,
  to: number,
  take: (offset: number, length: number) => void,
): void {
  let offset = from;
  while (offset < to) {
    const found = bytes.indexOf(NEWLINE, offset);
    const end = found < 0 || found >= to ? to : found;
    take(offset, end - offset);
    offset = end + 1;
  }
}

function readAt(bytes: Buffer, offset: number, length: number, maxBytes: number, valid: boolean): GraphLine {
  const nothing = { offset, length, id: null, task: null, fault: null };
  if (length > maxBytes) {
    const message = `the line is ${megabytes(length)} long, at most ${megabytes(maxBytes)} are read`;
    return { ...nothing, fault: { code: 'too-large', message } };
  }
  if (!valid && !isUtf8(bytes.subarray(offset, offset + length)))
    return { ...nothing, fault: { code: 'invalid-line', message: 'the line is not valid UTF-8' } };
  const reading = readLine(bytes.toString('utf8', offset, offset + length));
  switch (reading.kind) {
    case 'skip':
      return nothing;
    case 'resource':
      return { ...nothing, id: reading.id };
    case 'task': {
      const task = taskOf(reading.fields, reading.priority);
      return { offset, length, id: task.id, task, fault: null };
    }
    case 'fault':
      return { ...nothing, fault: { code: 'invalid-line', ...reading.fault } };
  }
}

function moved(line: GraphLine, offset: number): GraphLine {
  return line.offset === offset ? line : { ...line, offset };
}

function endOf(line: GraphLine | undefined): number {
  return line === undefined ? 0 : line.offset + line.length;
}

const STRIDE = 65536;

function commonStart(a: Buffer, b: Buffer, max: number): number {
  let at = 0;
  while (at < max) {
    const end = Math.min(at + STRIDE, max);
    if (a.compare(b, at, end, at, end) !== 0) break;
    at = end;
  }
  while (at < max && a[at] === b[at]) at++;
  return at;
}

function commonEnd(a: Buffer, b: Buffer, max: number): number {
  let count = 0;
  while (count < max) {
    const next = Math.min(count + STRIDE, max);
    if (a.compare(b, b.length - next, b.length - count, a.length - next, a.length - count) !== 0) break;
    count = next;
  }
  while (count < max && a[a.length - 1 - count] === b[b.length - 1 - count]) count++;
  return count;
}

/** A crowd of lines that look alike is not searched to its end; reading such a line anew is only slower. */
const CROWD = 16;

function indexByContent(
  bytes: Buffer,
  lines: readonly GraphLine[],
  from: number,
  to: number,
): Map<number, GraphLine[]> {
  const index = new Map<number, GraphLine[]>();
  for (let i = from; i < to; i++) {
    const line = lines[i];
    if (line === undefined) continue;
    const hash = contentHash(bytes, line.offset, line.length);
    const alike = index.get(hash);
    if (alike === undefined) index.set(hash, [line]);
    else if (alike.length < CROWD) alike.push(line);
  }
  return index;
}

/** Cheap and only a hint: the first bytes (where ids stand), the last ones, and a sample between. */
function contentHash(bytes: Buffer, offset: number, length: number): number {
  let hash = length | 0;
  const end = offset + length;
  const headEnd = Math.min(offset + 96, end);
  for (let i = offset; i < headEnd; i++) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  for (let i = headEnd; i < end; i += 13) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  for (let i = Math.max(headEnd, end - 32); i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  return hash;
}

/** A size in words: `50 MB`, `1.4 kB`. */
export function megabytes(bytes: number): string {
  if (bytes >= 1e6) return `${Number((bytes / 1e6).toFixed(1))} MB`;
  if (bytes >= 1000) return `${Number((bytes / 1000).toFixed(1))} kB`;
  return `${bytes} bytes`;
}
