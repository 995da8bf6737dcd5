// Which task a request means, and whether its token may touch that task. A run's token is good for the task of that
// run alone; for it a bare id always means its own graph, however many worktrees carry the same id.

import type { Caller, SupervisorControl, TaskQuery } from '../control/control.ts';
import { SupervisorError } from '../domain/errors.ts';
import { worktreeId } from '../platform/identity.ts';
import { ApiProblem } from './problem.ts';
import type { Access, RunAccess } from './security.ts';

/** The task a request may act upon, and as whom. */
export interface TaskAccess {
  readonly query: TaskQuery;
  readonly caller: Caller;
}

/** Throws `forbidden` when a run's token is used for another task, or for one that is not there. */
export async function accessTask(
  control: Pick<SupervisorControl, 'task'>,
  access: Exclude<Access, { kind: 'unknown' }>,
  named: TaskQuery,
): Promise<TaskAccess> {
  if (access.kind === 'caller') return { query: named, caller: { kind: 'operator' } };
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
  // A foreign id is refused without being looked up, so that a token cannot find out what exists.
  if (!bare && !named.task.endsWith(`~${access.task}`)) return false;
  if (bare && named.worktree === undefined) return true;
  // Its own machine-wide id and its own graph are its own whether or not the graph can be read just now, and under the
  // path that it was told: what then becomes of a result is not for this piece to say.
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
    // Which worktrees and tasks there are besides its own is not for a run to find out.
    if (thrown instanceof SupervisorError) return false;
    throw thrown;
  }
}
