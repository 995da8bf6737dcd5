// Which task a request names, and whether its token may access it. A run's token is valid for that run's task only;
// for it a bare id always means its own graph, however many worktrees have the same id.

import type { Caller, SupervisorControl, TaskQuery } from '../../control/control.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { worktreeId } from '../../platform/identity.ts';
import { ApiProblem } from './problem.ts';
import type { Access, CallerAccess, RunAccess } from './security.ts';

/** The task a request may act on, and as whom. */
export interface TaskAccess {
  readonly query: TaskQuery;
  readonly caller: Caller;
}

/** The name of a token that reports only on what it claimed; null for the operator. */
export function holderOf({ name, scope }: CallerAccess): string | null {
  return scope === 'operator' ? null : name;
}

/** The task of a run that a named token claimed, reported on as by the run itself. Throws `forbidden` for others. */
export async function heldTask(
  control: Pick<SupervisorControl, 'heldRun'>,
  named: TaskQuery,
  holder: string,
): Promise<TaskAccess> {
  const held = await control.heldRun(named, holder);
  if (held === null)
    throw new ApiProblem('forbidden', `The token ${holder} reports only on what it claimed.`, {
      hint: 'claim the task first, or use the token that came with it',
    });
  return { query: { task: held.task, worktree: held.graph }, caller: { kind: 'run', run: held.run } };
}

/**
 * `reports`: the request says something about the work. Throws `forbidden` if a run's token is used for another task, or for one
 * that does not exist, and if a named token reports on what it did not claim.
 */
export async function accessTask(
  control: Pick<SupervisorControl, 'task' | 'heldRun'>,
  access: Exclude<Access, { kind: 'unknown' }>,
  named: TaskQuery,
  { reports }: { readonly reports: boolean },
): Promise<TaskAccess> {
  if (access.kind === 'caller') {
    const holder = reports ? holderOf(access) : null;
    return holder === null
      ? { query: named, caller: { kind: 'operator' } }
      : await heldTask(control, named, holder);
  }
  if (!(await isOwnTask(control, access, named)))
    throw new ApiProblem('forbidden', 'This token is good for the task of its own run only.', {
      hint: 'use the callback URLs that came with the task',
    });
  return {
    query: { task: access.task, worktree: access.graph },
    caller: { kind: 'run', run: access.run },
  };
}

async function isOwnTask(
  control: Pick<SupervisorControl, 'task'>,
  access: RunAccess,
  named: TaskQuery,
): Promise<boolean> {
  const bare = named.task === access.task;
  // A foreign id is refused without a lookup, so that a token cannot find out what exists.
  if (!bare && !named.task.endsWith(`~${access.task}`)) return false;
  if (bare && named.worktree === undefined) return true;
  // Its own machine-wide id and its own graph are its own even if the graph is unreadable now, and under the path it
  // was told: what then happens to a result is decided elsewhere.
  const isOwn = [access.graph, ...(access.formerGraphs ?? [])].some(
    (graph) =>
      (bare || named.task === `${worktreeId(graph)}~${access.task}`) &&
      (named.worktree === undefined || named.worktree === graph),
  );
  if (isOwn) return true;
  try {
    const found = await control.task(named);
    return found.task === access.task && found.graph === access.graph;
  } catch (thrown) {
    // A run must not find out about other worktrees and tasks.
    if (thrown instanceof SupervisorError) return false;
    throw thrown;
  }
}
