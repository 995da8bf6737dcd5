// The order in which the ready tasks of a graph start: wg's effective priority (wg-rules 4.5).

import { type Tasks, unfinishedTasks } from '../../domain/graph.ts';
import type { TaskId } from '../../domain/ids.ts';
import { isTerminal, type Task } from '../../domain/task.ts';
import { parseInstant } from '../instant.ts';

const DAY_MS = 86_400_000;
/** From normal upwards; while any of it is ready, idle work waits. */
export const NORMAL_PRIORITY = 10;

/** When a task was created, ms; null if it does not say so in wg's format. */
export function madeAt(task: Pick<Task, 'createdAt'>): number | null {
  return task.createdAt === undefined ? null : parseInstant(task.createdAt);
}

/** A priority, one tier higher for every full day since `made`. */
export function agedPriority(priority: number, made: number | null, now: number): number {
  let aged = priority;
  for (let days = fullDays(made, now); days > 0; days--) {
    const higher = nextTier(aged);
    if (higher === aged) break;
    aged = higher;
  }
  return aged;
}

/** When its age raises it next, ms; null if never. */
export function nextAgingAt(priority: number, made: number | null, now: number): number | null {
  const aged = agedPriority(priority, made, now);
  if (made === null || nextTier(aged) === aged) return null;
  return made + (Math.max(0, fullDays(made, now)) + 1) * DAY_MS;
}

function fullDays(made: number | null, now: number): number {
  return made === null ? 0 : Math.floor((now - made) / DAY_MS);
}

/** idle → low → normal → high → critical; high and above stay. */
function nextTier(priority: number): number {
  if (priority <= 0) return 5;
  if (priority <= 5) return 10;
  if (priority <= 10) return 50;
  if (priority <= 50) return 100;
  return priority;
}

/** What a task inherits from its direct dependents: the highest priority of the unfinished ones. */
export function dependentPriorities(tasks: Tasks): ReadonlyMap<TaskId, number> {
  const highest = new Map<TaskId, number>();
  const raise = (id: TaskId, priority: number) => {
    if (priority > (highest.get(id) ?? -1)) highest.set(id, priority);
  };
  for (const task of unfinishedTasks(tasks)) {
    for (const id of task.after) raise(id, task.priority);
    // wg walks the mirrored list, which may know an edge that `after` lost.
    for (const id of task.before) {
      const dependent = tasks.get(id);
      if (dependent && !isTerminal(dependent.status)) raise(task.id, dependent.priority);
    }
  }
  return highest;
}

/** Age and direct dependents counted in. */
export function effectivePriority(
  task: Pick<Task, 'id' | 'priority'>,
  made: number | null,
  now: number,
  dependents: ReadonlyMap<TaskId, number>,
): number {
  return Math.max(agedPriority(task.priority, made, now), dependents.get(task.id) ?? 0);
}

/** What decides which of several tasks starts first. */
export interface Ranked {
  readonly plan: { readonly priority: number };
  readonly task: Task;
  /** ms; null: unknown. */
  readonly made: number | null;
}

/** wg's order: priority, then fewest starts, then oldest, then id, so that the order is stable. */
export function byRank(a: Ranked, b: Ranked): number {
  return (
    b.plan.priority - a.plan.priority ||
    a.task.dispatchCount - b.task.dispatchCount ||
    (a.made ?? 0) - (b.made ?? 0) ||
    (a.task.id < b.task.id ? -1 : 1)
  );
}
