// Every task with its verdict, looked up once for all the parts of a report: the words of a task that waits for room are
// made whenever they are asked for.

import { verdictOf } from '../../decide/judge/verdicts.ts';
import type { Decision, World } from '../../decide/world.ts';
import type { GraphPath } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';

/** `verdict`: absent for a task that was not judged yet. */
export interface JudgedTask {
  readonly task: Task;
  readonly verdict: Verdict | undefined;
}

/** The tasks of each graph, in the order of the graph. */
export type JudgedTasks = ReadonlyMap<GraphPath, readonly JudgedTask[]>;

/** The tasks as a decision judges them. */
export function judgedTasks({
  world,
  decision,
}: {
  readonly world: Pick<World, 'graphs'>;
  readonly decision: Pick<Decision, 'verdicts'>;
}): JudgedTasks {
  return new Map(
    world.graphs.map(({ graph, snapshot }) => [
      graph,
      Array.from(snapshot.tasks.values(), (task) => ({
        task,
        verdict: verdictOf(decision.verdicts, graph, task.id),
      })),
    ]),
  );
}
