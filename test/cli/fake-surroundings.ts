// The process as commands see it, with everything they write kept, and signals that a test sends.

import type { ProcessIo, Screen } from '../../src/cli/context.ts';
import { type Context, createContext, type GlobalOptions } from '../../src/cli/context.ts';
import type { Key } from '../../src/cli/monitor/state.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { systemClock } from '../../src/platform/clock.ts';

export interface FakeSurroundings extends ProcessIo {
  /** What was written so far. */
  readonly written: { out: string; err: string };
  send(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void;
  /** A key of the terminal: a letter as it is, others by name. */
  press(key: string): void;
  /** Resolves when stdout holds this text. */
  shows(text: string | RegExp): Promise<void>;
  /** Resolves when stderr holds this text. */
  notes(text: string): Promise<void>;
  readonly exits: number[];
}

export interface FakeOptions {
  readonly cwd?: string;
  readonly home?: string;
  readonly variables?: Record<string, string | undefined>;
  readonly stdin?: string;
  /** What a person answers, question by question. */
  readonly answers?: readonly string[];
  readonly isTTY?: boolean;
  /** The terminal can be read key by key. */
  readonly keys?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly now?: number;
}

/** Surroundings that belong to one test. */
export function fakeSurroundings(options: FakeOptions = {}): FakeSurroundings {
  const written = { out: '', err: '' };
  const hearers = new Map<string, Set<() => void>>();
  const watchers = new Set<() => void>();
  const exits: number[] = [];
  const keys = new Set<(key: Key) => void>();
  const screen = (to: 'out' | 'err'): Screen => ({
    isTTY: options.isTTY ?? false,
    columns: options.columns,
    rows: options.rows,
    write(text) {
      written[to] += text;
      for (const look of [...watchers]) look();
    },
  });
  const listen = (name: string, hear: () => void) => {
    const set = hearers.get(name) ?? new Set();
    hearers.set(name, set.add(hear));
    return () => void set.delete(hear);
  };
  const reaches = (isThere: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!isThere()) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  const clock = systemClock();
  const answers = [...(options.answers ?? [])];
  const { now } = options;
  return {
    environment: {
      variables: { PATH: process.env.PATH, ...options.variables },
      home: options.home ?? '/nonexistent/home',
      platform: process.platform,
    },
    cwd: options.cwd ?? '/',
    clock: now === undefined ? clock : { ...clock, now: () => now },
    stdout: screen('out'),
    stderr: screen('err'),
    stdin: {
      isTTY: options.stdin === undefined,
      read: async () => options.stdin ?? '',
      ...(options.keys
        ? {
            async keys(hear: (key: Key) => void) {
              keys.add(hear);
              return () => void keys.delete(hear);
            },
          }
        : {}),
      async ask(question) {
        written.err += question;
        return answers.shift() ?? null;
      },
    },
    onSignal: listen,
    onClosedPipe: (hear) => listen('closed-pipe', hear),
    leaveFolder: () => {},
    exitNow: (status) => void exits.push(status),
    written,
    exits,
    press(key) {
      for (const hear of keys) hear({ name: key, text: key.length === 1 ? key : '', ctrl: false });
    },
    send(signal) {
      for (const hear of [...(hearers.get(signal) ?? [])]) hear();
    },
    shows: (text) =>
      reaches(() => (typeof text === 'string' ? written.out.includes(text) : text.test(written.out))),
    notes: (text) => reaches(() => written.err.includes(text)),
  };
}

/** A context of its own, for views. */
export function fakeContext(options: FakeOptions & { readonly flags?: GlobalOptions } = {}): Context {
  return createContext(fakeSurroundings(options), options.flags ?? {});
}

/** One command line, and the result. */
export async function command(
  options: FakeOptions,
  ...argv: string[]
): Promise<{ status: number; out: string; err: string }> {
  const around = fakeSurroundings(options);
  const status = await runCommandLine(argv, around);
  return { status, ...around.written };
}
