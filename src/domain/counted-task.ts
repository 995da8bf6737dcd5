// What the attempts of a task are counted for. Where copies of a graph are one (docs/how-it-works.md), an attempt that
// failed in one worktree counts for the copy in every other.

import type { RepoSettings } from './config.ts';
import type { GraphPath, TaskId } from './ids.ts';
import type { Run } from './run.ts';

export interface CountedTask {
  readonly graph: GraphPath;
  readonly task: TaskId;
  readonly createdAt: string | null;
  /** The repository whose copies of the task are the same task; null: only this graph's own counts. */
  readonly repo: string | null;
}

/** A task of a graph as its attempts are counted. Without a creation time copies cannot be recognised. */
export function countedTask(
  of: { readonly graph: GraphPath; readonly task: TaskId; readonly createdAt: string | null | undefined },
  repo: string,
  { duplicates }: Pick<RepoSettings, 'duplicates'> = { duplicates: 'once' },
): CountedTask {
  const createdAt = of.createdAt ?? null;
  const isShared = duplicates === 'once' && createdAt !== null;
  return { graph: of.graph, task: of.task, createdAt, repo: isShared ? repo : null };
}

/** The task of a run; `settings` of its repository, where they are known. */
export function countedRun(run: Run, settings?: Pick<RepoSettings, 'duplicates'>): CountedTask {
  const { graph, task, taskCreatedAt, repo } = run;
  return countedTask({ graph, task, createdAt: taskCreatedAt }, repo, settings);
}
