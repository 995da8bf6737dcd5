// A person takes a task out of the work: gives it up, or removes its line. Neither touches a task that is being worked
// on, and both say which tasks wait for it.

import { SupervisorError } from '../domain/errors.ts';
import { isTerminal, type Task, type TaskStatus } from '../domain/task.ts';
import type { EditSession, GraphStore } from '../graph/store.ts';
import { isoTime } from '../platform/clock.ts';
import { onlyByWg } from './task-writes.ts';

/** The outcome for the task. */
export interface Fate {
  readonly task: string;
  /** Unfinished tasks that wait for it. */
  readonly dependents: readonly string[];
  /** It was so already; nothing was written. */
  readonly duplicate: boolean;
}

/** wg's own tasks about a task, which go with it. */
const COMPANIONS = ['.assign-', '.evaluate-', '.flip-', '.verify-', '.verify-deferred-'];

/** Gives a task up, as `wg abandon` does. Throws `conflict` for one that is done or being worked on. */
export function abandonTask(
  store: GraphStore,
  id: string,
  { reason, by, now }: { readonly reason?: string; readonly by: string; readonly now: number },
): Promise<Fate> {
  return store.change((draft) => {
    const task = taskOf(draft, id);
    const dependents = dependentsOf(draft, id);
    if (task.status === 'abandoned') return { task: id, dependents, duplicate: true };
    if (task.status === 'done')
      throw new SupervisorError('conflict', `${id} is done; there is nothing to abandon`, {
        hint: `\`supervisor rm ${id}\` removes it from the graph`,
      });
    refuseWork(task);
    if (task.foreignKeys.length > 0) throw onlyByWg(task, 'abandon');
    const given = reason === undefined ? '' : `: ${reason}`;
    const log = { timestamp: isoTime(now), actor: by, message: `Task abandoned${given}` };
    for (const each of [id, ...companionsOf(draft, id)]) {
      draft.patch(each, {
        status: 'abandoned',
        failure_reason: each === id ? reason : `${id} was abandoned`,
        ready_after: undefined,
      });
      draft.appendLog(each, log);
    }
    return { task: id, dependents, duplicate: false };
  });
}

/**
 * Removes a task's line. Throws `conflict` for one that is being worked on, and for one that unfinished tasks wait for
 * unless `force`: then they wait for it no longer.
 */
export function removeTask(store: GraphStore, id: string, force: boolean): Promise<Fate> {
  return store.change((draft) => {
    const task = taskOf(draft, id);
    refuseWork(task);
    const dependents = dependentsOf(draft, id);
    if (dependents.length > 0 && !force)
      throw new SupervisorError('conflict', `${dependents.join(', ')} would wait for ever for ${id}`, {
        hint: `\`supervisor rm --force ${id}\` takes it out of what they wait for`,
        details: { dependents },
      });
    for (const other of [...draft.snapshot.tasks.values()]) {
      if (other.id === id) continue;
      const without = (ids: readonly string[]) => {
        const left = ids.filter((each) => each !== id);
        return left.length > 0 ? left : undefined;
      };
      const fields = {
        ...(other.after.includes(id) && !isTerminal(other.status) ? { after: without(other.after) } : {}),
        ...(other.before.includes(id) ? { before: without(other.before) } : {}),
      };
      if (Object.keys(fields).length > 0) draft.patch(other.id, fields);
    }
    const companions = companionsOf(draft, id);
    for (const each of [id, ...companions]) draft.remove(each);
    return { task: id, dependents, duplicate: false };
  });
}

function taskOf(draft: EditSession, id: string): Task {
  const task = draft.snapshot.tasks.get(id);
  if (!task)
    throw new SupervisorError('not-found', `there is no task ${id}`, {
      hint: '`supervisor list` shows every task',
    });
  return task;
}

/** States in which an agent, or wg's own machinery, has the task. */
const UNDER_WAY: ReadonlySet<TaskStatus> = new Set(['in-progress', 'pending-validation', 'pending-eval']);

function refuseWork({ id, status, assigned }: Task): void {
  if (!UNDER_WAY.has(status)) return;
  throw new SupervisorError(
    'conflict',
    `${id} is ${status}${assigned === undefined ? '' : `: ${assigned} works on it`}`,
    { hint: `\`supervisor cancel ${id}\` ends that first` },
  );
}

function dependentsOf(draft: EditSession, id: string): string[] {
  return [...draft.snapshot.tasks.values()]
    .filter((task) => task.after.includes(id) && !isTerminal(task.status) && !isCompanion(task.id, id))
    .map((task) => task.id);
}

function companionsOf(draft: EditSession, id: string): string[] {
  return COMPANIONS.map((prefix) => prefix + id).filter((each) => {
    const task = draft.snapshot.tasks.get(each);
    return task !== undefined && !isTerminal(task.status) && !UNDER_WAY.has(task.status);
  });
}

function isCompanion(other: string, id: string): boolean {
  return COMPANIONS.some((prefix) => other === prefix + id);
}
