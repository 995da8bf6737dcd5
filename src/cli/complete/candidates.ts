// What could come next on a command line, from the tree of commands. Knows no shell and reads nothing.

import type { Command, Option } from 'commander';

/** What is to be completed. */
export type Wanted =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** Ids of tasks, and of runs where `runs` says so. */
  | { readonly kind: 'tasks'; readonly runs: boolean }
  | { readonly kind: 'nothing' };

/** What fits after these words (without the program's name); the last one is being typed. */
export function wantedAfter(program: Command, words: readonly string[]): Wanted {
  const typed = words.at(-1) ?? '';
  const { command, count, isOnlyArguments, option } = typedSoFar(program, words.slice(0, -1));
  if (option) return valuesOf(option);
  if (!isOnlyArguments && typed.startsWith('-')) return { kind: 'words', words: flagsOf(command) };
  const names = visible(command).flatMap((each) => [each.name(), ...each.aliases()]);
  if (count === 0 && names.length > 0) return { kind: 'words', words: names };
  return argumentAt(command, count);
}

interface Typed {
  readonly command: Command;
  /** Arguments of that command. */
  readonly count: number;
  /** After `--`. */
  readonly isOnlyArguments: boolean;
  /** Its value comes next. */
  readonly option?: Option;
}

function typedSoFar(program: Command, words: readonly string[]): Typed {
  let command = program;
  let isOnlyArguments = false;
  let count = 0;
  for (let n = 0; n < words.length; n++) {
    const word = words[n] ?? '';
    if (!isOnlyArguments && word === '--') isOnlyArguments = true;
    else if (!isOnlyArguments && word.startsWith('-')) {
      const option = optionBefore(command, word);
      if (option && n === words.length - 1) return { command, count, isOnlyArguments, option };
      if (option) n++;
    } else {
      const next = count === 0 ? subcommand(command, word) : undefined;
      if (next === undefined) count++;
      else command = next;
    }
  }
  return { command, count, isOnlyArguments };
}

/** The commands that help shows. */
export function visible(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command);
}

function subcommand(command: Command, word: string): Command | undefined {
  return command.commands.find((each) => each.name() === word || each.aliases().includes(word));
}

function optionsOf(command: Command): Option[] {
  const options: Option[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) options.push(...at.options);
  return options.filter((option) => !option.hidden);
}

/** The option whose value is the next word. */
function optionBefore(command: Command, word: string): Option | undefined {
  const option = optionNamed(command, word);
  return option?.required && !word.includes('=') ? option : undefined;
}

function optionNamed(command: Command, word: string): Option | undefined {
  const name = word.split('=', 1)[0] ?? '';
  return optionsOf(command).find((option) => option.long === name || option.short === name);
}

function flagsOf(command: Command): string[] {
  return [...optionsOf(command).flatMap(({ long }) => long ?? []), '--help'];
}

function valuesOf(option: Option): Wanted {
  if (option.argChoices !== undefined) return { kind: 'words', words: option.argChoices };
  return option.long === '--after' ? { kind: 'tasks', runs: false } : { kind: 'nothing' };
}

function argumentAt(command: Command, index: number): Wanted {
  const all = command.registeredArguments;
  const argument = all[index] ?? all.findLast((each) => each.variadic);
  if (argument === undefined) return { kind: 'nothing' };
  if (argument.argChoices !== undefined) return { kind: 'words', words: argument.argChoices };
  const name = argument.name();
  return /\btasks?\b/.test(name) || name === 'what'
    ? { kind: 'tasks', runs: /\bruns?\b/.test(name) }
    : { kind: 'nothing' };
}
