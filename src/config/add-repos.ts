// Adds repositories to supervisor.toml. What people wrote in it stays as it is: blocks are only put at its end.

import { mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { readConfigText } from './config-text.ts';
import { parseMachineConfig } from './load.ts';
import { withoutRepo } from './remove-repos.ts';
import { tomlValue } from './toml.ts';

/** A repository to serve. */
export interface AddedRepo {
  /** Absolute. */
  readonly path: string;
  /** Whether what its content chooses may run. */
  readonly trust: boolean;
}

const HEAD = `# What the supervisor serves. \`supervisor config example\` shows every key, \`supervisor config check\` checks this file.
`;

/** The text with the repositories in it. `text`: the file as it is, null where there is none. */
export function withRepos(text: string | null, repos: readonly AddedRepo[]): string {
  const blocks = repos.map(
    ({ path, trust }) => `\n[[repos]]\npath = ${tomlValue(path)}\n${trust ? '' : 'trust = false\n'}`,
  );
  const before = text === null || text.trim() === '' ? HEAD : text.endsWith('\n') ? text : `${text}\n`;
  return `${before}${blocks.join('')}`;
}

/**
 * Writes them into the file, which is made where there is none. Throws SupervisorError `config` where the file cannot
 * be written, or would not be understood any more.
 */
export function addRepos(file: string, repos: readonly AddedRepo[], home: string): void {
  const text = readConfigText(file);
  replaceConfig(file, text, withRepos(text, repos), home);
}

/**
 * Takes the `[[repos]]` of a folder out of the file; gives how many blocks these were. Throws as `addRepos` does.
 */
export function removeRepo(file: string, folder: string, home: string): number {
  const text = readConfigText(file);
  if (text === null) return 0;
  const next = withoutRepo(text, folder, { home, base: dirname(file) });
  if (next.removed > 0) replaceConfig(file, text, next.text, home);
  return next.removed;
}

/** `text`: what the file was when `next` was made of it. */
function replaceConfig(file: string, text: string | null, next: string, home: string): void {
  // Thrown before anything is written: a file that is wrong already is its owner's to mend.
  parseMachineConfig(file, next, { home });
  const target = text === null ? file : realpathSync(file);
  const fresh = `${target}.${process.pid}.new`;
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    writeFileSync(fresh, next, { mode: 0o600, flag: 'wx' });
    if (readConfigText(file) !== text)
      throw new SupervisorError('config', `${file} was changed by another program just now`, {
        hint: 'run the command again',
      });
    renameSync(fresh, target);
  } catch (thrown) {
    if (systemCode(thrown) !== 'EEXIST') rmSync(fresh, { force: true });
    if (thrown instanceof SupervisorError) throw thrown;
    throw new SupervisorError('config', `${file} cannot be written: ${messageOf(thrown)}`, {
      hint: 'make its folder writable, or name another file with --config',
    });
  }
}
