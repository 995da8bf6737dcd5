// Repositories and whole graphs as other tools ask for them. Pure.

import type { Decision, World } from '../../decide/world.ts';
import type { GraphReport, RepoReport } from '../../domain/overview.ts';
import type { TaskCounts, WorktreeReport } from '../../domain/report.ts';
import { askedPlaces, unknownWorktree } from '../find-task.ts';
import { taskReports } from '../reports/reports.ts';

/** The repositories of these worktrees, each with the sum of its counts. */
export function reposOf(worktrees: readonly WorktreeReport[]): RepoReport[] {
  const byRepo = new Map<string, WorktreeReport[]>();
  for (const row of worktrees) byRepo.set(row.repo, [...(byRepo.get(row.repo) ?? []), row]);
  return [...byRepo].map(([repo, rows]) => ({
    repo,
    worktrees: rows.map(({ path }) => path),
    counts: rows.map(({ counts }) => counts).reduce(sumOf),
    problems: rows.flatMap(({ problems }) => problems),
  }));
}

function sumOf(a: TaskCounts, b: TaskCounts): TaskCounts {
  const sum: { -readonly [State in keyof TaskCounts]: number } = { ...a };
  for (const state of Object.keys(b) as (keyof TaskCounts)[]) sum[state] += b[state];
  return sum;
}

/** The graph of a worktree. Throws `not-found` for an unknown one. */
export function graphOf(
  input: { readonly world: World; readonly decision: Decision },
  worktree: string,
): GraphReport {
  const { world, decision } = input;
  const [view] = askedPlaces(world.graphs, worktree) ?? [];
  if (!view) throw unknownWorktree(worktree);
  const tasks = taskReports({ world: { ...world, graphs: [view] }, decision });
  const known = new Set(tasks.map(({ task }) => task));
  return {
    worktree: view.worktree,
    graph: view.graph,
    tasks,
    edges: tasks.flatMap(({ task, after }) =>
      after.filter((from) => known.has(from)).map((from) => ({ from, to: task })),
    ),
  };
}
