// World and decision as the shapes of `status`, `list`, `why` and `runs`. Pure: the same with and without a running
// supervisor.

import { orderedPauses } from '../../decide/capacity/pauses.ts';
import { withEnding } from '../../decide/decide.ts';
import { verdictOf } from '../../decide/judge/verdicts.ts';
import type { Decision, GraphView, World } from '../../decide/world.ts';
import type { GraphPath } from '../../domain/ids.ts';
import type {
  ActionReport,
  ClaimedReport,
  HeldReport,
  LeaseReport,
  ReportedProblem,
  RunReport,
  ScheduleReport,
  StatusReport,
  TaskDetailReport,
  TaskReport,
  UsageReport,
  WorkerReport,
} from '../../domain/report.ts';
import { holdsSlot, type Run } from '../../domain/run.ts';
import { type Task, type TaskDetail, tagValue } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { isoTime, isoTimeOrNull } from '../../platform/clock.ts';
import { globalTaskId, globalTaskIds } from '../../run/assignment.ts';
import { questionOf } from '../../run/questions.ts';
import type { RememberedGraph } from '../../runs/graph-book.ts';
import type { Lease } from '../../runs/lease-row.ts';
import type { DiscoveredRepository } from '../../worktrees/discover.ts';
import type { TaskFilter } from '../control.ts';
import { askedPlaces } from '../find-task.ts';
import { budgetProblems, budgetReports } from './budget-reports.ts';
import { goneElsewhere } from './gone-graphs.ts';
import { inboxOf } from './inbox.ts';
import { type JudgedTasks, judgedTasks } from './judged-tasks.ts';
import { machineReport } from './machine-report.ts';
import { worktreeReports } from './worktree-reports.ts';

/** The inputs of a report. */
export interface Reportable {
  readonly world: World;
  readonly decision: Decision;
  readonly repositories: readonly DiscoveredRepository[];
  /** Graphs that are polled, because inotify watches ran out. */
  readonly polling: ReadonlySet<GraphPath>;
  readonly problems: readonly ReportedProblem[];
  readonly supervisor: StatusReport['supervisor'];
  /** Graphs that are gone, as last seen. */
  readonly gone?: readonly RememberedGraph[];
  readonly workers?: readonly WorkerReport[];
  /** Why worktrees of tasks are kept, by path. */
  readonly keptPlaces?: ReadonlyMap<string, string>;
  /** The last progress of a run, as text. */
  progressOf(run: string): string | null;
  /** The lease of a run's external worker. */
  leaseOf?(run: string): Lease | null;
}

/** The whole of `status --json`. */
export function statusReport(input: Reportable): StatusReport {
  const { world } = input;
  const judged = judgedTasks(input);
  const held: HeldReport[] = [];
  const schedules: ScheduleReport[] = [];
  for (const view of world.graphs) {
    const states = input.decision.schedules.get(view.graph);
    for (const { task, verdict } of judged.get(view.graph) ?? []) {
      if (!verdict) continue;
      const own = states?.get(task.id);
      const schedule = own?.text ?? (verdict.state === 'finished' ? null : scheduleText(task));
      if (schedule !== null)
        schedules.push({
          task: task.id,
          worktree: view.worktree,
          schedule,
          next_at: isoTimeOrNull(own ? own.nextAt : verdict.nextAt),
        });
      if (verdict.state !== 'running' && verdict.state !== 'finished')
        held.push({
          task: task.id,
          worktree: view.worktree,
          state: verdict.state,
          code: verdict.code,
          because: verdict.because,
          next_at: isoTimeOrNull(verdict.nextAt),
        });
    }
  }
  return { ...statusInShort(input, judged), held, schedules };
}

/** Status without its lists of every task that does not run. */
export function statusInShort(
  input: Reportable,
  judged: JudgedTasks,
): Omit<StatusReport, 'held' | 'schedules'> {
  const { world } = input;
  const worktrees = worktreeReports(input, judged);
  let queued = 0;
  for (const tasks of judged.values())
    for (const { verdict } of tasks) if (verdict?.state === 'queued') queued++;
  return {
    generated_at: isoTime(world.now),
    supervisor: input.supervisor,
    limits: limitsReport(world, queued),
    inbox: inboxOf(input, worktrees, judged),
    worktrees,
    runs: world.runs.map((run) => runReport(run, input.progressOf(run.id), input.leaseOf?.(run.id) ?? null)),
    claimed: claimedReports(world, judged),
    budgets: budgetReports(world),
    workers: input.workers ?? [],
    problems: [
      ...budgetProblems(world),
      ...orderedPauses(world).map(({ code, because }) => ({ code, message: because })),
      ...input.problems,
      ...goneElsewhere(input),
    ],
  };
}

/** Who works on what is counted as running and has no run here. A claim that git brought into copies is one claim. */
function claimedReports({ graphs }: World, judged: JudgedTasks): ClaimedReport[] {
  const claims = new Map<string, { readonly view: GraphView; readonly task: Task }>();
  for (const view of graphs)
    for (const { task, verdict } of judged.get(view.graph) ?? []) {
      if (verdict?.state !== 'running' || verdict.code !== 'status-in-progress') continue;
      const { id, createdAt, assigned, startedAt } = task;
      const isTold = assigned !== undefined && startedAt !== undefined;
      const claim = JSON.stringify(
        isTold ? [view.repo, id, createdAt, assigned, startedAt] : [view.graph, id],
      );
      if (!claims.has(claim) || view.worktreeIsMain) claims.set(claim, { view, task });
    }
  return [...claims.values()].map(({ view, task }) => ({
    task: task.id,
    worktree: view.worktree,
    agent: task.assigned ?? null,
    since: task.startedAt ?? null,
  }));
}

function limitsReport(world: World, queued: number): StatusReport['limits'] {
  return {
    max_concurrent: world.config.maxConcurrent,
    running: withEnding(world).filter(holdsSlot).length,
    queued,
    ...(world.machine ? { machine: machineReport(world.machine) } : {}),
  };
}

/** One run as `runs` shows it. */
export function runReport(run: Run, progress: string | null, lease: Lease | null = null): RunReport {
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
    started_at: isoTimeOrNull(run.startedAt),
    finished_at: isoTimeOrNull(run.finishedAt),
    output: run.folder === null ? null : `${run.folder}/output.log`,
    because: run.because,
    outcome: run.outcome,
    progress,
    ...(run.place === undefined ? {} : { place: run.place }),
    ...(run.portBase === undefined ? {} : { port_base: run.portBase }),
    session: run.session ?? null,
    model: run.model ?? null,
    usage: usageReport(run),
    ...(lease === null ? {} : { lease: leaseReport(lease) }),
  };
}

/** Recorded during the run, or reported with its outcome. */
function usageReport({ usage, outcome }: Run): UsageReport | null {
  const used = usage ?? (outcome && 'usage' in outcome ? outcome.usage : undefined);
  if (used === undefined || Object.keys(used).length === 0) return null;
  return {
    cost_usd: used.costUsd ?? null,
    input_tokens: used.inputTokens ?? null,
    output_tokens: used.outputTokens ?? null,
    cache_read_input_tokens: used.cacheReadInputTokens ?? null,
    cache_creation_input_tokens: used.cacheCreationInputTokens ?? null,
    turns: used.turns ?? null,
  };
}

function leaseReport(lease: Lease): LeaseReport {
  return {
    worker: lease.worker,
    expires_at: isoTimeOrNull(lease.expiresAt),
    heartbeat_at: isoTimeOrNull(lease.heartbeatAt),
    external_ref: lease.externalRef,
    ...questionOf(lease),
    stale_since: isoTimeOrNull(lease.staleAt),
  };
}

/** Every task of every graph, with its verdict. */
export function taskReports(input: Pick<Reportable, 'world' | 'decision'>): TaskReport[] {
  return input.world.graphs.flatMap((view) => {
    const idOf = globalTaskIds(view.graph);
    return [...view.snapshot.tasks.values()].map((task) =>
      judgedTaskReport(task, view, input.decision, idOf(task.id)),
    );
  });
}

/** One task as a decision judges it, with the next instant of its schedule. */
export function judgedTaskReport(
  task: Task,
  { graph, worktree }: Pick<GraphView, 'graph' | 'worktree'>,
  decision: Decision,
  id = globalTaskId(graph, task.id),
): TaskReport {
  const report = taskReport(task, graph, worktree, verdictOf(decision.verdicts, graph, task.id), id);
  const next = decision.schedules.get(graph)?.get(task.id)?.nextAt ?? null;
  return report.next_at === null && next !== null ? { ...report, next_at: isoTimeOrNull(next) } : report;
}

/** One task with its verdict. */
export function taskReport(
  task: Task,
  graph: GraphPath,
  worktree: string,
  verdict?: Verdict,
  id = globalTaskId(graph, task.id),
): TaskReport {
  return {
    task: task.id,
    id,
    title: task.title,
    status: task.status,
    worktree,
    graph,
    state: verdict?.state ?? 'held',
    code: verdict?.code ?? 'unjudged',
    because: verdict?.because ?? 'not looked at yet',
    next_at: isoTimeOrNull(verdict?.nextAt ?? null),
    executor: verdict?.executor ?? null,
    priority: task.priority,
    assigned: task.assigned ?? null,
    after: task.after,
    tags: task.tags,
  };
}

/** One task in full; artifacts that are JSON are values. */
export function detailReport(
  report: TaskReport,
  detail: TaskDetail | null,
  runs: readonly RunReport[],
  actions: readonly ActionReport[],
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
    actions,
  };
}

/** The tasks that match a filter. Throws `not-found` for an unknown worktree. */
export function filterTasks(
  tasks: readonly TaskReport[],
  filter: TaskFilter,
  views: readonly GraphView[],
): TaskReport[] {
  const place = askedPlaces(views, filter.worktree);
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
    // A path or remark that merely begins like JSON stays text.
    return text;
  }
}

/** The schedule of a task as written: key, tag, or wg's cron. */
export function scheduleText(task: Task): string | null {
  return (
    task.schedule ?? tagValue(task, 'schedule:') ?? (task.cronEnabled ? (task.cronSchedule ?? null) : null)
  );
}
