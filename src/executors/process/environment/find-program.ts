// Finds the program of a profile as the agent will, before anything is spawned: a missing one is a set-up problem and
// must cost no attempt.

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Deferred } from '../../../domain/outcome.ts';
import type { Profile } from '../../../domain/profile.ts';
import type { Place } from '../../executor.ts';

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Missing, unreachable or not executable: in each case not a usable program.
    return false;
  }
}

/** Whether a path is a folder that can be entered. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isDirectory();
  } catch {
    // As above: inaccessible for any reason, nothing can run in it.
    return false;
  }
}

/** The absolute path of a program, looked up in the agent's own PATH; null if there is none. */
export async function findProgram(
  name: string,
  cwd: string,
  environment: Readonly<Record<string, string>>,
): Promise<string | null> {
  if (name === '') return null;
  if (name.startsWith('~/')) {
    const path = join(environment.HOME ?? '/', name.slice(2));
    return (await isProgram(path)) ? path : null;
  }
  if (name.includes('/')) {
    const path = resolve(cwd, name);
    return (await isProgram(path)) ? path : null;
  }
  for (const folder of (environment.PATH ?? '').split(':')) {
    // An empty or relative entry would make the worktree's own files count as programs.
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    if (await isProgram(path)) return path;
  }
  return null;
}

/**
 * The block for a profile whose program is missing, before anything starts; null if the task decides which program it
 * is.
 */
export async function lacksProgram(
  name: string,
  profile: Profile,
  { worktree, environment }: Place,
): Promise<Deferred | null> {
  if (name.includes('{{')) return null;
  const path = profile.env.PATH;
  // A PATH that is assembled for each run is not known yet.
  if (path !== undefined && (typeof path !== 'string' || path.includes('{{'))) return null;
  const seen = path === undefined ? environment : { ...environment, PATH: path };
  return (await findProgram(name, worktree, seen)) === null ? programMissing(name, profile, seen) : null;
}

/** The block for a missing program: its name, where it was searched, and what to do. */
export function programMissing(
  name: string,
  profile: Profile,
  environment: Readonly<Record<string, string>>,
): Deferred {
  const where = name.includes('/') ? '' : environment.PATH === undefined ? ' (PATH is not set)' : ' on PATH';
  return {
    kind: 'deferred',
    code: 'executor-unavailable',
    because:
      `the program ${JSON.stringify(name)} of profile ${profile.name} is not there or not executable${where}: ` +
      `install it, or give its full path as \`command\` ${place(profile)}`,
    scope: 'profile',
  };
}

/** Where the profile's settings are, or belong for a built-in one. */
function place({ name, origin }: Profile): string {
  if (origin.file !== 'built-in') return `in ${origin.file}`;
  return `under [executors.${name}] in supervisor.toml`;
}
