// Between commander and the commands: passes each action its context, collects its exit status, and parses option
// values.

import { type Command, InvalidArgumentError } from 'commander';
import { DURATION_RULE, durationOrNull } from '../domain/duration.ts';
import { type Context, createContext, type GlobalOptions, type ProcessIo } from './context.ts';

/** Binds commands to the process around them. */
export interface Host {
  /** The command's action; `args` are its arguments in order, the returned number is the exit status. */
  on<Options>(
    command: Command,
    act: (context: Context, args: readonly string[], options: Options) => Promise<number>,
  ): void;
}

/** A host that reports each command's exit status to `finish`. */
export function createHost(around: ProcessIo, finish: (status: number) => void): Host {
  return {
    on<Options>(
      command: Command,
      act: (context: Context, args: readonly string[], options: Options) => Promise<number>,
    ) {
      command.action(async () => {
        const context = createContext(around, command.optsWithGlobals<GlobalOptions>());
        // Arguments that were not given are undefined; the commands' own types say which may be.
        finish(await act(context, command.processedArgs as string[], command.opts() as Options));
      });
    },
  };
}

/** An option value that is an integer of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > 1_000_000)
      throw new InvalidArgumentError(`Write a whole number from ${least}.`);
    return value;
  };
}

/** An option value that is a duration; ms. */
export function durationMs(text: string): number {
  const ms = durationOrNull(text);
  if (ms === null) throw new InvalidArgumentError(`Write ${DURATION_RULE}.`);
  return ms;
}

/** An option that may be repeated. */
export function repeated(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** An option that may be repeated, with several values separated by commas. An empty one clears. */
export function repeatedOrListed(text: string, before: readonly string[] | undefined): readonly string[] {
  const values = text
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');
  return [...(before ?? []), ...values];
}

/** The values of an argument that may be given several times. */
export function listed(values: unknown): readonly string[] {
  return Array.isArray(values) ? values.map(String) : [];
}

/** The flag of every command in which a task id could mean several worktrees. */
export const WORKTREE = [
  '--worktree <name>',
  "target worktree, by path, name or branch (default: the current directory's)",
] as const;

/** The examples below a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}
