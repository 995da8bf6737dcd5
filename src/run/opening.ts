// Writes runs down as opened, the first step in the order of writes. Nothing has happened outside the ledger then.

import { SupervisorError } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { tokenHash } from '../platform/identity.ts';
import type { NewRun } from '../runs/run-row.ts';
import { LiveRun } from './live-run.ts';
import type { RunnerParts } from './run-services.ts';
import { signedTokenOf } from './run-tokens.ts';

/** Opens a run for each plan, all in one write: the run, or what it was refused for. Throws when nothing was written. */
export function openRuns(parts: RunnerParts, plans: readonly Plan[]): (LiveRun | SupervisorError)[] {
  const { ledger, clock, identity, tokens } = parts;
  const now = clock.now();
  const begun = plans.map((plan) => {
    const id = identity.runId(now);
    return { run: newRun(parts, plan, id), token: tokens.of('wgl_', id) };
  });
  const opened = ledger.openAll(begun.map(({ run, token }) => [run, tokenHash(token)] as const));
  return opened.map((run, n) => {
    if (run instanceof SupervisorError) return run;
    const live = new LiveRun(run, begun[n]?.token ?? null, now);
    live.signedToken = signedTokenOf(parts, run);
    return live;
  });
}

function newRun({ ledger, graphs }: RunnerParts, plan: Plan, id: string): NewRun {
  const task = graphs.get(plan.graph)?.store.snapshot().tasks.get(plan.task);
  const taskCreatedAt = task?.createdAt ?? null;
  return {
    id,
    graph: plan.graph,
    task: plan.task,
    taskCreatedAt,
    worktree: plan.worktree,
    repo: plan.repo,
    executor: plan.profile.name,
    type: plan.profile.type,
    because: plan.because,
    attempt: ledger.countedAttempts(plan.graph, plan.task, taskCreatedAt) + 1,
    occurrence: plan.occurrence,
  };
}
