// What people mean when they pause something: everything, a repository, or an executor.

import type { GraphView, Pause } from '../decide/world.ts';
import { SupervisorError } from '../domain/errors.ts';

/** The scope and name of a pause. Throws `not-found` for what is neither a repository nor an executor. */
export function pauseTarget(
  target: string | null,
  graphs: readonly GraphView[],
): { readonly scope: Extract<Pause['scope'], 'machine' | 'profile' | 'repo'>; readonly name: string } {
  if (target === null) return { scope: 'machine', name: '' };
  const place = graphs.find(
    (view) => view.repoName === target || view.worktree === target || view.repo === target,
  );
  if (place) return { scope: 'repo', name: place.repo };
  if (graphs.some((view) => view.profiles.byName.has(target))) return { scope: 'profile', name: target };
  throw new SupervisorError('not-found', `${target} is neither a supervised repository nor an executor`, {
    hint: '`supervisor worktrees` and `supervisor executors` list them',
  });
}
