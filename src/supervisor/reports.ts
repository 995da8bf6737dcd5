// World and decision in the words of `status`, `list`, `why` and `runs`. Pure: the same for a running supervisor and
// for a command that looks without one.

import type { Decision, GraphView, World } from '../decide/world.ts';
import { type GraphPath, taskKey } from '../domain/ids.ts';
import type {
  HeldReport,
  ReportedProblem,
  RunReport,
  ScheduleReport,
  StatusReport,
  TaskCounts,
  TaskDetailReport,
  TaskReport,
  WorktreeReport,
} from '../domain/report.ts';
import { holdsSlot, type Run } from '../domain/run.ts';
import { type Task, type TaskDetail, tagValue } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import type { Worktree } from '../domain/worktree.ts';
import { isoTime } from '../seams/clock.ts';
import type { DiscoveredRepository } from '../worktrees/discover.ts';
import { globalTaskId } from './assignment.ts';
import type { TaskFilter } from './control.ts';
import { viewsAt } from './find-task.ts';

type Counts = { -readonly [K in keyof TaskCounts]: number };

/** What a report is made of. */
export interface Reportable {
  readonly world: World;
  readonly decision: Decision;
  readonly repositories: readonly DiscoveredRepository[];
  /** Graphs that are watched by looking every now and then, for want of inotify watches. */
  readonly polling: ReadonlySet<GraphPath>;
  readonly problems: readonly ReportedProblem[];
  readonly supervisor: StatusReport['supervisor'];
  /** The last sign of life of a run, in words. */
  progressOf(run: string): string | null;
}

/** The whole of `status --json` (contract section 5). */
export function statusReport(input: Reportable): StatusReport {
  const { world } = input;
  const held: HeldReport[] = [];
  const schedules: ScheduleReport[] = [];
  let queued = 0;
  for (const view of world.graphs) {
    for (const task of view.snapshot.tasks.values()) {
      const verdict = input.decision.verdicts.get(taskKey(view.graph, task.id));
      if (!verdict) continue;
      if (verdict.state === 'queued') queued++;
      const schedule = scheduleText(task);
      if (schedule !== null && verdict.state !== 'finished')
        schedules.push({
          task: task.id,
          worktree: view.worktree,
          schedule,
          next_at: instant(verdict.nextAt),
        });
      if (isUnstarted(task) && verdict.state !== 'running')
        held.push({
          task: task.id,
          worktree: view.worktree,
          state: verdict.state,
          code: verdict.code,
          because: verdict.because,
          next_at: instant(verdict.nextAt),
        });
    }
  }
  return {
    generated_at: isoTime(world.now),
    supervisor: input.supervisor,
    limits: {
      max_concurrent: world.config.maxConcurrent,
      running: world.runs.filter(holdsSlot).length,
      queued,
    },
    worktrees: worktreeReports(input),
    runs: world.runs.map((run) => runReport(run, input.progressOf(run.id))),
    held,
    schedules,
    problems: input.problems,
  };
}

/** One run as `runs` shows it. */
export function runReport(run: Run, progress: string | null): RunReport {
  return {
    run: run.id,
    task: run.task,
    worktree: run.worktree,
    executor: run.executor,
    type: run.type,
    attempt: run.attempt,
    phase: run.phase,
    agent: run.agent,
    pid: run.process?.pid ?? null,
    started_at: instant(run.startedAt),
    finished_at: instant(run.finishedAt),
    output: run.folder === null ? null : `${run.folder}/output.log`,
    because: run.because,
    outcome: run.outcome,
    progress,
  };
}

/** Every task of every graph, with its verdict. */
export function taskReports(input: Pick<Reportable, 'world' | 'decision'>): TaskReport[] {
  return input.world.graphs.flatMap((view) =>
    [...view.snapshot.tasks.values()].map((task) =>
      taskReport(task, view.graph, view.worktree, input.decision.verdicts.get(taskKey(view.graph, task.id))),
    ),
  );
}

/** One task with its verdict. */
export function taskReport(task: Task, graph: GraphPath, worktree: string, verdict?: Verdict): TaskReport {
  return {
    task: task.id,
    id: globalTaskId(graph, task.id),
    title: task.title,
    status: task.status,
    worktree,
    graph,
    state: verdict?.state ?? 'held',
    code: verdict?.code ?? 'unjudged',
    because: verdict?.because ?? 'not looked at yet',
    next_at: instant(verdict?.nextAt ?? null),
    executor: verdict?.executor ?? null,
    priority: task.priority,
    assigned: task.assigned ?? null,
    after: task.after,
    tags: task.tags,
  };
}

/** One task whole; artifacts that are JSON come as values. */
export function detailReport(
  report: TaskReport,
  detail: TaskDetail | null,
  runs: readonly RunReport[],
): TaskDetailReport {
  return {
    ...report,
    description: detail?.description ?? null,
    artifacts: (detail?.artifacts ?? []).map(jsonOrText),
    log: (detail?.log ?? []).map(({ timestamp, actor, message }) => ({
      timestamp,
      message,
      ...(actor === undefined ? {} : { actor }),
    })),
    fields: detail?.fields ?? {},
    runs,
  };
}

/** The tasks that a filter lets through. */
export function filterTasks(
  tasks: readonly TaskReport[],
  filter: TaskFilter,
  views: readonly GraphView[],
): TaskReport[] {
  const place = filter.worktree === undefined ? null : viewsAt(views, filter.worktree);
  return tasks.filter(
    (task) =>
      (place === null || place.some((view) => view.graph === task.graph)) &&
      (filter.state === undefined || task.state === filter.state) &&
      (filter.status === undefined || task.status === filter.status) &&
      (filter.executor === undefined || task.executor === filter.executor),
  );
}

function jsonOrText(text: string): unknown {
  if (!/^[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    // A path or remark that merely begins like JSON stays the text it is.
    return text;
  }
}

/** The schedule a task carries, as it is written: key, tag, or wg's cron. */
export function scheduleText(task: Task): string | null {
  return (
    task.schedule ?? tagValue(task, 'schedule:') ?? (task.cronEnabled ? (task.cronSchedule ?? null) : null)
  );
}

/** Open in wg's sense: it could be dispatched, now or one day. */
function isUnstarted(task: Task): boolean {
  switch (task.status) {
    case 'open':
    case 'incomplete':
    case 'blocked':
    case 'waiting':
      return true;
    default:
      return false;
  }
}

function worktreeReports(input: Reportable): WorktreeReport[] {
  const reports: WorktreeReport[] = [];
  const views = new Map(input.world.graphs.map((view) => [view.graph, view]));
  for (const { repository, excluded } of input.repositories) {
    if (repository.problem !== null && repository.worktrees.length === 0) {
      reports.push({
        ...emptyRow(repository.path, repository.name),
        state: 'unreadable',
        because: repository.problem,
        problems: [{ code: 'repository', message: repository.problem }],
      });
      continue;
    }
    for (const worktree of repository.worktrees) {
      const row = emptyRow(worktree.path, repository.name, worktree);
      const view = worktree.graph === null ? undefined : views.get(worktree.graph);
      const state = worktreeState(worktree, excluded.has(worktree.path), view?.worktree ?? null);
      if (state || !view) {
        reports.push({
          ...row,
          ...(state ?? { state: 'no-graph', because: 'its graph has not been read yet' }),
        });
        continue;
      }
      const { snapshot, hold } = view;
      const problems: ReportedProblem[] = snapshot.warnings.map((message) => ({
        code: 'graph-oddity',
        message,
      }));
      for (const broken of view.profiles.broken.values())
        problems.push({ code: 'broken-profile', message: broken.problem });
      if (view.profiles.untrusted.length > 0)
        problems.push({
          code: 'untrusted',
          message: `its profiles ${view.profiles.untrusted.join(', ')} do not count until you run \`supervisor trust ${worktree.path}\``,
        });
      if (snapshot.problem)
        problems.unshift({ code: snapshot.problem.code, message: snapshot.problem.message });
      if (hold) problems.unshift({ code: hold.code, message: hold.because });
      const polled = input.polling.has(view.graph);
      const missing = snapshot.problem?.code === 'missing';
      reports.push({
        ...row,
        counts: countTasks(input, view.graph),
        problems: missing ? problems.slice(1) : problems,
        ...(missing
          ? { state: 'no-graph', because: 'there is no graph.jsonl in its graph folder yet' }
          : snapshot.problem || hold
            ? { state: 'held', because: (hold?.because ?? snapshot.problem?.message) || '' }
            : worktree.locked !== null
              ? {
                  state: 'locked',
                  because: worktree.locked || 'locked with `git worktree lock`; its tasks run all the same',
                }
              : polled
                ? { state: 'polling', because: 'looked at every two seconds, for want of inotify watches' }
                : { state: 'watched', because: 'every change of its graph is noticed' }),
      });
    }
  }
  return reports;
}

/** A state that leaves nothing to count, or null for a worktree whose graph is served through it. */
function worktreeState(
  worktree: Worktree,
  excluded: boolean,
  servedFrom: string | null,
): { state: string; because: string } | null {
  if (worktree.bare) return { state: 'bare', because: 'a bare repository has no files of its own' };
  if (worktree.missing)
    return worktree.prunable === null
      ? { state: 'missing', because: 'its folder is not there' }
      : { state: 'prunable', because: `git could prune it: ${worktree.prunable}` };
  if (excluded) return { state: 'excluded', because: 'left out by include or exclude in supervisor.toml' };
  if (worktree.graph === null)
    return { state: 'no-graph', because: 'it has neither a .wg nor a .workgraph folder' };
  if (servedFrom !== null && servedFrom !== worktree.path)
    return { state: 'alias', because: `it shares the graph of ${servedFrom}` };
  return null;
}

function emptyRow(path: string, repo: string, worktree?: Worktree): WorktreeReport {
  return {
    path,
    repo,
    branch: worktree?.branch ?? null,
    head: worktree?.head ?? null,
    graph: worktree?.graph ?? null,
    state: 'no-graph',
    because: '',
    counts: zeroCounts(),
    problems: [],
  };
}

function countTasks(input: Reportable, graph: GraphPath): TaskCounts {
  const counts = zeroCounts();
  const view = input.world.graphs.find((candidate) => candidate.graph === graph);
  for (const task of view?.snapshot.tasks.values() ?? []) {
    const verdict = input.decision.verdicts.get(taskKey(graph, task.id));
    if (task.status === 'open' || task.status === 'in-progress') counts[task.status]++;
    else if (task.status === 'done' || task.status === 'failed' || task.status === 'abandoned')
      counts[task.status]++;
    if (!verdict) continue;
    switch (verdict.state) {
      case 'running':
      case 'ready':
      case 'scheduled':
      case 'waiting':
      case 'held':
      case 'paused':
        counts[verdict.state]++;
        break;
      case 'queued':
        counts.ready++;
        break;
      case 'copy':
        counts.held++;
        break;
      case 'finished':
        break;
      default:
        verdict.state satisfies never;
    }
  }
  return counts;
}

function zeroCounts(): Counts {
  return {
    open: 0,
    ready: 0,
    running: 0,
    scheduled: 0,
    waiting: 0,
    held: 0,
    paused: 0,
    'in-progress': 0,
    done: 0,
    failed: 0,
    abandoned: 0,
  };
}

function instant(at: number | null): string | null {
  return at === null ? null : isoTime(at);
}
