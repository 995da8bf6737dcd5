// Whether a configuration covers a worktree at all. Only stats files; if anything is unclear the answer is yes.

import { dirname, relative, sep } from 'node:path';
import type { Config, RepoSettings } from '../domain/config.ts';
import { shellWord } from '../domain/shell-word.ts';
import { likelyCommonDir } from './common-dir.ts';
import { realPath } from './graph-folder.ts';
import { isLeftOut } from './settings.ts';

/**
 * Why no supervisor with this configuration serves the worktree, in a sentence; null: one does, or that is not
 * certain.
 */
export async function notServed(
  worktree: string,
  { repos, roots, file }: Pick<Config, 'repos' | 'roots' | 'file'>,
): Promise<string | null> {
  const id = await likelyCommonDir(worktree);
  // Without any of them the current folder's repository is served.
  if (id === null || repos.length + roots.length === 0) return null;
  const settings = await settingsOf(id, repos);
  if (settings)
    return isLeftOut(worktree, settings)
      ? `${worktree} is left out by include or exclude of its [[repos]] in ${file}`
      : null;
  const main = id.endsWith(`${sep}.git`) ? dirname(id) : id;
  for (const root of roots) {
    const top = (await realPath(root.path)) ?? root.path;
    if ([main, worktree].some((path) => isFoundBelow(top, root.depth, path))) return null;
  }
  return `no [[repos]] or [[roots]] in ${file} covers ${main}, so nothing runs there; \`supervisor repos add ${shellWord(main)}\` changes that`;
}

async function settingsOf(id: string, repos: readonly RepoSettings[]): Promise<RepoSettings | null> {
  for (const settings of repos) {
    const path = await realPath(settings.path);
    if (path === null) continue;
    if (path === id) return settings;
    for (let at = path; ; at = dirname(at)) {
      const found = await likelyCommonDir(at);
      if (found === id) return settings;
      if (found !== null || at === dirname(at)) break;
    }
  }
  return null;
}

/** Whether the search below a root reaches this folder. */
function isFoundBelow(root: string, depth: number, path: string): boolean {
  const way = relative(root, path);
  if (way === '') return true;
  const names = way.split(sep);
  return names.length <= depth && names.every((name) => !name.startsWith('.') && name !== 'node_modules');
}
