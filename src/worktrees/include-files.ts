// Copies the files that `.worktreeinclude` names into a new worktree: what git ignores and an agent needs all the same
// (.env, local settings). Its patterns are those of gitignore, and git itself reads them.

import { constants, existsSync, lstatSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readlink, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import { readText } from '../platform/regular-file.ts';
import type { Git } from './git.ts';
import { GRAPH_FOLDER_NAMES } from './graph-folder.ts';

const FILE = '.worktreeinclude';

/** Copies what is named into `target`; the names of what was passed over, because it leads out of the tree or is no file. */
export async function copyIncluded(git: Git, source: string, target: string): Promise<readonly string[]> {
  const patterns = await readText(join(source, FILE), { maxBytes: GIT_FILE_MAX_BYTES });
  if (patterns === null || patterns.trim() === '') return [];
  const named = await namedBy(git, source, patterns);
  const ignored = new Set(await listed(git, source, '--exclude-standard'));
  const passedOver: string[] = [];
  // What git does not ignore comes with the checkout, or would make the new worktree unclean.
  for (const name of named)
    if (ignored.has(name) && !(await copied(name, source, target))) passedOver.push(name);
  return passedOver;
}

/** git reads a file of our own: the one in the tree may be replaced by a pipe meanwhile. */
async function namedBy(git: Git, source: string, patterns: string): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'supervisor-include-'));
  try {
    const file = join(folder, 'patterns');
    await writeFile(file, patterns);
    return await listed(git, source, `--exclude-from=${file}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function listed(git: Git, source: string, excludes: string): Promise<readonly string[]> {
  const output = await git.call(source, 'ls-files', '-z', '--others', '--ignored', excludes);
  return output.split('\0').filter((name) => name !== '');
}

/** False: it is not copied. */
async function copied(name: string, source: string, target: string): Promise<boolean> {
  const parts = name.split('/');
  // The graph is one, and stays where it is.
  if (
    parts.some((part) => part === '..' || part === '.git') ||
    GRAPH_FOLDER_NAMES.some((one) => one === parts[0])
  )
    return false;
  const from = join(source, name);
  const to = join(target, name);
  const found = lstatSync(from, { throwIfNoEntry: false });
  // Gone meanwhile.
  if (!found) return true;
  if (!(await isBelow(dirname(from), source))) return false;
  // Of the checkout: it stays as it is.
  if (existsSync(to)) return true;
  if (found.isSymbolicLink()) return await linked(from, to, source);
  if (!found.isFile()) return false;
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  return true;
}

/** A link within the tree is made again; what leads out of it is neither followed nor copied. */
async function linked(from: string, to: string, source: string): Promise<boolean> {
  const leadsTo = await readlink(from);
  const aim = resolve(dirname(from), leadsTo);
  if (leadsTo.startsWith('/') || !(aim === source || aim.startsWith(source + sep))) return false;
  await mkdir(dirname(to), { recursive: true });
  await symlink(leadsTo, to);
  return true;
}

async function isBelow(folder: string, root: string): Promise<boolean> {
  const [real, top] = [await realpath(folder), await realpath(root)];
  return real === top || real.startsWith(top + sep);
}
