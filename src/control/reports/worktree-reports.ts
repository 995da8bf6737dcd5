// The rows of `status`: every worktree that git lists, with the state and problems of its graph.

import { verdictOf } from '../../decide/judge/verdicts.ts';
import type { GraphView } from '../../decide/world.ts';
import { unfinishedTasks } from '../../domain/graph.ts';
import type { ReportedProblem, TaskCounts, WorktreeReport } from '../../domain/report.ts';
import type { Repository, Worktree } from '../../domain/worktree.ts';
import { goneFrom, MEND_MISSING } from './gone-graphs.ts';
import type { JudgedTask, JudgedTasks } from './judged-tasks.ts';
import type { Reportable } from './reports.ts';

type Counts = { -readonly [K in keyof TaskCounts]: number };

/** One row per worktree, repositories in the order of the configuration. */
export function worktreeReports(input: Reportable, judged: JudgedTasks): WorktreeReport[] {
  const views = new Map(input.world.graphs.map((view) => [view.graph, view]));
  return input.repositories.flatMap(({ repository, excluded }) => {
    if (repository.problem !== null && repository.worktrees.length === 0)
      return [unreadableRow(input, repository, repository.problem)];
    return repository.worktrees.map((worktree) => {
      const view = worktree.graph === null ? undefined : views.get(worktree.graph);
      const row = emptyRow(worktree.path, repository.name, worktree);
      const state =
        ownState(worktree, input.keptPlaces) ??
        worktreeState(worktree, excluded.has(worktree.path), view?.worktree ?? null);
      return view && !state
        ? servedRow(input, row, worktree, view, judged.get(view.graph) ?? [])
        : unservedRow(input, row, worktree, state);
    });
  });
}

interface RowState {
  readonly state: string;
  readonly because: string;
}

function unreadableRow(input: Reportable, { path, name }: Repository, problem: string): WorktreeReport {
  return {
    ...emptyRow(path, name),
    state: 'unreadable',
    because: problem,
    problems: [{ code: 'repository', message: problem }, ...goneFrom(input, { path, graph: null })],
  };
}

function unservedRow(
  input: Reportable,
  row: WorktreeReport,
  worktree: Worktree,
  state: RowState | null,
): WorktreeReport {
  const problems = state?.state === 'alias' || state?.state === 'own' ? [] : goneFrom(input, worktree);
  const [lost] = problems;
  const said = state ?? { state: 'no-graph', because: 'its graph has not been read yet' };
  const isGone = lost && said.state === 'no-graph';
  return { ...row, ...(isGone ? { state: 'graph-gone', because: lost.message } : said), problems };
}

function servedRow(
  input: Reportable,
  row: WorktreeReport,
  worktree: Worktree,
  view: GraphView,
  tasks: readonly JudgedTask[],
): WorktreeReport {
  const isMissing = view.snapshot.problem?.code === 'missing';
  const lost = isMissing ? goneFrom(input, worktree) : [];
  const problems = problemsOf(input, worktree, view);
  const copies = tasks.filter(({ verdict }) => verdict?.state === 'copy');
  return {
    ...row,
    counts: countTasks(tasks),
    ...(copies.length > 0 ? { copies: copies.length } : {}),
    problems: isMissing ? [...lost, ...problems.filter(({ code }) => code !== 'missing')] : problems,
    ...(isMissing && lost[0]
      ? { state: 'graph-gone', because: lost[0].message }
      : withCopies(servedState(worktree, view, input.polling.has(view.graph)), copies)),
  };
}

function problemsOf(input: Reportable, worktree: Worktree, view: GraphView): ReportedProblem[] {
  const { snapshot, hold, profiles } = view;
  const problems: ReportedProblem[] = [];
  if (hold) problems.push({ code: hold.code, message: hold.because });
  if (snapshot.problem) problems.push({ code: snapshot.problem.code, message: snapshot.problem.message });
  for (const message of snapshot.warnings) problems.push({ code: 'graph-oddity', message });
  const machineWide = input.world.config.brokenProfiles;
  // A problem of the machine is listed once, among the machine's problems.
  for (const [name, broken] of profiles.broken)
    if (machineWide.get(name) !== broken) problems.push({ code: 'broken-profile', message: broken.problem });
  // Said even if the machine's profiles take precedence: sooner or later they will not.
  for (const message of profiles.problems ?? [])
    if (!problems.some((said) => said.message.includes(message)))
      problems.push({ code: 'broken-config', message });
  const trust = `until you run \`supervisor trust ${worktree.path}\``;
  if (profiles.repositoryUntrusted && holdsStrangers(input, view))
    problems.push({
      code: 'untrusted',
      message: `this repository is not trusted, so nothing that its content chooses is run ${trust}`,
    });
  else if (profiles.untrusted.length > 0)
    problems.push({
      code: 'untrusted',
      message: `its profiles ${profiles.untrusted.join(', ')} do not count ${trust}`,
    });
  return problems;
}

function servedState(worktree: Worktree, { snapshot, hold }: GraphView, isPolled: boolean): RowState {
  if (snapshot.problem?.code === 'missing')
    return { state: 'no-graph', because: 'there is no graph.jsonl in its graph folder yet' };
  if (snapshot.problem || hold)
    return { state: 'held', because: (hold?.because ?? snapshot.problem?.message) || '' };
  if (worktree.locked !== null)
    return {
      state: 'locked',
      because: worktree.locked || 'locked with `git worktree lock`; its tasks run all the same',
    };
  return isPolled
    ? { state: 'polling', because: 'checked every two seconds, because inotify watches ran out' }
    : { state: 'watched', because: 'every change of its graph is noticed' };
}

/** Where copies are done instead; the first one says it for all, which mostly are of one worktree. */
function withCopies(said: RowState, copies: readonly JudgedTask[]): RowState {
  const [first] = copies;
  if (!first?.verdict) return said;
  const some = copies.length === 1 ? 'a task of it is a copy' : `${copies.length} tasks of it are copies`;
  return { ...said, because: `${said.because}; ${some}: ${first.verdict.because}` };
}

/** One that was made for a task, and why it is still there. */
function ownState({ path, ownTask }: Worktree, kept: Reportable['keptPlaces']): RowState | null {
  if (ownTask === undefined) return null;
  return { state: 'own', because: kept?.get(path) ?? `made for the task ${ownTask}` };
}

/** A state in which there is nothing to count, or null for a worktree whose graph is served through it. */
function worktreeState(worktree: Worktree, excluded: boolean, servedFrom: string | null): RowState | null {
  if (worktree.bare && worktree.graph === null)
    return { state: 'bare', because: 'a bare repository has no files of its own' };
  if (worktree.missing)
    return worktree.prunable === null
      ? { state: 'missing', because: `its folder is not there; ${MEND_MISSING}` }
      : { state: 'prunable', because: `git could prune it: ${worktree.prunable}; ${MEND_MISSING}` };
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

/** Whether any task is held because its repository is not trusted: one without such tasks needs no attention. */
function holdsStrangers(input: Reportable, { graph, snapshot }: GraphView): boolean {
  for (const task of unfinishedTasks(snapshot.tasks))
    if (verdictOf(input.decision.verdicts, graph, task.id)?.code === 'untrusted') return true;
  return false;
}

function countTasks(tasks: readonly JudgedTask[]): TaskCounts {
  const counts = zeroCounts();
  for (const { task, verdict } of tasks) {
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
