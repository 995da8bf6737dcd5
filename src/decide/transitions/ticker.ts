// The transitions that only wg's daemon makes, in its order (wg-rules 4.7): without them tasks in these states would
// wait for ever. Decides only; applying checks again on the fresh bytes. Recurring tasks are handled elsewhere.

import { unfinishedTasks } from '../../domain/graph.ts';
import {
  dispositionFields,
  isTerminal,
  satisfiesDependents,
  type Task,
  type TaskDetail,
} from '../../domain/task.ts';
import { graphTime } from '../instant.ts';
import { isPeerReference } from '../readiness/dependencies.ts';
import { cycleMoves } from './cycle-iteration.ts';
import { resurrectionMoves } from './resurrection.ts';
import { counter, type TickerMove, type TickerView, tickerMove } from './ticker-view.ts';
import { waitingMove } from './wait-conditions.ts';

/** What the standing rules require now, and when time alone may make them require more, ms. */
export interface TickerDecision {
  readonly moves: readonly TickerMove[];
  readonly nextAt: number | null;
}

/** Judges the whole graph. At most one move for a task; what follows from a move is found next time. */
export function tickerMoves(view: TickerView): TickerDecision {
  const moves = new Map<string, TickerMove>();
  let nextAt: number | null = null;
  const add = (more: readonly TickerMove[]) => {
    for (const move of more) if (!moves.has(move.task)) moves.set(move.task, move);
  };
  const later = (at: number | null) => {
    if (at !== null) nextAt = nextAt === null ? at : Math.min(nextAt, at);
  };
  for (const task of mayMove(view)) {
    if (task.foreignKeys.length > 0) continue;
    switch (task.status) {
      case 'pending-validation':
        if (!task.tags.includes('human-review')) add([done(task, view, 'pending-validation', 'Validated')]);
        break;
      case 'pending-eval':
        if (isOver(view.tasks.get(`.evaluate-${task.id}`)))
          add([done(task, view, 'pending-eval', 'Evaluated')]);
        break;
      case 'failed-pending-eval':
        add(rescued(task, view));
        break;
      case 'waiting': {
        const detail = view.detail(task.id);
        const found = detail ? waitingMove(detail, view) : null;
        if (found?.move) add([found.move]);
        later(found?.nextAt ?? null);
        break;
      }
      case 'blocked':
        add(unblocked(task, view));
        break;
      case 'done': {
        const detail = view.detail(task.id);
        const found = detail ? resurrectionMoves(detail, view) : null;
        add(found?.moves ?? []);
        later(found?.nextAt ?? null);
        break;
      }
    }
  }
  // A cycle moves as a whole or not at all.
  const cycles = cycleMoves(view);
  if (!cycles.some((move) => moves.has(move.task))) add(cycles);
  return { moves: [...moves.values()], nextAt };
}

/** Of the done tasks, only those with messages can move again; in a large graph very few. */
function* mayMove(view: TickerView): Iterable<Task> {
  yield* unfinishedTasks(view.tasks);
  for (const id of view.addressed) {
    const task = view.tasks.get(id);
    if (task?.status === 'done') yield task;
  }
}

function isOver(evaluation: Task | undefined): boolean {
  return evaluation === undefined || isTerminal(evaluation.status);
}

function done(task: Task, view: TickerView, rule: string, words: string): TickerMove {
  const completed_at = task.completedAt ?? graphTime(view.now);
  const fields = { status: 'done', completed_at, ...dispositionFields(task) };
  return tickerMove(view, task.id, rule, fields, `${words}: task is done`);
}

/** wg waits for ever if no evaluation exists; none would be made here, so the failure is final. */
function rescued(task: Task, view: TickerView): TickerMove[] {
  const detail = view.detail(task.id);
  if (!detail) return [];
  const evaluation = view.tasks.get(`.evaluate-${task.id}`);
  if (!evaluation) return [fails(detail, view, 'there is no evaluation that could rescue it')];
  if (!isTerminal(evaluation.status)) return [];
  const score = view.score(task.id);
  const { evalGateThreshold, gateMaxAttempts } = view.settings;
  if (score !== null && score >= evalGateThreshold) {
    const completed_at = task.completedAt ?? graphTime(view.now);
    const fields = { status: 'done', rescued: true, completed_at, ...dispositionFields(task) };
    return [
      tickerMove(view, task.id, 'failed-pending-eval', fields, `Rescued by its evaluation (score ${score})`),
    ];
  }
  if (score !== null) return [fails(detail, view, `its evaluation scored ${score}`)];
  const attempts = counter(detail, 'meta_eval_attempts');
  if (attempts >= gateMaxAttempts || evaluation.foreignKeys.length > 0)
    return [fails(detail, view, `its evaluation gave no score (${attempts} further attempts)`)];
  return [
    tickerMove(
      view,
      task.id,
      'failed-pending-eval',
      { meta_eval_attempts: attempts + 1 },
      'Its evaluation gave no score; it is asked for again',
    ),
    tickerMove(
      view,
      evaluation.id,
      'failed-pending-eval',
      {
        status: 'open',
        assigned: undefined,
        started_at: undefined,
        completed_at: undefined,
        failure_reason: undefined,
      },
      `Asked for again: ${task.id} has no score yet`,
    ),
  ];
}

function fails(task: TaskDetail, view: TickerView, because: string): TickerMove {
  const fields = { status: 'failed', retry_count: task.retryCount + 1 };
  return tickerMove(view, task.id, 'failed-pending-eval', fields, `Task marked as failed: ${because}`);
}

function unblocked(task: Task, view: TickerView): TickerMove[] {
  if (task.after.length === 0) return [];
  const free = task.after.every((id) => {
    if (isPeerReference(id)) return satisfies(view.peers.get(id));
    const dependency = view.tasks.get(id);
    return dependency === undefined || satisfiesDependents(dependency.status);
  });
  return free
    ? [tickerMove(view, task.id, 'blocked', { status: 'open' }, 'Unblocked: all that it waits for is done')]
    : [];
}

function satisfies(status: string | undefined): boolean {
  return status === 'done' || status === 'abandoned';
}
