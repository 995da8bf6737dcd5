// Which events people are notified of, and the text. Pure: an event goes in, a notification comes out.

import type { NotifyEvent } from '../domain/config.ts';
import type { Event } from '../domain/event.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Verdict } from '../domain/verdict.ts';
import { isoTime } from '../platform/clock.ts';
import { worktreeId } from '../platform/identity.ts';

/** Something that happened and is sent once. */
export interface Notification {
  readonly type: NotifyEvent | 'digest';
  /** Two with the same key and type are the same transition. */
  readonly key: string;
  /** The run it is about, if any. */
  readonly run: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The notification for an event; null: none. */
export function notificationOf(event: Event): Notification | null {
  switch (event.name) {
    case 'run.started':
    case 'run.handed-off':
      return aboutRun('task.started', event, {});
    case 'run.settled':
      return aboutOutcome(event, event.outcome, event.status);
    case 'run.stale':
      return aboutRun(
        'task.stale',
        event,
        { because: event.because, action: event.action },
        isoTime(event.at),
      );
    case 'run.input':
      return aboutRun(
        'task.input_required',
        event,
        { question: event.question, options: event.options },
        isoTime(event.at),
      );
    case 'run.answered':
      return aboutRun(
        'task.input_answered',
        event,
        { question: event.question, answer: event.answer },
        isoTime(event.at),
      );
    case 'graph.problem':
      return problem('graph', `${event.graph}: ${event.message}`);
    case 'config.rejected':
      return problem('config', event.message);
    case 'watch.degraded':
      return problem('watch', event.message);
    default:
      return null;
  }
}

/** The notification for a finished run. */
export function aboutOutcome(run: RunFacts, outcome: Outcome, status: string): Notification | null {
  if (outcome.kind === 'succeeded') return aboutRun('task.completed', run, { outcome, status });
  if (outcome.kind !== 'failed') return null;
  return aboutRun(status === 'open' ? 'task.retrying' : 'task.failed', run, { outcome, status });
}

/** The notification of a cancelled run for the page that waits for it. */
export function aboutCancelled(run: RunFacts, outcome: Outcome, status: string): Notification {
  return aboutRun('task.failed', run, { outcome, status });
}

/** A task that has been held for too long. `since` in ms. */
export function aboutHeld(verdict: Verdict, worktree: string, since: number): Notification {
  return {
    type: 'task.held',
    key: `${verdict.graph} ${verdict.task} ${verdict.code} ${since}`,
    run: null,
    data: {
      task: `${worktreeId(verdict.graph)}~${verdict.task}`,
      local_id: verdict.task,
      worktree,
      code: verdict.code,
      because: verdict.because,
      held_since: isoTime(since),
      next_at: verdict.nextAt === null ? null : isoTime(verdict.nextAt),
    },
  };
}

interface RunFacts {
  readonly run: string;
  readonly graph: string;
  readonly task: string;
  readonly worktree: string;
  readonly executor: string;
  readonly attempt: number;
  readonly external_ref?: string;
}

function aboutRun(
  type: NotifyEvent,
  { run, graph, task, worktree, executor, attempt, external_ref }: RunFacts,
  more: object,
  moment = '',
): Notification {
  return {
    type,
    key: `${run} ${moment}`,
    run,
    data: {
      task: `${worktreeId(graph)}~${task}`,
      local_id: task,
      worktree,
      run,
      executor,
      attempt,
      external_ref: external_ref ?? null,
      ...more,
    },
  };
}

function problem(code: string, message: string): Notification {
  return { type: 'supervisor.problem', key: `${code} ${message}`, run: null, data: { code, message } };
}
