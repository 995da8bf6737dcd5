// What of an earlier judgement is still valid after some tasks changed: in a large graph, nearly all.

import { changedIds, type Tasks, unfinishedTasks } from '../../domain/graph.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { Steps } from '../../domain/steps.ts';
import type { Task } from '../../domain/task.ts';
import type { ReadinessView } from '../readiness/readiness-view.ts';
import { isStartable } from './cache-validity.ts';
import type { GraphVerdicts } from './graph-verdicts.ts';

/** What a judgement leaves for the next one. */
export interface Judged {
  readonly tasks: Tasks;
  readonly verdicts: GraphVerdicts;
  /** Tasks whose verdict may change though no task does: by time, schedules, peers, or as they start. */
  readonly passing: ReadonlySet<TaskId>;
  readonly isBackEdge: ReadinessView['isBackEdge'];
}

/** What must be judged again. */
export interface Rejudge {
  readonly tasks: Iterable<Task>;
  /** The back-edges are those of the earlier judgement. */
  readonly sameBackEdges: boolean;
}

/** The gate of an evaluation blocks the dependents of the task it evaluates. */
const EVALUATION = '.evaluate-';

/** Beyond this many changed tasks, and this share of all, all are judged again: that is quicker than to find out which. */
const FEW = 2048;
const SHARE = 8;
/** Tasks looked at between two pauses. */
const TASKS_A_STEP = 512;

/** The tasks whose verdict may differ from the earlier judgement; null: too many to be distinguished. */
export function* toJudgeAgain(before: Judged, tasks: Tasks): Steps<Rejudge | null> {
  const changed = yield* fewChanged(before.tasks, tasks);
  if (!changed) return null;
  const touched = new Set(changed);
  for (const id of changed) if (id.startsWith(EVALUATION)) touched.add(id.slice(EVALUATION.length));
  const sameBackEdges = !(yield* mayTurnEdges(before.tasks, tasks, changed));
  const again = new Map<TaskId, Task>();
  let looked = 0;
  for (const ids of [changed, before.passing])
    for (const id of ids) {
      const task = tasks.get(id);
      if (task) again.set(id, task);
      if (++looked % TASKS_A_STEP === 0) yield;
    }
  // The verdict of a task that cannot start depends on no other task.
  for (const task of unfinishedTasks(tasks)) {
    if (++looked % TASKS_A_STEP === 0) yield;
    if (isStartable(task) && task.after.length > 0)
      if (!sameBackEdges || task.after.some((id) => touched.has(id))) again.set(task.id, task);
  }
  return { tasks: again.values(), sameBackEdges };
}

function* fewChanged(before: Tasks, now: Tasks): Steps<ReadonlySet<TaskId> | null> {
  const changed = new Set<TaskId>();
  for (const id of changedIds(before, now)) {
    changed.add(id);
    if (changed.size > FEW + now.size / SHARE) return null;
    if (changed.size % TASKS_A_STEP === 0) yield;
  }
  return changed;
}

/**
 * Only a task that has (or had) both dependencies and dependents can be part of a cycle. One that came or went may be where
 * a cycle is entered, which decides the edge that closes it.
 */
function* mayTurnEdges(before: Tasks, now: Tasks, changed: ReadonlySet<TaskId>): Steps<boolean> {
  const moved = new Set<TaskId>();
  for (const id of changed) {
    const old = before.get(id)?.after;
    const fresh = now.get(id)?.after;
    if (!old || !fresh || old.length !== fresh.length || old.some((dependency, i) => dependency !== fresh[i]))
      moved.add(id);
  }
  if (moved.size === 0) return false;
  let looked = 0;
  for (const tasks of [before, now])
    for (const task of tasks.values()) {
      if (++looked % TASKS_A_STEP === 0) yield;
      if (task.after.some((id) => moved.has(id))) return true;
    }
  return false;
}
