// The same change to many tasks: one write for each graph, and what cannot be done is said of its task alone.

import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import { editTaskIn, type TaskRequest } from '../graphs/authoring.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { TaskQuery } from './control.ts';
import type { CurrentTasks } from './current-tasks.ts';

/** How it ended for one of them; `because`: null where it was done. */
export interface EditedTask {
  /** As it was named. */
  readonly query: TaskQuery;
  readonly task: TaskId;
  readonly worktree: string | null;
  readonly because: string | null;
}

/** Changes the tasks; gives a result for each, in order. */
export async function editMany(
  parts: { readonly tasks: CurrentTasks; readonly graphs: Pick<SupervisedGraphs, 'require'> },
  queries: readonly TaskQuery[],
  request: TaskRequest,
): Promise<readonly EditedTask[]> {
  const results = new Map<TaskQuery, EditedTask>();
  const byGraph = new Map<GraphPath, { query: TaskQuery; task: TaskId; worktree: string }[]>();
  for (const query of queries)
    try {
      const { view, task } = parts.tasks.find(query);
      const known = byGraph.get(view.graph) ?? [];
      known.push({ query, task: task.id, worktree: view.worktree });
      byGraph.set(view.graph, known);
    } catch (thrown) {
      results.set(query, { query, task: query.task, worktree: null, because: refusal(thrown) });
    }
  for (const [graph, found] of byGraph) {
    try {
      await parts.graphs.require(graph).store.change((draft) => {
        for (const each of found)
          try {
            editTaskIn(draft, each.task, request);
            results.set(each.query, { ...each, because: null });
          } catch (thrown) {
            results.set(each.query, { ...each, because: refusal(thrown) });
          }
      });
    } catch (thrown) {
      const because = refusal(thrown);
      for (const each of found) results.set(each.query, { ...each, because });
    }
  }
  return queries.flatMap((query) => results.get(query) ?? []);
}

function refusal(thrown: unknown): string {
  if (!(thrown instanceof SupervisorError)) throw thrown;
  return messageOf(thrown);
}
