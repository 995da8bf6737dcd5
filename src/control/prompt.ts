// The prompt of a task's agent, as it was sent to the one that works on it, else as the next one would get it.

import { budgetsOf, withBudgets } from '../decide/capacity/budget-state.ts';
import { modelOfPlan } from '../decide/judge/judge.ts';
import { routeTask } from '../decide/routes/route.ts';
import type { World } from '../decide/world.ts';
import { countedTask } from '../domain/counted-task.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { PromptReport } from '../domain/report.ts';
import { isOpenRun } from '../domain/run.ts';
import { promptFile } from '../executors/placeholder-values.ts';
import { lastLinesOf } from '../executors/process/last-lines.ts';
import { renderPrompt } from '../executors/process/prompt.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { worktreeId } from '../platform/identity.ts';
import { readText } from '../platform/regular-file.ts';
import { afterPrevious, dependencyResults, previousRun, wgWords } from '../run/assignment.ts';
import type { LedgerView } from '../runs/ledger-view.ts';
import type { FoundTask } from './find-task.ts';

/** A description may be long; no prompt is longer than the longest graph line. */
const MAX_PROMPT_BYTES = 16 * 1024 * 1024;

/** Throws `graph` if the task has no executor that could be given a prompt, or its graph cannot be reached. */
export async function promptOf(
  { view, task }: FoundTask,
  world: World,
  graphs: SupervisedGraphs,
  ledger: Pick<LedgerView, 'runs' | 'countedAttempts'> | null,
): Promise<PromptReport> {
  const graph = graphs.get(view.graph);
  const detail = graph?.store.detail(task.id);
  if (!graph || !detail) throw new SupervisorError('graph', `${view.graph} cannot be reached`);
  const run = world.runs.find((one) => one.graph === view.graph && one.task === task.id && isOpenRun(one));
  const sent = run?.folder
    ? await readText(promptFile({ folder: run.folder }), { maxBytes: MAX_PROMPT_BYTES })
    : null;
  const of = { task: task.id, worktree: view.worktree };
  if (run && sent !== null) return { ...of, executor: run.executor, run: run.id, prompt: sent };
  const route = routeTask(task, view.profiles, world.config.retry);
  if (!route.routed)
    throw new SupervisorError('graph', `${task.id} has no executor: ${route.because}`, {
      hint: `\`supervisor why ${task.id}\` has every condition`,
    });
  const { profile } = route;
  const createdAt = task.createdAt ?? null;
  const attempt = ledger
    ? ledger.countedAttempts(
        countedTask({ graph: view.graph, task: task.id, createdAt }, view.repo, view.settings),
      ) + 1
    : 1;
  const previous = ledger
    ? previousRun(ledger, { graph: view.graph, task: task.id, taskCreatedAt: createdAt, id: null })
    : null;
  const views = new Map(world.graphs.map((one) => [one.graph, one]));
  const plan = {
    ...{ graph: view.graph, task: task.id, worktree: view.worktree, repo: view.repo, profile },
    ...{ because: route.because, priority: task.priority, occurrence: null },
    ...modelOfPlan(task, profile, view.profiles),
  };
  const { budgetsLeft } = withBudgets(plan, budgetsOf(world, views));
  const after = afterPrevious(detail, profile, previous);
  const facts = {
    task: detail,
    dependencies: dependencyResults(graph.store, detail),
    attempt,
    maxAttempts: profile.retry.attempts,
    worktree: { id: worktreeId(view.graph), path: view.worktree, branch: view.branch, head: null },
    previous: after.previous ?? null,
    budgetsLeft: budgetsLeft ?? [],
    wgWords: wgWords(detail, view),
  };
  const prompt = renderPrompt(facts, await lastLinesOf(facts.previous));
  return { ...of, executor: profile.name, run: null, prompt };
}
