// Compares the ledger's open runs with what the graphs say, and says what heals the difference (docs/design/architecture.md 6). The
// graph outranks us. Applied to a world that it has healed, it asks for nothing.

import type { StopReason } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import { isTerminal, type Task } from '../domain/task.ts';
import type { Action, GraphView, World } from './world.ts';

/** What brings graphs and ledger together again, in the order of the runs. */
export function reconcileRuns(world: Pick<World, 'runs' | 'attended' | 'graphs'>): Action[] {
  const views = new Map(world.graphs.map((view) => [view.graph, view]));
  return world.runs.flatMap((run) => {
    const view = views.get(run.graph);
    // What cannot be read just now says nothing: neither that the task is ours nor that it is not.
    if (!view || view.snapshot.problem) return [];
    const action = reconcileRun(run, view, world.attended.has(run.id));
    return action ? [action] : [];
  });
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

/** A task that was deleted and made anew under the same id is another one. */
function isSameTask(task: Task, run: Run): boolean {
  return run.taskCreatedAt === null || task.createdAt === undefined || task.createdAt === run.taskCreatedAt;
}

function reconcileRun(run: Run, view: GraphView, attended: boolean): Action | null {
  const found = view.snapshot.tasks.get(run.task);
  const task = found && isSameTask(found, run) ? found : undefined;
  const ours = isOurs(task, run);
  switch (run.phase) {
    case 'opened':
      if (attended) return null;
      if (ours) return { kind: 'release', run, because: 'it was claimed but never started' };
      return { kind: 'close', run, phase: 'abandoned', because: 'it was never claimed' };
    case 'claimed':
      if (ours) {
        if (attended) return null;
        // Whether the agent has it is not known: the same message again is harmless, another run would not be.
        if (run.type === 'http') return { kind: 'resume', run };
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

/** The task is no longer the run's, so its agent has no business to go on. */
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
    // Over, or moved on by a word of its own agent: parked, incomplete, waiting for a judgement.
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

/** The outcome is known and the graph does not wait for it: written before a crash, or overruled since. */
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
    return `the graph says that ${task.assigned ?? 'nobody'} works on ${task.id}`;
  return `the graph says that ${task.id} is ${task.status}`;
}
