// A window of what a run wrote: by position, never more than asked for, in whole lines if there are any. Seeks, so that
// the end of a huge file costs no more than that of a small one.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { OutputReport } from '../../domain/overview.ts';
import { isOpenRun, type Run } from '../../domain/run.ts';
import { streamLine } from '../../executors/process/clis/stream-line.ts';
import { type HookName, hookLog } from '../../executors/process/hooks/hook-files.ts';
import { plainLines } from '../../platform/plain-text.ts';
import { type OutputFile, openOutputFile } from '../../runs/output-file.ts';

/** Which bytes. */
export interface OutputWindow {
  /** Of what a hook printed, instead of the agent's own. */
  readonly of?: HookName;
  /** From here on; absent: the end of the file. */
  readonly from?: number;
  /** The bytes that end here, instead. */
  readonly before?: number;
  readonly bytes: number;
}

/** Bytes of a file, with their text; `isPiece`: of a line that is longer than the window. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly isPiece: boolean;
}

/** What stands for a piece of an agent's message that fits no window. */
const TOO_LONG = '… (a message too long to show)\n';

/** The window of a run's output; an empty one without a file if it wrote nothing, or nothing is kept any more. */
export async function outputOf(run: Run, window: OutputWindow): Promise<OutputReport> {
  const { of } = window;
  const over = isOver(run, of);
  const path = of === undefined ? outputFile(run) : run.folder && hookLog(run.folder, of);
  const file = path === null ? null : await openOutputFile(path);
  if (path === null || file === null)
    return { run: run.id, file: null, size: 0, from: 0, to: 0, text: '', over };
  try {
    const size = await file.size();
    const { from } = window;
    const part =
      from === undefined
        ? await endingAt(file, Math.min(size, window.before ?? size), window.bytes, size, over)
        : await beginningAt(file, Math.min(from, size), window.bytes, size, over);
    return { run: run.id, file: path, size, from: part.from, to: part.to, text: readable(part, path), over };
  } finally {
    await file.close();
  }
}

async function beginningAt(
  file: OutputFile,
  from: number,
  bytes: number,
  size: number,
  over: boolean,
): Promise<Part> {
  const end = Math.min(size, from + bytes);
  let [to, text] = [from, ''];
  for await (const line of file.linesFrom(from, end)) {
    // It is still being written, or goes beyond the window.
    if (!line.whole && !(over && line.next >= size)) break;
    text += line.whole ? `${line.text}\n` : line.text;
    to = line.next;
  }
  if (to > from || end >= size) return { from, to, text, isPiece: false };
  return { ...(await file.window({ from }, bytes)), isPiece: true };
}

async function endingAt(
  file: OutputFile,
  end: number,
  bytes: number,
  size: number,
  over: boolean,
): Promise<Part> {
  let [from, to, text] = [end, end, ''];
  for await (const line of file.linesBefore(end, Math.max(0, end - bytes))) {
    from = line.at;
    if (!line.whole && !over && line.next >= size) to = line.at;
    else text = (line.whole ? `${line.text}\n` : line.text) + text;
  }
  if (from < end || end === 0) return { from, to, text, isPiece: false };
  return { ...(await file.window({ before: end }, bytes)), isPiece: true };
}

function readable({ text, isPiece }: Part, path: string): string {
  if (!path.endsWith('.jsonl')) return plainLines(text);
  if (isPiece) return TOO_LONG;
  const lines = text.split('\n').map(streamLine);
  return lines
    .filter((line) => line !== null)
    .map((line) => `${line}\n`)
    .join('');
}

/** Nothing more is written; before_run writes only before the agent starts. */
function isOver(run: Run, of: HookName | undefined): boolean {
  if (!isOpenRun(run) || run.finishedAt !== null) return true;
  return of === 'before_run' && run.phase !== 'opened' && run.phase !== 'claimed';
}

/** An agent's own stream says most; else what it printed. Null if there is neither. */
function outputFile(run: Run): string | null {
  if (run.folder === null) return null;
  const files = ['raw_stream.jsonl', 'output.log'].map((name) => join(run.folder ?? '', name));
  return files.find((file) => (lstatSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0) ?? null;
}
