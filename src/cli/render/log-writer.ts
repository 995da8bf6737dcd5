// Writes the lines of one run or of several: with the task's name in front where there are several, with times where
// they are wished for, through the pager where it is long, or as JSON.

import { isoTime } from '../../platform/clock.ts';
import type { Context } from '../context.ts';
import type { ShownLine } from '../run-output.ts';
import { directOutput, pagedOutput } from './pager.ts';
import { plain } from './plain.ts';

/** Writes the output of one task. */
export interface LineWriter {
  /** A run begins. */
  begin(of: { readonly run: string | null; readonly file: string }): void;
  /** Resolves when there is room for more. */
  line(line: ShownLine): Promise<void>;
  /** For people, on stderr. */
  note(text: string): void;
}

export interface LogWriter {
  /** The writer of the n-th name. */
  of(n: number): LineWriter;
  /** Everything was written. */
  end(): Promise<void>;
}

interface LogShape {
  readonly names: readonly string[];
  readonly follow: boolean;
  readonly timestamps: boolean;
}

/** A writer for these names. JSON is one document, or with `follow` one object per line. `onQuit`: the reader is gone. */
export function logWriter(context: Context, shape: LogShape, onQuit: () => void): LogWriter {
  if (context.json) return shape.follow ? jsonLines(context, shape) : jsonDocument(context, shape);
  const paged = shape.follow ? directOutput(context) : pagedOutput(context, onQuit);
  const width = Math.max(...shape.names.map((name) => plain(name).length));
  return {
    of(n) {
      const name = plain(shape.names[n] ?? '').padEnd(width);
      const prefix = shape.names.length > 1 ? `${context.paint.faint(`${name} |`)} ` : '';
      const time = ({ at }: ShownLine) =>
        shape.timestamps ? `${context.paint.faint(at === null ? '-'.padEnd(24) : isoTime(at))} ` : '';
      // Of several runs, no unfinished line may be continued by another's.
      const endsOpen = ({ whole }: ShownLine) => !whole && shape.follow && prefix === '';
      return {
        begin: () => {},
        line: (line) => paged.write(`${prefix}${time(line)}${line.text}${endsOpen(line) ? '' : '\n'}`),
        note: (text) => context.note(`supervisor: ${text}`),
      };
    },
    end: () => paged.end(),
  };
}

function jsonLines(context: Context, shape: LogShape): LogWriter {
  return {
    of(n) {
      let run: string | null = null;
      return {
        begin: (of) => {
          run = of.run;
        },
        line: async ({ text, at }) =>
          context.out(
            `${JSON.stringify({ task: shape.names[n], run, at: at === null ? null : isoTime(at), line: text })}\n`,
          ),
        note: (text) => context.note(`supervisor: ${text}`),
      };
    },
    end: async () => {},
  };
}

/** Written as it is read: the output may be larger than what is to be held. */
function jsonDocument(context: Context, shape: LogShape): LogWriter {
  const several = shape.names.length > 1;
  let isFirstLine = true;
  let isOpen = false;
  const close = () => {
    if (isOpen) context.out(isFirstLine ? ']\n}' : '\n]\n}');
    isOpen = false;
  };
  return {
    of: (n) => ({
      begin({ run, file }) {
        const lead = several ? (isOpen ? ',\n' : '[\n') : '';
        close();
        const head = { ...(several ? { task: shape.names[n] } : {}), run, file };
        context.out(`${lead}${JSON.stringify(head).slice(0, -1)},"lines":[`);
        isFirstLine = true;
        isOpen = true;
      },
      async line({ text, at }) {
        const value = shape.timestamps ? { at: at === null ? null : isoTime(at), line: text } : text;
        context.out(`${isFirstLine ? '\n' : ',\n'}${JSON.stringify(value)}`);
        isFirstLine = false;
      },
      note: (text) => context.note(`supervisor: ${text}`),
    }),
    async end() {
      if (!isOpen) return;
      close();
      context.out(several ? '\n]\n' : '\n');
    },
  };
}
