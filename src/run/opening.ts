// The start of a run in the ledger: its row, and the tokens of its worker.

import { countedTask } from '../domain/counted-task.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { asksService, isHold } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Clock } from '../platform/clock.ts';
import { type Identity, type RunTokens, tokenHash } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';
import { CANCELLED } from '../runs/old-runs.ts';
import type { NewRun } from '../runs/run-row.ts';
import { LiveRun } from './live-run.ts';

interface OpeningNeeds {
  readonly clock: Clock;
  readonly identity: Pick<Identity, 'runId'>;
  readonly tokens: RunTokens;
  readonly ledger: Ledger;
  readonly graphs: Pick<SupervisedGraphs, 'get'>;
}

/** Opens a run for each plan, all in one write: the run, or why it was refused. Throws if nothing was written. */
export function openRuns(parts: OpeningNeeds, plans: readonly Plan[]): (LiveRun | SupervisorError)[] {
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

function newRun({ ledger, graphs }: OpeningNeeds, plan: Plan, id: string): NewRun {
  const graph = graphs.get(plan.graph);
  const taskCreatedAt = graph?.store.snapshot().tasks.get(plan.task)?.createdAt ?? null;
  const of = countedTask({ ...plan, createdAt: taskCreatedAt }, plan.repo, graph?.settings);
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
    attempt: ledger.countedAttempts(of) + 1,
    occurrence: plan.occurrence,
  };
}

/** A run that an earlier supervisor began, attended to from now on. */
export function attendAgain(parts: Pick<OpeningNeeds, 'clock' | 'tokens' | 'ledger'>, run: Run): LiveRun {
  const live = new LiveRun(run, tokenAgain(parts, run), parts.clock.now());
  const cancelled = parts.ledger.meta(`${CANCELLED}${run.id}`);
  if (cancelled !== null) live.stop('cancelled', cancelled);
  return live;
}

/**
 * The token of a run that an earlier supervisor began: the one the remote side knows, or an additional one if the key
 * was lost. Null for a local process, which has it in its environment.
 */
function tokenAgain({ tokens, ledger }: Pick<OpeningNeeds, 'tokens' | 'ledger'>, run: Run): string | null {
  if (!asksService(run.type)) return null;
  const token = tokens.of('wgl_', run.id);
  ledger.addToken(run.id, tokenHash(token));
  return token;
}

/** The token of the pre-signed URL of external work; null for a local process. */
export function signedTokenOf(
  { tokens, ledger }: Pick<OpeningNeeds, 'tokens' | 'ledger'>,
  run: Run,
): string | null {
  if (!asksService(run.type) && !isHold(run.type)) return null;
  const token = tokens.of('wgc_', run.id);
  ledger.addToken(run.id, tokenHash(token));
  return token;
}
