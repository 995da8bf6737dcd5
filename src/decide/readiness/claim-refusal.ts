// Checked again under the graph's lock, on the fresh bytes: may this task still be claimed? Uses the same predicates
// as deciding, for one task.

import type { Snapshot } from '../../domain/graph.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { Task } from '../../domain/task.ts';
import { type Copies, findCopies } from '../reconcile/identity.ts';
import { cameBackIn } from '../reconcile/known-results.ts';
import { enderOf } from '../reconcile/rewind.ts';
import type { GraphView, World } from '../world.ts';
import { assessReadiness, readinessView } from './readiness.ts';

/** Why the task may not be claimed, in one sentence; null: it may. `view` has the fresh snapshot. */
export function claimRefusal(
  world: Pick<World, 'now' | 'graphs' | 'peers' | 'results'>,
  view: GraphView,
  id: TaskId,
): string | null {
  const task = view.snapshot.tasks.get(id);
  if (!task) return 'the task is gone';
  const { copies, here } = copiesAround(world.graphs, view, task);
  const copy = copies.holdOf(here, task);
  if (copy) return copy.because;
  const back = view.settings.onRewind === 'rerun' ? null : cameBackIn(view, id, world.results);
  if (back) return `an older line of it came back (git?): ${enderOf(back.known)} has ended it already`;
  const readiness = assessReadiness(
    task,
    readinessView(view.snapshot.tasks, world.now, {
      peers: view.peers ?? world.peers,
      wgOnPath: view.wgOnPath ?? false,
      ...(view.wgCan === undefined ? {} : { wgCan: view.wgCan }),
      statusElsewhere: (dependency) => copies.statusElsewhere(here, dependency),
    }),
  );
  return readiness.ready ? null : readiness.because;
}

/** The copies of one task and of what it waits for; `here` is the view to ask them with. */
export function copiesAround(
  graphs: World['graphs'],
  view: GraphView,
  task: Task,
): { readonly copies: Copies; readonly here: GraphView } {
  const related = [task.id, ...task.after, ...task.after.map((dependency) => `.evaluate-${dependency}`)];
  const few = graphs
    .filter((other) => other.repo === view.repo)
    .map((other) => ({
      ...other,
      snapshot: onlyTasks(other.graph === view.graph ? view.snapshot : other.snapshot, related),
    }));
  return { copies: findCopies(few), here: few.find((other) => other.graph === view.graph) ?? view };
}

function onlyTasks(snapshot: Snapshot, ids: readonly TaskId[]): Snapshot {
  const tasks = new Map<TaskId, Task>();
  for (const id of ids) {
    const task = snapshot.tasks.get(id);
    if (task) tasks.set(id, task);
  }
  return { ...snapshot, tasks };
}
