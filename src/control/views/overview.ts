// The state of everything in few words: `status` without its long lists, and what comes next. Pure.

import type { GraphView } from '../../decide/world.ts';
import type { NextReport, OverviewReport } from '../../domain/overview.ts';
import type { Task } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { type JudgedTasks, judgedTasks } from '../reports/judged-tasks.ts';
import { judgedTaskReport, type Reportable, statusInShort } from '../reports/reports.ts';

/** this many of what comes next are shown. */
const MOST_NEXT = 10;
/** A title or progress message may be a whole page; its beginning is shown. */
const MOST_TEXT = 2000;

export function overviewOf(input: Reportable): OverviewReport {
  const judged = judgedTasks(input);
  const status = statusInShort(input, judged);
  const { generated_at, supervisor, limits, worktrees, budgets, workers, problems } = status;
  const { next, count } = nextTasks(input, MOST_NEXT, judged);
  return {
    generated_at,
    supervisor,
    limits,
    inbox: status.inbox.map((item) => ({ ...item, because: cut(item.because), title: cut(item.title) })),
    worktrees,
    runs: status.runs.map((run) => ({ ...run, progress: run.progress === null ? null : cut(run.progress) })),
    claimed: status.claimed ?? [],
    budgets,
    workers,
    problems,
    repositories: new Set(worktrees.map(({ repo }) => repo)).size,
    next,
    next_count: count,
  };
}

/** What comes next, and how much in all: queued tasks by priority, then the others by their time. */
export function nextTasks(
  { world, decision }: Pick<Reportable, 'world' | 'decision'>,
  limit: number,
  judged: JudgedTasks = judgedTasks({ world, decision }),
): { readonly next: NextReport[]; readonly count: number } {
  const found: { readonly view: GraphView; readonly task: Task; readonly verdict: Verdict }[] = [];
  for (const view of world.graphs)
    for (const { task, verdict } of judged.get(view.graph) ?? [])
      if (verdict && isNext(verdict)) found.push({ view, task, verdict });
  const time = ({ state, nextAt }: Verdict) => (state === 'scheduled' ? (nextAt ?? 0) : 0);
  found.sort(
    (a, b) =>
      rankOf(a.verdict) - rankOf(b.verdict) ||
      time(a.verdict) - time(b.verdict) ||
      b.task.priority - a.task.priority,
  );
  return {
    count: found.length,
    next: found.slice(0, limit).map((one) => {
      const { task, id, title, worktree, state, code, because, next_at, executor } = judgedTaskReport(
        one.task,
        one.view,
        decision,
      );
      return { task, id, title: cut(title), worktree, state, code, because: cut(because), next_at, executor };
    }),
  };
}

const isNext = ({ state, nextAt }: Verdict) =>
  state === 'ready' || state === 'queued' || (state === 'scheduled' && nextAt !== null);

const rankOf = ({ state }: Verdict) => (state === 'ready' ? 0 : state === 'queued' ? 1 : 2);

function cut(text: string): string {
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
}
