// A worktree by the name of its folder or by its branch, among those of the repository around a folder.

import { basename } from 'node:path';
import { SupervisorError } from '../domain/errors.ts';
import type { Git } from './git.ts';

/** Its path. Throws `graph` with those that there are, `ambiguous` where several are named so. */
export async function worktreeNamed(name: string, folder: string, git: Git): Promise<string> {
  const all = await git
    .commonDir(folder)
    .then((common) => git.worktrees(folder, common))
    // Outside of any repository there is no worktree of that name.
    .catch(() => []);
  const usable = all.filter(({ bare, prunable }) => !bare && prunable === null);
  const byBranch = usable.filter(({ branch }) => branch === name);
  const found = byBranch.length > 0 ? byBranch : usable.filter(({ path }) => basename(path) === name);
  const [only, another] = found;
  if (only && another)
    throw new SupervisorError('ambiguous', `${name} means ${found.map(({ path }) => path).join(', ')}`, {
      hint: 'give the path of the one that is meant',
    });
  if (only) return only.path;
  throw new SupervisorError('graph', `there is no folder, worktree or branch ${name} here`, {
    hint:
      usable.length > 0
        ? `its worktrees are ${usable.map(({ branch, path }) => branch ?? basename(path)).join(', ')}`
        : 'give the path of a worktree',
  });
}
