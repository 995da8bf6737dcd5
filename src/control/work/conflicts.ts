// Why a report on a run is no longer accepted: a newer attempt, a cancelled or missing task, an earlier report. Each
// refusal contains the final state, so that the caller need not ask for it. A `code` among the details is the problem code that
// callers see, and decides the HTTP status (api/request/problem.ts).

import { SupervisorError } from '../../domain/errors.ts';
import type { Run } from '../../domain/run.ts';
import type { Ledger } from '../../runs/ledger.ts';

/** A newer attempt has the task: reports of an older one are ignored. */
export function superseded(run: Run, latest: Run): SupervisorError {
  return new SupervisorError(
    'superseded',
    `attempt ${run.attempt} of ${run.task} was superseded by a newer one`,
    {
      hint: 'stop working on it; the newer attempt will finish it',
      details: {
        task_id: run.task,
        current_attempt: latest.attempt,
        current_run: latest.id,
        current_fence: latest.fence,
      },
    },
  );
}

/** No newer attempt has it, but the graph no longer says that it is this one's. */
export function takenAway(
  run: Run,
  task: { readonly status: string | null; readonly assigned?: string },
): SupervisorError {
  const { status, assigned } = task;
  const how =
    status === 'in-progress' && assigned !== undefined
      ? `the graph gives it to ${assigned}`
      : `it is ${status ?? 'gone'}`;
  return new SupervisorError('superseded', `${run.task} was taken away from this attempt: ${how}`, {
    hint: `stop working on it; \`supervisor why ${run.task}\` says how it stands`,
    details: {
      task_id: run.task,
      current_attempt: run.attempt,
      current_run: run.id,
      current_fence: run.fence,
      state: status,
    },
  });
}

/** The task was cancelled while the worker had it. `state`: the task's status now. */
export function taskCancelled(run: Run, state: string): SupervisorError {
  return new SupervisorError('conflict', `${run.task} was cancelled`, {
    hint: 'stop working on it; `supervisor retry` starts it again',
    details: { code: 'task-cancelled', task_id: run.task, state },
  });
}

/** The task is gone from its graph. */
export function taskRemoved(run: Run): SupervisorError {
  return new SupervisorError('not-found', `${run.task} is gone from its graph`, {
    hint: 'stop working on it; asking again does not help',
    details: { code: 'task-removed', task_id: run.task, state: run.outcome?.kind ?? run.phase },
  });
}

/** The same attempt reported the opposite before. */
export function contradiction(run: Run): SupervisorError {
  return new SupervisorError(
    'conflict',
    `this attempt of ${run.task} was reported as ${run.outcome?.kind} already`,
    { details: { code: 'already-terminal', task_id: run.task, state: run.outcome?.kind ?? run.phase } },
  );
}

/** The run is no longer active, and has no result. */
export function notClaimed(run: Run): SupervisorError {
  return new SupervisorError('conflict', `the lease of ${run.task} expired, and it was released`, {
    hint: 'claim it again; a result that is ready now is still accepted while no other worker has it',
    details: { code: 'not-claimed', task_id: run.task, state: run.phase },
  });
}

/** Another worker has the task. `how`: the rest of the sentence. */
export function alreadyClaimed(task: string, how: string): SupervisorError {
  return new SupervisorError('conflict', `${task} ${how}`, {
    details: { code: 'already-claimed', task_id: task },
  });
}

/** There is no open run of the task. */
export function nothingUnderWay(task: string): SupervisorError {
  return new SupervisorError('conflict', `no run of ${task} is under way`, {
    hint: `\`supervisor why ${task}\` says how it stands`,
  });
}

/** Whether the run was cancelled on request. */
export function wasCancelled({ outcome }: Run): boolean {
  return outcome?.kind === 'stopped' && outcome.reason === 'cancelled';
}

/** The newest run of a task that actually claimed it. */
export function newestRun(ledger: Pick<Ledger, 'runs'>, run: Pick<Run, 'graph' | 'task'>): Run | null {
  const runs = ledger.runs({ graph: run.graph, task: run.task, limit: 20 });
  return runs.find((one) => one.phase !== 'abandoned') ?? null;
}
