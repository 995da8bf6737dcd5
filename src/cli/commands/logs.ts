// `supervisor logs TASK-or-RUN`: a run's output, read from its files, so that it works with and without a supervisor.

import { constants, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SupervisorError } from '../../domain/errors.ts';
import type { RunReport } from '../../domain/report.ts';
import { openRegular } from '../../platform/regular-file.ts';
import { taskQuery, type View, withView } from '../connect.ts';
import type { Context } from '../context.ts';
import { streamLine } from '../render/claude-line.ts';
import { page } from '../render/pager.ts';
import { plainLines } from '../render/plain.ts';

/** Flags of `logs`. */
export interface LogsOptions {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly raw?: boolean;
  readonly worktree?: string;
}

/** The files of one run. */
interface Output {
  /** Null for a run of another dispatcher. */
  readonly run: RunReport | null;
  readonly task: string;
  /** A worktree or graph folder of the task. */
  readonly place: string;
  readonly folder: string;
}

const FOLLOW_MS = 250;
/** How often a followed run is queried, in rounds: its exit file normally shows it sooner. */
const ASK_EVERY = 8;
const BLOCK = 64 * 1024;
/** Longer stream lines are cut, characters. */
const LONGEST_LINE = 4 * 1024 * 1024;

/** Prints the output of a run, or of a task's latest run. */
export async function logs(context: Context, name: string, options: LogsOptions): Promise<number> {
  const output = await withView(context, (view) => locateOutput(context, view, name, options.worktree));
  const reader = await openOutput(output, options.raw === true, name);
  if (context.json) {
    const text = await reader.rest();
    context.outJson({
      run: output.run?.run ?? null,
      file: reader.file,
      lines: lastLines(text, options.lines),
    });
    return 0;
  }
  const text = lastLines(await reader.rest(), options.lines)
    .map((line) => `${line}\n`)
    .join('');
  if (!options.follow) {
    await page(context, text);
    return 0;
  }
  context.out(text);
  const ending = new AbortController();
  const offs = [context.onSignal('SIGINT', () => ending.abort()), context.onClosedPipe(() => ending.abort())];
  try {
    for (let round = 1; !ending.signal.aborted; round++) {
      // Checked before reading: then the reading contains everything up to its end.
      const over = await isOver(context, output, round % ASK_EVERY === 0);
      context.out(await reader.more());
      if (over) break;
      await context.clock.sleep(FOLLOW_MS, ending.signal);
    }
    context.out(reader.tail());
  } finally {
    for (const off of offs) off();
  }
  return 0;
}

/** The run of a run id or a task; for a task its latest run that has files. */
async function locateOutput(
  context: Context,
  view: View,
  name: string,
  worktree: string | undefined,
): Promise<Output> {
  if (/^run_[0-9A-Z]{26}$/.test(name)) {
    const run = (await view.runs({ limit: 10_000 })).find((candidate) => candidate.run === name);
    if (!run)
      throw new SupervisorError('not-found', `there is no run ${name}`, {
        hint: '`supervisor runs` lists them',
      });
    if (run.output === null) throw run.started_at === null ? nothingWritten(name) : notKept(name);
    return { run, task: run.task, place: run.worktree, folder: dirname(run.output) };
  }
  const task = await view.task(taskQuery(context, name, worktree));
  const run = task.runs.find((candidate) => candidate.output !== null);
  const where = { task: task.task, place: task.graph };
  if (run && run.output !== null) return { ...where, run, folder: dirname(run.output) };
  // wg's own agents keep the same files.
  const folder = task.assigned === null ? null : join(task.graph, 'agents', task.assigned);
  if (folder !== null && /^agent-\d+$/.test(task.assigned ?? '') && existsSync(folder))
    return { ...where, run: null, folder };
  const began = task.runs.some((candidate) => candidate.started_at !== null);
  throw began ? notKept(task.task) : nothingWritten(task.task);
}

function notKept(name: string): SupervisorError {
  return new SupervisorError('not-found', `the output of ${name} is not kept any more`, {
    hint: '`[retention] output` in supervisor.toml says how long it is',
  });
}

function nothingWritten(name: string): SupervisorError {
  return new SupervisorError('not-found', `${name} has written nothing yet`, {
    hint: `\`supervisor why ${name}\` says how it stands`,
  });
}

async function isOver(context: Context, output: Output, ask: boolean): Promise<boolean> {
  const { run, task, place, folder } = output;
  // The file is there from the start, and empty until the agent has exited.
  if ((statSync(join(folder, 'exit.json'), { throwIfNoEntry: false })?.size ?? 0) > 0) return true;
  if (run !== null && run.finished_at !== null) return true;
  if (!ask) return false;
  return withView(context, async (view) => {
    if (run === null) return (await view.task({ task, worktree: place })).status !== 'in-progress';
    const now = (await view.runs({ task, limit: 50 })).find((candidate) => candidate.run === run.run);
    return !now || now.finished_at !== null || now.outcome !== null;
  });
}

interface Reader {
  readonly file: string;
  /** The current content, whole lines and the unfinished one. */
  rest(): Promise<string>;
  /** What was added since, in whole lines. */
  more(): Promise<string>;
  /** The unfinished line. */
  tail(): string;
}

/** The most informative file: Claude's stream made readable, else the output as it is. */
async function openOutput({ folder }: Output, raw: boolean, name: string): Promise<Reader> {
  const stream = join(folder, 'raw_stream.jsonl');
  const output = join(folder, 'output.log');
  const readable = existsSync(stream) && !raw;
  if (!readable && !existsSync(output) && !existsSync(stream)) throw nothingWritten(name);
  if (!readable) {
    const file = existsSync(output) ? output : stream;
    return new LineReader(file, null, (line) => (raw ? line : plainLines(line)));
  }
  return new LineReader(stream, existsSync(output) ? output : null, streamLine);
}

class LineReader implements Reader {
  readonly file: string;
  readonly #errors: string | null;
  readonly #show: (line: string) => string | null;
  #at = 0;
  #pending = '';
  readonly #decoder = new TextDecoder();

  /** `errors`: a second file that is shown first, the program's stderr. */
  constructor(file: string, errors: string | null, show: (line: string) => string | null) {
    this.file = file;
    this.#errors = errors;
    this.#show = show;
  }

  async rest(): Promise<string> {
    const first = this.#errors === null ? '' : await new LineReader(this.#errors, null, plainLines).rest();
    const lines = await this.more();
    return `${first}${first !== '' && !first.endsWith('\n') ? '\n' : ''}${lines}${this.tail()}`;
  }

  async more(): Promise<string> {
    let text = '';
    const handle = await openRegular(this.file, constants.O_RDONLY);
    if (handle === null) return '';
    try {
      // A file that shrank was started again.
      if ((await handle.stat()).size < this.#at) {
        this.#at = 0;
        this.#pending = '';
      }
      const block = Buffer.allocUnsafe(BLOCK);
      for (;;) {
        const { bytesRead } = await handle.read(block, 0, BLOCK, this.#at);
        if (bytesRead === 0) break;
        this.#at += bytesRead;
        text += this.#take(this.#decoder.decode(block.subarray(0, bytesRead), { stream: true }));
      }
    } finally {
      await handle.close();
    }
    return text;
  }

  tail(): string {
    const line = this.#pending;
    this.#pending = '';
    return line === '' ? '' : (this.#show(line) ?? '');
  }

  #take(text: string): string {
    const lines = (this.#pending + text).split('\n');
    this.#pending = lines.pop() ?? '';
    if (this.#pending.length > LONGEST_LINE) this.#pending = this.#pending.slice(0, LONGEST_LINE);
    let shown = '';
    for (const line of lines) {
      const out = this.#show(line);
      if (out !== null) shown += `${out}\n`;
    }
    return shown;
  }
}

function lastLines(text: string, count: number | undefined): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return count === undefined ? lines : count === 0 ? [] : lines.slice(-count);
}
