// The state of everything in few words: `status` without its long lists, and what comes next. Pure.

import type { NextReport, OverviewReport } from '../domain/overview.ts';
import type { StatusReport, TaskReport } from '../domain/report.ts';

/** How many of the next tasks are listed. */
const MOST_NEXT = 10;
/** A progress message may be a whole page; one line of it is shown. */
const MOST_TEXT = 2000;

/** The overview. `tasks`: all of them. */
export function overviewOf(status: StatusReport, tasks: readonly TaskReport[]): OverviewReport {
  const { generated_at, supervisor, limits, worktrees, budgets, workers, problems } = status;
  const next = nextTasks(tasks);
  return {
    generated_at,
    supervisor,
    limits,
    inbox: status.inbox.map((item) => ({ ...item, because: cut(item.because), title: cut(item.title) })),
    worktrees,
    runs: status.runs.map((run) => ({ ...run, progress: run.progress === null ? null : cut(run.progress) })),
    budgets,
    workers,
    problems,
    repositories: new Set(worktrees.map(({ repo }) => repo)).size,
    next: next.slice(0, MOST_NEXT),
    next_count: next.length,
  };
}

/** What comes next: queued tasks, those of higher priority first, then the others by their time. */
export function nextTasks(tasks: readonly TaskReport[]): NextReport[] {
  const isNext = ({ state, next_at }: TaskReport) =>
    state === 'ready' || state === 'queued' || (state === 'scheduled' && next_at !== null);
  const rank = ({ state }: TaskReport) => (state === 'ready' ? 0 : state === 'queued' ? 1 : 2);
  const time = ({ state, next_at }: TaskReport) => (state === 'scheduled' ? Date.parse(next_at ?? '') : 0);
  return tasks
    .filter(isNext)
    .sort((a, b) => rank(a) - rank(b) || time(a) - time(b) || b.priority - a.priority)
    .map(({ task, id, title, worktree, state, code, because, next_at, executor }) => ({
      task,
      id,
      title: cut(title),
      worktree,
      state,
      code,
      because: cut(because),
      next_at,
      executor,
    }));
}

function cut(text: string): string {
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
}
