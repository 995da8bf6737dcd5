// Compares the ledger's open runs with the graphs and says what repairs the difference (docs/design/architecture.md
// 6). The graph takes precedence. Applied to a repaired world, it asks for nothing.

import type { GraphPath } from '../../domain/ids.ts';
import type { StopReason } from '../../domain/outcome.ts';
import { isDelivered } from '../../domain/profile.ts';
import type { Run } from '../../domain/run.ts';
import { isTerminal, type Task } from '../../domain/task.ts';
import type { Action, GraphView, World } from '../world.ts';
import { type Doubt, doubtOf, type Loss, lossOf } from './rewind.ts';

/** What brings graphs and ledger into agreement. */
export interface Reconciled {
  /** In the order of the runs. */
  readonly actions: readonly Action[];
  /** Runs whose claim is missing though no one decided so, by id. */
  readonly doubts: ReadonlyMap<string, Doubt>;
}

type Known = Pick<World, 'now' | 'config' | 'runs' | 'attended' | 'graphs' | 'doubts'>;

/** Compares every open run with its graph. */
export function reconcileRuns(world: Known, views = viewsOf(world)): Reconciled {
  const actions: Action[] = [];
  const doubts = new Map<string, Doubt>();
  for (const run of world.runs) {
    const view = views.get(run.graph);
    // An unreadable graph proves nothing, neither that the task is ours nor that it is not.
    if (!view || view.snapshot.problem) continue;
    const isAttended = world.attended.has(run.id);
    const { task, loss } = standingOf(run, view);
    if (loss === 'rewound' || loss === 'gone') {
      const doubt = doubtOf(run.id, world);
      const found = missing(run, task, view, isAttended, { loss, isSure: doubt.until === null });
      if (found !== 'decided') {
        doubts.set(run.id, doubt);
        actions.push(...found);
        continue;
      }
    }
    const action = reconcileRun(run, task, isAttended);
    if (action) actions.push(action);
  }
  return { actions, doubts };
}

function viewsOf({ graphs }: Known): ReadonlyMap<GraphPath, GraphView> {
  return new Map(graphs.map((view) => [view.graph, view]));
}

/** The run's task in the graph, and how it was lost; `loss` null: it was not, or the run has not claimed it yet. */
function standingOf(
  run: Run,
  view: GraphView,
): { readonly task: Task | undefined; readonly loss: Loss | null } {
  const found = view.snapshot.tasks.get(run.task);
  const task = found && isSameTask(found, run) ? found : undefined;
  if (run.phase === 'opened' || isOurs(task, run)) return { task, loss: null };
  if (!found) return { task, loss: 'gone' };
  return { task, loss: task ? lossOf(run, view.detail?.(run.task) ?? null) : 'decided' };
}

/**
 * Handles a claim that is missing though no one decided so: nothing irreversible before a second check, and the agent
 * keeps working.
 */
function missing(
  run: Run,
  task: Task | undefined,
  view: GraphView,
  isAttended: boolean,
  { loss, isSure }: { readonly loss: 'rewound' | 'gone'; readonly isSure: boolean },
): readonly Action[] | 'decided' {
  const isAtWork = run.phase === 'started' || run.phase === 'handed-off';
  const attend: Action[] = isAtWork && !isAttended ? [{ kind: 'attend', run }] : [];
  if (!isSure) return attend;
  const { onRewind } = view.settings;
  // git may bring back what it removed. Otherwise only a person removes a task from a graph.
  if (loss === 'gone') return isAtWork && view.tracked && onRewind !== 'rerun' ? attend : 'decided';
  if (onRewind === 'rerun') return 'decided';
  const mayWrite = task !== undefined && task.foreignKeys.length === 0;
  if (!mayWrite || (onRewind === 'hold' && run.phase !== 'finished')) return attend;
  return [...attend, { kind: 'reclaim', run }];
}

/** Whether the graph says that the run works on the task. */
export function isOurs(task: Task | undefined, run: Run): boolean {
  return (
    task !== undefined &&
    task.status === 'in-progress' &&
    run.agent !== '' &&
    task.assigned === run.agent &&
    isSameTask(task, run)
  );
}

/** A task deleted and created again under the same id is another task. */
export function isSameTask(task: Pick<Task, 'createdAt'>, run: Run): boolean {
  return run.taskCreatedAt === null || task.createdAt === undefined || task.createdAt === run.taskCreatedAt;
}

function reconcileRun(run: Run, task: Task | undefined, attended: boolean): Action | null {
  const ours = isOurs(task, run);
  switch (run.phase) {
    case 'opened':
      if (attended) return null;
      if (ours) return { kind: 'release', run, because: 'it was claimed but never started' };
      return { kind: 'close', run, phase: 'abandoned', because: 'it was never claimed' };
    case 'claimed':
      if (ours) {
        if (attended) return null;
        // Whether the agent has it is unknown: the same message again is harmless, another run would not be.
        if (isDelivered(run.type)) return { kind: 'resume', run };
        return { kind: 'release', run, because: 'it was claimed but never started' };
      }
      if (attended) return stop(run, task);
      return { kind: 'close', run, phase: 'abandoned', because: `never started, and ${standing(run, task)}` };
    case 'started':
    case 'handed-off':
      if (!ours) return stop(run, task);
      return attended ? null : { kind: 'attend', run };
    case 'finished':
      return ours ? settle(run) : closeFinished(run, task);
    default:
      return null;
  }
}

/** The task no longer belongs to the run, so its agent must stop. */
function stop(run: Run, task: Task | undefined): Action {
  return { kind: 'stop', run, reason: stopReasonOf(task), because: standing(run, task) };
}

function stopReasonOf(task: Task | undefined): StopReason {
  switch (task?.status) {
    case undefined:
    case 'open':
    case 'in-progress':
    case 'blocked':
      return 'lost-claim';
    // Finished, or moved on by its own agent's command: parked, incomplete, waiting for an evaluation.
    default:
      return 'overruled';
  }
}

function settle(run: Run): Action {
  const { outcome } = run;
  if (outcome?.kind === 'succeeded' || outcome?.kind === 'failed') return { kind: 'settle', run, outcome };
  const because =
    outcome?.kind === 'deferred' ? outcome.because : `it ended without a result (${outcome?.kind ?? 'none'})`;
  return { kind: 'release', run, because };
}

/** The outcome is known and the graph does not need it: written before a crash, or overruled since. */
function closeFinished(run: Run, task: Task | undefined): Action {
  const because = standing(run, task);
  const written =
    task !== undefined &&
    (isTerminal(task.status) ||
      task.status.startsWith('pending-') ||
      task.status === 'failed-pending-eval' ||
      (task.status === 'open' && run.outcome?.kind !== 'succeeded'));
  if (written) return { kind: 'close', run, phase: 'settled', because };
  return { kind: 'close', run, phase: task?.status === 'in-progress' ? 'superseded' : 'overruled', because };
}

function standing(run: Run, task: Task | undefined): string {
  if (!task) return `task ${run.task} is gone from the graph`;
  if (task.status === 'in-progress')
    return `the graph says that ${task.assigned ?? 'no agent'} works on ${task.id}`;
  return `the graph says that ${task.id} is ${task.status}`;
}
