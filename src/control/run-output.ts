// A window of what a run wrote: by position, never more than asked for, whole lines where there are any. Seeks, so that
// the end of a huge file costs no more than that of a small one.

import { constants, lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { OutputReport } from '../domain/overview.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import { streamLine } from '../executors/process/stream-line.ts';
import { plainLines } from '../platform/plain-text.ts';
import { openRegular } from '../platform/regular-file.ts';

/** Which bytes. */
export interface OutputWindow {
  /** From here on; absent: the end of the file. */
  readonly from?: number;
  /** The bytes that end here, instead. */
  readonly before?: number;
  readonly bytes: number;
}

/** What stands for a piece of an agent's message that fits no window. */
const TOO_LONG = '… (a message too long to show)\n';

/** The window of a run's output. Throws `not-found` when it has written nothing, or its output is not kept any more. */
export async function outputOf(run: Run, window: OutputWindow): Promise<OutputReport> {
  const file = outputFile(run);
  const handle = await openRegular(file, constants.O_RDONLY);
  if (handle === null) throw nothingThere(run);
  try {
    const { size } = await handle.stat();
    const to = Math.min(size, window.before ?? size);
    const from =
      window.from === undefined ? Math.max(0, to - window.bytes) : Math.min(Math.max(0, window.from), size);
    const length = Math.min(window.bytes, (window.from === undefined ? to : size) - from);
    // One byte in front tells whether the window begins with a line.
    const lead = from > 0 ? 1 : 0;
    const block = Buffer.alloc(length + lead);
    let read = 0;
    while (read < block.length) {
      const { bytesRead } = await handle.read(block, read, block.length - read, from - lead + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    const over = !isOpenRun(run) || run.finishedAt !== null;
    const bytes = block.subarray(lead, read);
    const beginsLine = lead === 0 || block[0] === 0x0a || window.from !== undefined;
    const endsThere = from + bytes.length >= size && over;
    const isLast = endsThere || window.before !== undefined;
    const hasBreak = bytes.includes(0x0a);
    // The beginning of a line that is still being written is no line yet.
    const isBegun = !isLast && !hasBreak && bytes.length < window.bytes;
    const [skip, keep] = isBegun ? [0, 0] : wholeLines(bytes, beginsLine, isLast);
    const text = bytes.subarray(skip, keep).toString('utf8');
    const isCut = !hasBreak && !endsThere && text !== '';
    return {
      run: run.id,
      file,
      size,
      from: from + skip,
      to: from + keep,
      text: !file.endsWith('.jsonl') ? plainLines(text) : isCut ? TOO_LONG : streamText(text),
      over,
    };
  } finally {
    await handle.close();
  }
}

/** Where the whole lines begin and end; a line that is longer than the window is cut at a character. */
function wholeLines(bytes: Buffer, beginsLine: boolean, endsThere: boolean): [number, number] {
  const firstBreak = bytes.indexOf(0x0a);
  const lastBreak = bytes.lastIndexOf(0x0a);
  let skip = beginsLine || firstBreak < 0 || firstBreak === bytes.length - 1 ? 0 : firstBreak + 1;
  let keep = endsThere || lastBreak < skip ? bytes.length : lastBreak + 1;
  while (skip < keep && isContinuation(bytes[skip])) skip++;
  if (!endsThere && keep === bytes.length && lastBreak < skip) keep = endOfCharacter(bytes, keep);
  return [skip, Math.max(skip, keep)];
}

const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;

/** The end of the last character that is whole. */
function endOfCharacter(bytes: Buffer, end: number): number {
  let at = end - 1;
  while (at > 0 && end - at < 4 && isContinuation(bytes[at])) at--;
  const lead = bytes[at] ?? 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return at + length > end ? at : end;
}

function streamText(text: string): string {
  return text
    .split('\n')
    .map(streamLine)
    .filter((line) => line !== null)
    .map((line) => `${line}\n`)
    .join('');
}

/** An agent's own stream says most; else what it printed. */
function outputFile(run: Run): string {
  if (run.folder === null) throw nothingThere(run);
  const stream = join(run.folder, 'raw_stream.jsonl');
  const output = join(run.folder, 'output.log');
  const folder = dirname(output);
  const found = [stream, output].find((file) => (lstatSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0);
  if (found !== undefined) return found;
  if (lstatSync(folder, { throwIfNoEntry: false })) return output;
  throw nothingThere(run);
}

function nothingThere(run: Run): SupervisorError {
  return run.startedAt === null
    ? new SupervisorError('not-found', `${run.id} has written nothing yet`, {
        hint: 'ask again when it has started',
      })
    : new SupervisorError('not-found', `the output of ${run.id} is not kept any more`, {
        hint: '`[retention] output` in supervisor.toml says how long it is',
      });
}
