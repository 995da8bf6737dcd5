// Looks up what the assignment of a run says: its task as it is now, and what became of the attempt before.

import type { Profile } from '../domain/profile.ts';
import type { Assignment } from '../executors/executor.ts';
import { traceOfRun } from '../platform/identity.ts';
import type { Standing } from '../worktrees/standing.ts';
import { type AssignedGraph, buildAssignment, type CallbackAddress } from './assignment.ts';
import type { LiveRun } from './live-run.ts';
import { missingTask } from './missing-task.ts';
import type { RunnerParts } from './run-services.ts';

/** Everything that whoever works on the run needs to know. */
export function assignRun(
  parts: Pick<RunnerParts, 'ledger' | 'config' | 'environment'>,
  live: LiveRun,
  graph: AssignedGraph,
  profile: Profile,
  address: { readonly callback: CallbackAddress; readonly standing: Standing },
): Assignment {
  const { ledger } = parts;
  const { run } = live;
  const task = graph.store.detail(run.task) ?? missingTask(run);
  const previous = ledger
    .runs({ graph: run.graph, task: run.task, limit: 2 })
    .find((earlier) => earlier.id !== run.id && earlier.taskCreatedAt === run.taskCreatedAt);
  const assignment = buildAssignment({
    run,
    profile,
    task,
    graph,
    config: parts.config(),
    ...address,
    token: live.token ?? '',
    signedToken: live.signedToken,
    leaseUntil: live.lease?.expiresAt ?? null,
    traceId: traceOfRun(run.id),
    environment: parts.environment,
    previousFailure: previous?.outcome?.kind === 'failed' ? previous.outcome.message : null,
  });
  return {
    ...assignment,
    // Where it is now: a worktree may be moved under a run, and its folder with it.
    get folder() {
      return live.run.folder ?? assignment.folder;
    },
  };
}
