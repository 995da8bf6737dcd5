// Whether git considers a folder a worktree, and if not, the git command that repairs it. Determined from a few small
// files, so that the short commands need not run git; git is authoritative.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import type { WorktreeTrouble } from '../domain/worktree.ts';
import { isFolderNow, realPathNow } from '../platform/real-path.ts';
import { readTextNow } from '../platform/regular-file.ts';

/**
 * What keeps git from recognising the worktree that begins at `folder`: nothing would ever run there. Null: all is
 * well, as far as a few files show.
 */
export function troubleOf(folder: string): WorktreeTrouble | null {
  const dotGit = join(folder, '.git');
  if (isFolderNow(dotGit)) return isBareByConfig(dotGit) ? bareTrouble(folder) : null;
  const gitDir = gitDirOf(folder);
  if (gitDir === null || !existsSync(join(gitDir, 'HEAD'))) return brokenTrouble(folder, gitDir, null);
  const known = readSmall(join(gitDir, 'gitdir'))?.trimEnd();
  // A submodule, or a separate git dir: not another repository's.
  if (known === undefined || known === '') return null;
  const listed = resolve(gitDir, known);
  if (realPathNow(listed) === realPathNow(dotGit)) return null;
  const place = listed.replace(/\/\.git$/, '');
  if (existsSync(listed))
    return {
      code: 'worktree-copied',
      message: `git knows the worktree at ${place}, and ${folder} is a copy of it: work there, or make a worktree with \`git worktree add\``,
    };
  return {
    code: 'worktree-moved',
    message: `git knows the worktree at ${place}, where it is no longer; \`git -C ${folder} worktree repair\` mends that`,
  };
}

/**
 * A worktree that git lists but that does not know its repository any more; null if it does. `main`: where git works,
 * `gitDir`: what the worktree's `.git` file names.
 */
export function brokenLink(folder: string, main: string, gitDir: string | null): WorktreeTrouble | null {
  if (gitDir === null && isFolderNow(join(folder, '.git'))) return null;
  return gitDir !== null && existsSync(join(gitDir, 'HEAD')) ? null : brokenTrouble(folder, gitDir, main);
}

/** git says bare although it has a checkout. */
export function bareTrouble(folder: string): WorktreeTrouble {
  return {
    code: 'core-bare',
    message: `git takes ${folder} for a bare repository (core.bare is true), so nothing runs there; \`${mendBare(folder)}\` mends that`,
  };
}

function brokenTrouble(folder: string, gitDir: string | null, main: string | null): WorktreeTrouble {
  const why =
    gitDir === null
      ? 'it has no .git file that names its repository'
      : `its .git file names ${gitDir}, which is no git dir`;
  const mend =
    main === null
      ? `\`git worktree repair ${folder}\` in the main worktree mends that`
      : `\`git -C ${main} worktree repair\` mends that`;
  return { code: 'worktree-broken', message: `${folder} is cut off from its repository: ${why}; ${mend}` };
}

/** The git dir named by the `.git` file of a worktree; null if there is no such file. */
function gitDirOf(folder: string): string | null {
  const named = /^gitdir: (.*?)\n?$/s.exec(readSmall(join(folder, '.git')) ?? '')?.[1];
  return named === undefined ? null : resolve(folder, named);
}

function isBareByConfig(gitDir: string): boolean {
  const config = readSmall(join(gitDir, 'config')) ?? '';
  const own = isOn(valueIn(config, 'extensions', 'worktreeconfig'))
    ? valueIn(readSmall(join(gitDir, 'config.worktree')) ?? '', 'core', 'bare')
    : null;
  return isOn(own ?? valueIn(config, 'core', 'bare'));
}

/** The command that restores the setting: in the file that contains the wrong one. */
function mendBare(folder: string): string {
  const own = valueIn(readSmall(join(folder, '.git', 'config.worktree')) ?? '', 'core', 'bare');
  return `git -C ${folder} config ${own === null ? '' : '--worktree '}core.bare false`;
}

/** The last value of a key in a git configuration file; null if it has none. Includes are not followed. */
function valueIn(text: string, section: string, key: string): string | null {
  let at = '';
  let found: string | null = null;
  for (const line of text.split('\n')) {
    const header = /^\s*\[\s*([^\s\]"]+)\s*("[^"]*")?\s*\]/.exec(line);
    if (header) at = header[2] === undefined ? (header[1] ?? '').toLowerCase() : '';
    const [, name, value = 'true'] =
      /^\s*(?:\[[^\]]*\]\s*)?([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*([^#;]*))?/.exec(line) ?? [];
    if (at === section && name?.toLowerCase() === key) found = value.trim().replace(/^"(.*)"$/, '$1');
  }
  return found;
}

function isOn(value: string | null): boolean {
  return value !== null && /^(?:true|yes|on|[1-9]\d*)$/i.test(value);
}

/** The text of a small regular file; null for anything else. Never waits. */
function readSmall(path: string): string | null {
  try {
    return readTextNow(path, { maxBytes: GIT_FILE_MAX_BYTES, links: 'follow' });
  } catch {
    // Inaccessible: then it proves nothing.
    return null;
  }
}
