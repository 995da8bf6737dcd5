// What a run wrote from its beginning to its end: what its before_run printed, the agent's own output, what its after_run
// printed. Lines of hooks say so. With `raw` only the agent's bytes, as programs read them.

import { existsSync } from 'node:fs';
import { RUN_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import {
  HOOK_LIMIT_MS,
  type HookName,
  hookLog,
  hookRecord,
  hookState,
} from '../executors/process/hooks/hook-files.ts';
import { readText } from '../platform/regular-file.ts';
import { outputFiles, type ReadingOptions, RunOutput, type ShownLine } from './run-output.ts';

/** One source of lines. It is opened once there is a file. */
interface Part {
  readonly hook: HookName | null;
  open(): Promise<RunOutput | null>;
  output: RunOutput | null;
  /** Of the lines that do not say when they were written, ms. */
  at: number | null;
}

interface OpenPart {
  readonly part: Part;
  readonly output: RunOutput;
  /** Nothing of it was read yet. */
  readonly isNew: boolean;
  /** No other one follows it. */
  readonly isLast: boolean;
}

export class WholeOutput {
  readonly #folder: string;
  readonly #options: ReadingOptions;
  readonly #parts: readonly Part[];
  readonly #agent: Part;

  constructor(folder: string, options: ReadingOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#agent = {
      hook: null,
      output: null,
      at: null,
      open: async () => {
        const files = outputFiles(folder, options.raw);
        return files === null ? null : new RunOutput(files, options);
      },
    };
    this.#parts = options.raw
      ? [this.#agent]
      : [this.#hook('before_run'), this.#agent, this.#hook('after_run')];
  }

  /** The file that says most now; null: nothing was written. */
  get file(): string | null {
    const files = outputFiles(this.#folder, this.#options.raw);
    if (files !== null || this.#options.raw) return files?.main ?? null;
    const logs = (['before_run', 'after_run'] as const).map((name) => hookLog(this.#folder, name));
    return logs.find((log) => existsSync(log)) ?? null;
  }

  /** `since` was asked for, and no line of the agent says when it was written. */
  get lacksTimes(): boolean {
    return this.#agent.output?.lacksTimes ?? false;
  }

  /** Its after_run is under way: it began, did not end, and no supervisor that was killed in it is to blame. */
  async isInAfterRun(now: number): Promise<boolean> {
    const at = await startOf(this.#folder, 'after_run');
    if (at === null || now > at + 2 * HOOK_LIMIT_MS) return false;
    return (await hookState(this.#folder, 'after_run')) === 'begun';
  }

  /** What is there, from where the options say; with `onlyWhole` an unfinished line at the end is left to `more`. */
  async *present({ onlyWhole = false } = {}): AsyncGenerator<ShownLine> {
    const { lines } = this.#options;
    const open = await this.#opened();
    const read = ({ part, output, isLast }: OpenPart, most = lines) =>
      shown(part, output.present({ onlyWhole: onlyWhole && isLast, most }), isLast);
    if (lines === null) {
      for (const each of open) yield* read(each);
      return;
    }
    // The last lines of all of them together.
    const found: ShownLine[][] = [];
    let left = lines;
    for (const each of open.toReversed()) {
      const end: ShownLine[] = [];
      for await (const line of read(each, left)) end.push(line);
      left -= end.length;
      found.unshift(end);
    }
    yield* found.flat();
  }

  /** What came since; whole lines, and with `over` the unfinished one. */
  async *more(over: boolean): AsyncGenerator<ShownLine> {
    for (const { part, output, isNew, isLast } of await this.#opened()) {
      const isComplete = over || !isLast;
      const lines = isNew ? output.present({ onlyWhole: !isComplete }) : output.more(isComplete);
      yield* shown(part, lines, isLast);
    }
  }

  /** The parts that have a file by now. */
  async #opened(): Promise<readonly OpenPart[]> {
    const open: Omit<OpenPart, 'isLast'>[] = [];
    for (const part of this.#parts) {
      const isNew = part.output === null;
      part.output ??= await part.open();
      if (part.output !== null) open.push({ part, output: part.output, isNew });
    }
    return open.map((each, n) => ({ ...each, isLast: n === open.length - 1 }));
  }

  #hook(name: HookName): Part {
    const log = hookLog(this.#folder, name);
    const part: Part = {
      hook: name,
      output: null,
      at: null,
      open: async () => {
        if (!existsSync(log)) return null;
        part.at = await startOf(this.#folder, name);
        const { since } = this.#options;
        const isLater = since !== null && part.at !== null && part.at >= since;
        const options = isLater ? { ...this.#options, since: null } : this.#options;
        return new RunOutput({ main: log, errors: null, isStream: false }, options);
      },
    };
    return part;
  }
}

/** Lines of a part as they are shown; none of a part that another one follows stays unfinished. */
async function* shown(
  { hook, at }: Part,
  lines: AsyncGenerator<ShownLine>,
  isLast: boolean,
): AsyncGenerator<ShownLine> {
  for await (const line of lines) {
    const whole = line.whole || !isLast;
    yield hook === null ? { ...line, whole } : { text: `[${hook}] ${line.text}`, at: line.at ?? at, whole };
  }
}

async function startOf(folder: string, name: HookName): Promise<number | null> {
  try {
    const text = await readText(hookRecord(folder, name), { maxBytes: RUN_FILE_MAX_BYTES });
    const start: unknown = JSON.parse(text ?? 'null')?.started_at;
    return typeof start === 'number' ? start : null;
  } catch {
    return null;
  }
}
