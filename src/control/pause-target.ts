// What a name means that is to be paused or resumed.

import { basename, dirname } from 'node:path';
import type { GraphView, Pause } from '../decide/world.ts';
import { SupervisorError } from '../domain/errors.ts';

/**
 * The scope and name of a pause: a repository by its name or main worktree, an executor, a worktree by its path, name or
 * branch. Throws `not-found` for any other name, `ambiguous` for one of several worktrees.
 */
export function pauseTarget(
  target: string | null,
  graphs: readonly GraphView[],
): {
  readonly scope: Extract<Pause['scope'], 'machine' | 'profile' | 'repo' | 'worktree'>;
  readonly name: string;
} {
  if (target === null) return { scope: 'machine', name: '' };
  const place = graphs.find(
    ({ repo, repoName, worktree }) =>
      repoName === target || repo === target || (worktree === target && dirname(repo) === target),
  );
  if (place) return { scope: 'repo', name: place.repo };
  if (graphs.some((view) => view.profiles.byName.has(target))) return { scope: 'profile', name: target };
  const worktrees = new Set(
    graphs
      .filter(
        ({ worktree, branch }) => worktree === target || basename(worktree) === target || branch === target,
      )
      .map(({ worktree }) => worktree),
  );
  const [worktree, another] = worktrees;
  if (worktree !== undefined && another !== undefined)
    throw new SupervisorError('ambiguous', `${target} means ${[...worktrees].join(', ')}`, {
      hint: 'give the path of the one that is meant',
    });
  if (worktree !== undefined) return { scope: 'worktree', name: worktree };
  throw new SupervisorError('not-found', `${target} is no supervised repository, worktree or executor`, {
    hint: '`supervisor worktrees` and `supervisor executors` list them',
  });
}
