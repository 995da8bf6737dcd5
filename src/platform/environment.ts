// The one home of the process environment and of facts about this machine's user.

import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

/** The process's own. Asking for `home` throws SupervisorError `config` where nothing says which it is. */
export function processEnvironment(): Environment {
  return {
    variables: process.env,
    get home() {
      return homeFolder();
    },
    platform: process.platform,
  };
}

/** Takes a variable out of the process's own environment, so that nothing that is started inherits it. */
export function takeVariable(name: string): string | undefined {
  const value = process.env[name];
  delete process.env[name];
  return value;
}

function homeFolder(): string {
  try {
    return homedir();
  } catch (thrown) {
    const uid = process.getuid?.();
    throw new SupervisorError(
      'config',
      `there is no home folder: HOME is not set, and passwd has no entry for this user${uid === undefined ? '' : ` (uid ${uid})`}`,
      { hint: 'set HOME to a folder of your own', cause: thrown },
    );
  }
}

/** Full path of a program on PATH, or null. A name with a slash is used as it is. */
export function findOnPath(name: string, environment: Pick<Environment, 'variables'>): string | null {
  for (const path of onPath(name, environment)) return path;
  return null;
}

/** The full paths of all programs of this name on PATH, in its order. */
export function* onPath(name: string, environment: Pick<Environment, 'variables'>): Generator<string> {
  const candidates = name.includes('/')
    ? [name]
    : (environment.variables.PATH ?? '')
        .split(delimiter)
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, name));
  for (const path of candidates) {
    try {
      // Stat first: an error costs more than a stat.
      if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
      accessSync(path, constants.X_OK);
    } catch {
      // Not executable, or in an inaccessible folder: the next folder may have it.
      continue;
    }
    yield path;
  }
}
