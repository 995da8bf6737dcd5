// The rows of `status`: every worktree that git lists, with what its graph holds and what is wrong with it.

import { verdictOf } from '../decide/verdicts.ts';
import type { GraphView } from '../decide/world.ts';
import { unfinishedTasks } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { ReportedProblem, TaskCounts, WorktreeReport } from '../domain/report.ts';
import type { Worktree } from '../domain/worktree.ts';
import type { Reportable } from './reports.ts';

type Counts = { -readonly [K in keyof TaskCounts]: number };

/** One row a worktree, repositories in the order of the configuration. */
export function worktreeReports(input: Reportable): WorktreeReport[] {
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
          problems: lostRuns(input, worktree.path),
        });
        continue;
      }
      const { snapshot, hold } = view;
      const problems: ReportedProblem[] = snapshot.warnings.map((message) => ({
        code: 'graph-oddity',
        message,
      }));
      const machineWide = input.world.config.brokenProfiles;
      // One of the machine's own is told once, among the machine's problems.
      for (const [name, broken] of view.profiles.broken)
        if (machineWide.get(name) !== broken)
          problems.push({ code: 'broken-profile', message: broken.problem });
      if (view.profiles.untrusted.length > 0)
        problems.push({
          code: 'untrusted',
          message: `its profiles ${view.profiles.untrusted.join(', ')} do not count until you run \`supervisor trust ${worktree.path}\``,
        });
      if (view.profiles.repositoryUntrusted && holdsStrangers(input, view))
        problems.push({
          code: 'untrusted',
          message: `this repository is not trusted, so nothing that its content chooses is run until you run \`supervisor trust ${worktree.path}\``,
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

const MEND_MISSING =
  'if it was moved, `git worktree repair` where it is now mends that; if it was deleted, `git worktree prune`';

/** Runs of a graph that is not there any more: nothing of them is lost, and somebody should know. */
function lostRuns(input: Reportable, path: string): ReportedProblem[] {
  const { graphs, runs } = input.world;
  const known = new Set(graphs.map((view) => view.graph));
  const lost = runs.filter((run) => run.worktree === path && !known.has(run.graph));
  const [first] = lost;
  if (!first) return [];
  const names = lost.map((run) => run.task).join(', ');
  const message = `its graph ${first.graph} is gone; what came of ${names} is kept and written when it is back`;
  return [{ code: 'graph-gone', message }];
}

/** A state that leaves nothing to count, or null for a worktree whose graph is served through it. */
function worktreeState(
  worktree: Worktree,
  excluded: boolean,
  servedFrom: string | null,
): { state: string; because: string } | null {
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

/** Whether any task is held because its repository is not trusted: one without such tasks asks for nothing. */
function holdsStrangers(input: Reportable, { graph, snapshot }: GraphView): boolean {
  for (const task of unfinishedTasks(snapshot.tasks))
    if (verdictOf(input.decision.verdicts, graph, task.id)?.code === 'untrusted') return true;
  return false;
}

function countTasks(input: Reportable, graph: GraphPath): TaskCounts {
  const counts = zeroCounts();
  const view = input.world.graphs.find((candidate) => candidate.graph === graph);
  for (const task of view?.snapshot.tasks.values() ?? []) {
    const verdict = verdictOf(input.decision.verdicts, graph, task.id);
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
