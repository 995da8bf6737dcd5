// The tasks around a task: some steps up to what it waits for and down to what waits for it, never more than can be
// looked at, with counts of what lies beyond. Pure.

import { verdictOf } from '../../decide/judge/verdicts.ts';
import type { Decision, GraphView } from '../../decide/world.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { NeighbourReport, NeighboursReport } from '../../domain/overview.ts';
import { isTerminal } from '../../domain/task.ts';

/** How far to look. */
export interface Reach {
  readonly up: number;
  readonly down: number;
  /** At most this many tasks, the nearest first. */
  readonly limit: number;
}

/** The neighbourhood of a task of the graph. */
export function neighboursOf(
  view: GraphView,
  decision: Decision,
  focus: TaskId,
  reach: Reach,
): NeighboursReport {
  const { tasks } = view.snapshot;
  const before = (id: TaskId) => (tasks.get(id)?.after ?? []).filter((one) => tasks.has(one));
  const dependents = dependentsOf(view);
  const after = (id: TaskId) => dependents.get(id) ?? [];
  const shown = new Map<TaskId, number>([[focus, 0]]);
  walk(focus, before, reach.up, -1, shown, reach.limit);
  walk(focus, after, reach.down, 1, shown, reach.limit);
  const critical = criticalPath(view, dependents, focus);
  const nodes = [...shown].map(([id, depth]): NeighbourReport => {
    const task = tasks.get(id);
    const verdict = verdictOf(decision.verdicts, view.graph, id);
    return {
      task: id,
      title: (task?.title ?? id).slice(0, 500),
      status: task?.status ?? 'open',
      state: verdict?.state ?? 'waiting',
      code: verdict?.code ?? '',
      because: (verdict?.because ?? '').slice(0, 500),
      depth,
      hidden_up: before(id).filter((one) => !shown.has(one)).length,
      hidden_down: after(id).filter((one) => !shown.has(one)).length,
      critical: critical.has(id),
    };
  });
  const edges = nodes.flatMap(({ task }) =>
    before(task)
      .filter((one) => shown.has(one))
      .map((from) => ({ from, to: task, critical: critical.has(from) && critical.has(task) })),
  );
  return { task: focus, worktree: view.worktree, nodes, edges, critical_tasks: critical.size };
}

function walk(
  from: TaskId,
  next: (id: TaskId) => readonly TaskId[],
  steps: number,
  direction: 1 | -1,
  shown: Map<TaskId, number>,
  limit: number,
): void {
  let edge = [from];
  for (let step = 1; step <= steps && edge.length > 0; step++) {
    const found: TaskId[] = [];
    for (const id of edge)
      for (const one of next(id)) {
        if (shown.has(one) || shown.size >= limit) continue;
        shown.set(one, step * direction);
        found.push(one);
      }
    edge = found;
  }
}

function dependentsOf({ snapshot }: GraphView): ReadonlyMap<TaskId, readonly TaskId[]> {
  const found = new Map<TaskId, TaskId[]>();
  for (const { id, after } of snapshot.tasks.values())
    for (const one of after) {
      const list = found.get(one);
      if (list) list.push(id);
      else found.set(one, [id]);
    }
  return found;
}

/** The longest chain of unfinished tasks through a task: what its end takes at least, counted in tasks. */
function criticalPath(
  { snapshot }: GraphView,
  dependents: ReadonlyMap<TaskId, readonly TaskId[]>,
  focus: TaskId,
): ReadonlySet<TaskId> {
  const isOpen = (id: TaskId) => {
    const task = snapshot.tasks.get(id);
    return task !== undefined && !isTerminal(task.status);
  };
  if (!isOpen(focus)) return new Set();
  const up = longest(focus, (id) => (snapshot.tasks.get(id)?.after ?? []).filter(isOpen));
  const down = longest(focus, (id) => (dependents.get(id) ?? []).filter(isOpen));
  return new Set([...up, ...down]);
}

/** The longest way from a task; one that leads back to itself is not followed. */
function longest(from: TaskId, next: (id: TaskId) => readonly TaskId[]): TaskId[] {
  const best = new Map<TaskId, { readonly length: number; readonly next: TaskId | null }>();
  const open = new Set<TaskId>();
  // By hand: a chain may be longer than the stack is deep.
  const stack: { readonly id: TaskId; readonly rest: TaskId[] }[] = [{ id: from, rest: [...next(from)] }];
  open.add(from);
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const one = top.rest.pop();
    if (one === undefined) {
      const ways = next(top.id).flatMap((id) => {
        const known = best.get(id);
        return known ? [{ length: known.length + 1, next: id }] : [];
      });
      const way = ways.reduce((a, b) => (b.length > a.length ? b : a), {
        length: 1,
        next: null as TaskId | null,
      });
      best.set(top.id, way);
      open.delete(top.id);
      stack.pop();
    } else if (!best.has(one) && !open.has(one)) {
      open.add(one);
      stack.push({ id: one, rest: [...next(one)] });
    }
  }
  const chain: TaskId[] = [];
  for (let at: TaskId | null = from; at !== null; at = best.get(at)?.next ?? null) {
    if (chain.includes(at)) break;
    chain.push(at);
  }
  return chain;
}
