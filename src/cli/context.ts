// What every command gets: the current folder, output, colours. Commands take nothing from the process itself, so
// that tests can pass other parts.

import type { Readable } from 'node:stream';
import type { Paths } from '../config/paths.ts';
import type { Clock } from '../platform/clock.ts';
import type { Environment } from '../platform/environment.ts';
import type { Handover, Inherited } from '../platform/handover.ts';
import type { Key } from './monitor/state.ts';
import { type Colors, colors, wantsColor } from './render/color.ts';
import { printableJson } from './render/json.ts';

/** Where output goes. */
export interface Screen {
  readonly isTTY: boolean;
  /** Size of the terminal; undefined if it is none. */
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  write(text: string): void;
}

/** The same command line, started again in this process. */
export interface Successor {
  /** Tries with `--check` whether it would start; why it would not, or null. */
  refusal(): Promise<string | null>;
  /** Copies a descriptor for it. */
  copy(fd: number): number;
  /** Becomes it. Rejects where the system refuses. */
  begin(left: Handover): Promise<never>;
}

/** The process around the commands. */
export interface ProcessIo {
  readonly environment: Environment;
  readonly cwd: string;
  readonly clock: Clock;
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: {
    readonly isTTY: boolean;
    read(): Promise<string>;
    /** What comes in, as it comes. */
    readonly stream?: Readable;
    /** Calls back for every key that is pressed, which is not echoed; the returned function gives the terminal back. */
    keys?(hear: (key: Key) => void): Promise<() => void>;
    /** One line in answer to a question; null when there is none any more. */
    ask(question: string): Promise<string | null>;
  };
  /** Calls back for every signal of this name from now on; the returned function unsubscribes. */
  onSignal(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP', hear: () => void): () => void;
  /** Calls back when stdout is closed (`| head`), instead of exiting silently; the returned function unsubscribes. */
  onClosedPipe(hear: () => void): () => void;
  /** What an earlier program of this process left. Asked once. */
  inherited?(): Inherited | null;
  /** Null where the system cannot do it. */
  successor?(): Successor | null;
  /** Leaves the folder the process was started in, which may be removed while it runs. */
  leaveFolder(): void;
  /** Exits the process at once. */
  exitNow(status: number): void;
}

/** Options of every command. */
export interface GlobalOptions {
  readonly config?: string;
  readonly stateDir?: string;
  readonly json?: boolean;
  /** False after --no-color. */
  readonly color?: boolean;
}

export interface Context extends ProcessIo {
  /** `--config` and `--state-dir`, made absolute. */
  readonly config: string | undefined;
  readonly stateDir: string | undefined;
  readonly json: boolean;
  readonly paint: Colors;
  readonly colored: boolean;
  /** Columns that output may take; infinite if stdout is no terminal. */
  readonly width: number;
  paths(): Promise<Paths>;
  /** Writes to stdout. */
  out(text: string): void;
  /** Writes a value as JSON to stdout. */
  outJson(value: unknown): void;
  /** Writes a note for people to stderr. */
  note(text: string): void;
  now(): number;
}

/** The context of one command. */
export function createContext(around: ProcessIo, options: GlobalOptions): Context {
  const { variables } = around.environment;
  const colored = wantsColor({
    variables,
    isTTY: around.stdout.isTTY,
    noColor: options.color === false || options.json === true,
  });
  const absolute = (path: string | undefined): string | undefined =>
    path === undefined || path.startsWith('/') || path === '~' || path.startsWith('~/')
      ? path
      : `${around.cwd}/${path}`;
  const config = absolute(options.config);
  const stateDir = absolute(options.stateDir);
  return {
    ...around,
    config,
    stateDir,
    json: options.json === true,
    paint: colors(colored),
    colored,
    width: widthOf(around.stdout, variables.COLUMNS),
    async paths() {
      const { resolvePaths } = await import('../config/paths.ts');
      return resolvePaths(around.environment, {
        ...(config === undefined ? {} : { config }),
        ...(stateDir === undefined ? {} : { stateDir }),
      });
    },
    out: (text) => around.stdout.write(text),
    outJson: (value) => around.stdout.write(`${printableJson(value, 2)}\n`),
    note: (text) => around.stderr.write(`${text}\n`),
    now: () => around.clock.now(),
  };
}

/** The global options for composing offline control or a supervisor. */
export function compositionOf(context: Context): {
  environment: Environment;
  cwd: string;
  config?: string;
  stateDir?: string;
} {
  return {
    environment: context.environment,
    cwd: context.cwd,
    ...(context.config === undefined ? {} : { config: context.config }),
    ...(context.stateDir === undefined ? {} : { stateDir: context.stateDir }),
  };
}

/** A path for people: the home folder as `~`. */
export function shortPath(path: string, context: Pick<Context, 'environment'>): string {
  const { home } = context.environment;
  if (home === '' || home === '/') return path;
  if (path === home) return '~';
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

function widthOf(stdout: Screen, exported: string | undefined): number {
  const columns = Number(exported);
  if (Number.isInteger(columns) && columns >= 20) return columns;
  if (!stdout.isTTY) return Number.POSITIVE_INFINITY;
  return stdout.columns !== undefined && stdout.columns > 0 ? stdout.columns : 80;
}
