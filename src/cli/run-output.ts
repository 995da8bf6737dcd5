// What a run wrote, as lines that people read: Claude's stream made readable, else the output as it is. Reads from where
// it must, so that the last lines of a large file cost as much as those of a small one.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type OutputLine, openOutputFile } from '../runs/output-file.ts';
import { streamLine } from './render/claude-line.ts';
import { lineTime } from './render/line-time.ts';
import { plainLines } from './render/plain.ts';

/** The files that a run's folder has. */
export interface OutputFiles {
  readonly main: string;
  /** What the program wrote to stderr, shown in front; null where that is in `main`. */
  readonly errors: string | null;
  /** The main file is a stream of JSON that is made readable. */
  readonly isStream: boolean;
}

export interface ReadingOptions {
  /** The bytes as they were written. */
  readonly raw: boolean;
  /** Only this many at the end; null: all. */
  readonly lines: number | null;
  /** Only lines written since, ms; null: all. */
  readonly since: number | null;
}

/** One line as it is shown. */
export interface ShownLine {
  readonly text: string;
  /** When it was written, ms, as far as it says; lines that do not say have the time of the line before. */
  readonly at: number | null;
  /** False for the last line of a file that does not end with a line feed. */
  readonly whole: boolean;
}

/** The files of output in a run's folder, null when there is none. */
export function outputFiles(folder: string, raw: boolean): OutputFiles | null {
  const stream = join(folder, 'raw_stream.jsonl');
  const output = join(folder, 'output.log');
  const hasOutput = existsSync(output);
  if (existsSync(stream) && !raw) return { main: stream, errors: hasOutput ? output : null, isStream: true };
  if (hasOutput) return { main: output, errors: null, isStream: false };
  return existsSync(stream) ? { main: stream, errors: null, isStream: false } : null;
}

/** How far it is looked for a first line with a time, bytes. */
const TIMES_BEGIN = 1024 * 1024;

export class RunOutput {
  readonly #files: OutputFiles;
  readonly #options: ReadingOptions;
  #at = 0;
  #time: number | null = null;
  #lacksTimes = false;

  constructor(files: OutputFiles, options: ReadingOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** `since` was asked for, and no line says when it was written. */
  get lacksTimes(): boolean {
    return this.#lacksTimes;
  }

  /** What is there, from where the options say, at most `most` lines; with `onlyWhole` an unfinished line is left to `more`. */
  async *present({
    onlyWhole = false,
    most = this.#options.lines,
  }: {
    readonly onlyWhole?: boolean;
    readonly most?: number | null;
  } = {}): AsyncGenerator<ShownLine> {
    const { errors, main, isStream } = this.#files;
    const { since } = this.#options;
    const show = this.#show();
    const first = await beginningOf(main, show, most, since);
    if (first.lacksTimes) this.#lacksTimes = since !== null;
    const left = most === null ? null : most - first.count;
    if (errors !== null && isStream && since === null && left !== 0) {
      const before = await beginningOf(errors, plainLine, left, null);
      yield* this.#read(errors, before, plainLine, { endLine: true });
    }
    yield* this.#read(main, first, show, { onlyWhole, remember: true });
  }

  /** What came since; whole lines, and with `over` the unfinished one. */
  async *more(over: boolean): AsyncGenerator<ShownLine> {
    const { main } = this.#files;
    const file = await openOutputFile(main);
    if (file === null) return;
    try {
      const size = await file.size();
      // A file that shrank was started again.
      if (size < this.#at) this.#at = 0;
    } finally {
      await file.close();
    }
    yield* this.#read(main, { at: this.#at, skip: 0 }, this.#show(), { onlyWhole: !over, remember: true });
  }

  #show(): (line: string) => string | null {
    if (this.#options.raw) return (line) => line;
    return this.#files.isStream ? streamLine : plainLine;
  }

  async *#read(
    path: string,
    { at, skip }: { readonly at: number; readonly skip: number },
    show: (line: string) => string | null,
    how: { readonly onlyWhole?: boolean; readonly remember?: boolean; readonly endLine?: boolean },
  ): AsyncGenerator<ShownLine> {
    const file = await openOutputFile(path);
    if (file === null) return;
    if (how.remember) this.#at = at;
    let toSkip = skip;
    try {
      for await (const line of file.linesFrom(at)) {
        if (!line.whole && how.onlyWhole) break;
        if (how.remember) this.#at = line.next;
        this.#time = lineTime(line.text) ?? this.#time;
        const shown = show(line.text);
        if (shown === null) continue;
        const parts = shown.split('\n');
        for (const [n, text] of parts.entries()) {
          if (toSkip-- > 0) continue;
          yield { text, at: this.#time, whole: line.whole || how.endLine === true || n < parts.length - 1 };
        }
      }
    } finally {
      await file.close();
    }
  }
}

const plainLine = (line: string) => plainLines(line);

interface Beginning {
  readonly at: number;
  /** Shown lines to leave out from there. */
  readonly skip: number;
  /** How many shown lines there are from there; 0 if not counted. */
  readonly count: number;
  readonly lacksTimes: boolean;
}

/** Where to begin so that this many lines are shown, and none from before `since`; found from the end of the file. */
async function beginningOf(
  path: string,
  show: (line: string) => string | null,
  lines: number | null,
  since: number | null,
): Promise<Beginning> {
  const all = { at: 0, skip: 0, count: 0, lacksTimes: false };
  if (lines === null && since === null) return all;
  const file = await openOutputFile(path);
  if (file === null) return all;
  try {
    const size = await file.size();
    let at = size;
    let count = 0;
    let sawTime = false;
    if (lines === 0) return { ...all, at: size };
    for await (const line of file.linesBefore(size)) {
      if (since !== null) {
        const time = lineTime(line.text);
        if (time !== null) sawTime = true;
        if (time !== null && time < since) break;
        if (!sawTime && size - line.at > TIMES_BEGIN) break;
      }
      at = line.at;
      count += shownCount(line, show);
      if (lines !== null && count >= lines)
        return { at, skip: count - lines, count: lines, lacksTimes: false };
    }
    if (since !== null && !sawTime) return { ...all, at: size, lacksTimes: true };
    return { at, skip: 0, count, lacksTimes: false };
  } finally {
    await file.close();
  }
}

function shownCount(line: OutputLine, show: (line: string) => string | null): number {
  const shown = show(line.text);
  return shown === null ? 0 : shown.split('\n').length;
}
