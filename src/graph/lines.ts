// The lines of a graph file: where each begins in the text, what each was read as, and which of them are unchanged.
// Knows bytes and single lines; nothing of the file they came from.

import { isAscii, isUtf8 } from 'node:buffer';
import type { Steps } from '../domain/steps.ts';
import type { Task } from '../domain/task.ts';
import type { PieceTable } from './piece-table.ts';
import { taskOf } from './task-fields.ts';
import { type LineFault, readLine } from './wg-validation.ts';

/** What one line was read as. */
export interface GraphLine {
  /** Id of the task or resource; null for blank lines, comments, lines of other kinds and lines that do not load. */
  readonly id: string | null;
  readonly task: Task | null;
  /** The final status of the archived task that this line stands for. */
  readonly archived?: string;
  readonly fault: (LineFault & { readonly code: 'invalid-line' | 'too-large' }) | null;
}

/** Every line of a text. */
export interface Lines {
  readonly all: readonly GraphLine[];
  /** Where each line begins; one more at the end, where the next would begin. A line extends to the next. */
  readonly starts: Float64Array;
}

/** A text that replaces an earlier one, with the number of bytes they share at the start and at the end. */
export interface TextChange {
  readonly before: { readonly text: PieceTable; readonly lines: Lines };
  readonly text: PieceTable;
  readonly sameStart: number;
  readonly sameEnd: number;
}

/** Which lines of an earlier text became which of this one: all before `from` and after `to` are unchanged. */
export interface LinesChange {
  readonly lines: Lines;
  readonly from: number;
  /** In the earlier text. */
  readonly oldTo: number;
  /** In this one. */
  readonly to: number;
}

const NEWLINE = 10;
const BLANK: GraphLine = { id: null, task: null, fault: null };
/** Lines read between two yields to the event loop. */
const LINES_A_STEP = 32;

/** Reads every line of a text. */
export function* readLines(text: PieceTable, maxLineBytes: number): Steps<Lines> {
  const all: GraphLine[] = [];
  const starts: number[] = [];
  const plain = plainText(text);
  if (plain === null)
    for (const { start, content } of contentsOf(text, 0, text.length)) {
      starts.push(start);
      all.push(readContent(content, maxLineBytes));
      if (all.length % LINES_A_STEP === 0) yield;
    }
  else
    for (let start = 0; start < plain.length; ) {
      const found = plain.indexOf('\n', start);
      const end = found < 0 ? plain.length : found;
      starts.push(start);
      all.push(
        end - start > maxLineBytes ? tooLong(end - start, maxLineBytes) : readText(plain.slice(start, end)),
      );
      if (all.length % LINES_A_STEP === 0) yield;
      start = end + 1;
    }
  return { all, starts: Float64Array.from([...starts, text.length]) };
}

/**
 * Larger texts are split as bytes: making a string of them is slow, and one of more than a megabyte is allocated
 * outside the heap, where it stays until a full collection.
 */
const MAX_PLAIN_BYTES = 1_000_000;

/** The text as one string with one character per byte; cheaper to split. Null if it is not ASCII. */
function plainText(text: PieceTable): string | null {
  const [only, ...others] = text.parts(0, text.length);
  if (only === undefined || others.length > 0 || only.length > MAX_PLAIN_BYTES || !isAscii(only)) return null;
  return only.toString('latin1');
}

/** Reads the lines that changed. Lines that existed before, wherever they were, are not read again. */
export function* rereadLines(change: TextChange, maxLineBytes: number): Steps<LinesChange> {
  const { text, before } = change;
  const { starts, all } = before.lines;
  // A line belongs to the common start only with its line end: without it, it may have grown.
  const from = linesWithin(before, change.sameStart);
  // Nor to the common end without the preceding line end.
  const oldTo = Math.min(firstBehind(starts, before.text.length - change.sameEnd, from), all.length);
  const shift = text.length - before.text.length;
  const end = oldTo === all.length ? text.length : (starts[oldTo] ?? 0) + shift;

  const known = new KnownLines(before.text, before.lines, from, oldTo);
  const fresh: GraphLine[] = [];
  const freshStarts: number[] = [];
  for (const { start, content } of contentsOf(text, starts[from] ?? 0, end)) {
    freshStarts.push(start);
    fresh.push((yield* known.find(content)) ?? readContent(content, maxLineBytes));
    if (fresh.length % LINES_A_STEP === 0) yield;
  }
  const to = from + fresh.length;
  const moved = new Float64Array(to + all.length - oldTo + 1);
  moved.set(starts.subarray(0, from));
  moved.set(freshStarts, from);
  for (let i = oldTo; i < all.length; i++) moved[to + i - oldTo] = (starts[i] ?? 0) + shift;
  moved[moved.length - 1] = text.length;
  return { lines: { all: replaced(all, from, oldTo, fresh), starts: moved }, from, oldTo, to };
}

/** The lines with some in the middle replaced by others. */
function replaced(
  all: readonly GraphLine[],
  from: number,
  to: number,
  fresh: readonly GraphLine[],
): readonly GraphLine[] {
  if (fresh.length !== to - from) return [...all.slice(0, from), ...fresh, ...all.slice(to)];
  const copy = all.slice();
  for (let i = 0; i < fresh.length; i++) copy[from + i] = fresh[i] ?? BLANK;
  return copy;
}

/** The bytes of a line without its line end. */
export function bytesOfLine(text: PieceTable, { starts }: Lines, index: number): Buffer {
  const bytes = text.slice(starts[index] ?? 0, starts[index + 1] ?? 0);
  return bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : bytes;
}

interface LineContent {
  readonly start: number;
  /** Without its line end. */
  readonly content: Buffer;
}

/** The lines between two offsets, of which the first begins a line. A final line end starts no further line. */
function* contentsOf(text: PieceTable, from: number, to: number): Generator<LineContent> {
  let start = from;
  let begun: Buffer[] = [];
  for (const part of text.parts(from, to)) {
    let at = 0;
    for (let end = part.indexOf(NEWLINE); end >= 0; end = part.indexOf(NEWLINE, at)) {
      const rest = part.subarray(at, end);
      const content = begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      yield { start, content };
      start += content.length + 1;
      begun = [];
      at = end + 1;
    }
    if (at < part.length) begun.push(part.subarray(at));
  }
  if (begun.length > 0) yield { start, content: Buffer.concat(begun) };
}

/** How many complete lines, with line ends, are in the first bytes of a text. */
function linesWithin({ text, lines: { all, starts } }: TextChange['before'], bytes: number): number {
  const count = firstBehind(starts, bytes, 0) - 1;
  if (count < all.length || count === 0) return count;
  return text.slice(text.length - 1, text.length)[0] === NEWLINE ? count : count - 1;
}

/** The first line from `from` on that begins after `at`. */
function firstBehind(starts: Float64Array, at: number, from: number): number {
  let low = from;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function readContent(content: Buffer, maxBytes: number): GraphLine {
  if (content.length > maxBytes) return tooLong(content.length, maxBytes);
  if (!isUtf8(content))
    return { ...BLANK, fault: { code: 'invalid-line', message: 'the line is not valid UTF-8' } };
  return readText(content.toString('utf8'));
}

function tooLong(bytes: number, maxBytes: number): GraphLine {
  const message = `the line is ${megabytes(bytes)} long, at most ${megabytes(maxBytes)} are read`;
  return { ...BLANK, fault: { code: 'too-large', message } };
}

function readText(line: string): GraphLine {
  const reading = readLine(line);
  switch (reading.kind) {
    case 'skip':
    case 'other':
      return BLANK;
    case 'archived':
      return { ...BLANK, id: reading.id, archived: reading.status };
    case 'resource':
      return { ...BLANK, id: reading.id };
    case 'task': {
      const task = taskOf(reading.fields, reading.priority);
      return { id: task.id, task, fault: null };
    }
    case 'fault':
      return { ...BLANK, fault: { code: 'invalid-line', ...reading.fault } };
  }
}

/** A long chain of similar lines is not searched to its end; reading such a line again is only slower. */
const CROWD = 16;

/** Lines of an earlier text, looked up by their bytes. Most are still in order. */
class KnownLines {
  readonly #text: PieceTable;
  readonly #lines: Lines;
  readonly #from: number;
  readonly #to: number;
  /** The line that is expected next. */
  #next: number;
  #byContent: Map<number, number[]> | null = null;

  constructor(text: PieceTable, lines: Lines, from: number, to: number) {
    this.#text = text;
    this.#lines = lines;
    this.#from = from;
    this.#to = to;
    this.#next = from;
  }

  *find(content: Buffer): Steps<GraphLine | undefined> {
    if (this.#from >= this.#to) return undefined;
    if (!this.#is(this.#next, content)) {
      this.#byContent ??= yield* this.#index();
      const alike = this.#byContent.get(contentHash(content)) ?? [];
      const found = alike.find((index) => this.#is(index, content));
      // Most likely one line replaced another.
      if (found === undefined) {
        this.#next++;
        return undefined;
      }
      this.#next = found;
    }
    return this.#lines.all[this.#next++];
  }

  #is(index: number, content: Buffer): boolean {
    const { starts } = this.#lines;
    const length = (starts[index + 1] ?? 0) - (starts[index] ?? 0);
    if (index >= this.#to || length < content.length || length > content.length + 1) return false;
    return bytesOfLine(this.#text, this.#lines, index).equals(content);
  }

  *#index(): Steps<Map<number, number[]>> {
    const byContent = new Map<number, number[]>();
    for (let i = this.#from; i < this.#to; i++) {
      const hash = contentHash(bytesOfLine(this.#text, this.#lines, i));
      const alike = byContent.get(hash);
      if (alike === undefined) byContent.set(hash, [i]);
      else if (alike.length < CROWD) alike.push(i);
      if (i % LINES_A_STEP === 0) yield;
    }
    return byContent;
  }
}

/** Cheap, and only a hint: the first bytes (where ids are), the last ones, and a sample between. */
function contentHash(bytes: Buffer): number {
  const { length } = bytes;
  let hash = length | 0;
  const headEnd = Math.min(96, length);
  for (let i = 0; i < headEnd; i++) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  for (let i = headEnd; i < length; i += 13) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  for (let i = Math.max(headEnd, length - 32); i < length; i++)
    hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  return hash;
}

/** A size for display: `50 MB`, `1.4 kB`. */
export function megabytes(bytes: number): string {
  if (bytes >= 1e6) return `${Number((bytes / 1e6).toFixed(1))} MB`;
  if (bytes >= 1000) return `${Number((bytes / 1000).toFixed(1))} kB`;
  return `${bytes} bytes`;
}
