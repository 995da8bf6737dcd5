// What of an earlier judgement of a graph still stands after some of its tasks changed: in a large graph, nearly all.

import { changedTasks, type Tasks } from '../domain/graph.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Task } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import { isStartable } from './judged-inputs.ts';
import type { ReadinessView } from './readiness-view.ts';

/** What a judgement leaves for the next one. */
export interface Judged {
  readonly tasks: Tasks;
  readonly verdicts: ReadonlyMap<TaskId, Verdict>;
  /** Tasks of which something else may be said though no task changes: by time, schedules, peers, or as they start. */
  readonly passing: ReadonlySet<TaskId>;
  readonly isBackEdge: ReadinessView['isBackEdge'];
}

/** The gate that an evaluation holds is on the task that it evaluates. */
const EVALUATION = '.evaluate-';

export class StandingVerdicts {
  readonly #before: Judged;
  /** Tasks that changed, or whose evaluation did. */
  readonly #touched: Set<TaskId>;
  /** The back-edges are those of the earlier judgement. */
  readonly sameBackEdges: boolean;

  constructor(before: Judged, tasks: Tasks) {
    const changed = changedTasks(before.tasks, tasks);
    this.#before = before;
    this.#touched = new Set(changed);
    for (const id of changed) if (id.startsWith(EVALUATION)) this.#touched.add(id.slice(EVALUATION.length));
    this.sameBackEdges = !mayTurnEdges(before.tasks, tasks, changed);
  }

  /** What was said of the task, if it still stands. */
  of(task: Task): Verdict | undefined {
    if (this.#touched.has(task.id) || this.#before.passing.has(task.id)) return undefined;
    // Of what cannot be started nothing is said that looks at other tasks.
    const standsAlone = !isStartable(task) || task.after.length === 0;
    if (standsAlone || (this.sameBackEdges && !task.after.some((id) => this.#touched.has(id))))
      return this.#before.verdicts.get(task.id);
    return undefined;
  }
}

/** Only a task that waits for others now or did before, and that others wait for, can have a part in a cycle. */
function mayTurnEdges(before: Tasks, now: Tasks, changed: ReadonlySet<TaskId>): boolean {
  const moved = new Set<TaskId>();
  for (const id of changed) {
    const old = before.get(id)?.after ?? [];
    const fresh = now.get(id)?.after ?? [];
    if (old.length !== fresh.length || old.some((dependency, i) => dependency !== fresh[i])) moved.add(id);
  }
  if (moved.size === 0) return false;
  for (const tasks of [before, now])
    for (const task of tasks.values()) if (task.after.some((id) => moved.has(id))) return true;
  return false;
}
