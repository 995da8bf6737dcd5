// A found repository's name, its settings, and which of its worktrees they exclude. Pure.

import { basename, dirname } from 'node:path';
import type { RepoSettings, RootSettings } from '../domain/config.ts';
import type { Worktree } from '../domain/worktree.ts';
import { matchesGlob } from './glob.ts';

/** Settings of a repository that was found below a root. */
export function settingsBelow(root: RootSettings, path: string): RepoSettings {
  return {
    path,
    weight: 1,
    maxConcurrent: null,
    maxConcurrentPerWorktree: null,
    include: [],
    exclude: [],
    trust: root.trust,
    duplicates: 'once',
    onRewind: 'restore',
  };
}

/** Paths of the worktrees that include and exclude filter out. */
export function leftOut(worktrees: readonly Worktree[], settings: RepoSettings): Set<string> {
  return new Set(worktrees.map(({ path }) => path).filter((path) => isLeftOut(path, settings)));
}

/** Whether include or exclude filter out the worktree of this path. */
export function isLeftOut(path: string, { include, exclude }: RepoSettings): boolean {
  const fits = (globs: readonly string[]) => globs.some((glob) => matchesGlob(glob, path));
  return (include.length > 0 && !fits(include)) || fits(exclude);
}

/** The folder's name; for `shop.git`, `shop/.bare` and `shop/.git`, `shop`. */
export function repositoryName(path: string, bare: boolean): string {
  const name = basename(path);
  if (!bare) return name;
  return name === '.git' || name === '.bare' ? basename(dirname(path)) : name.replace(/(.)\.git$/, '$1');
}
