// Records who asked for which action, and emits an event.

import type { ActionTaken, NotedAction } from '../domain/action.ts';
import { messageOf } from '../domain/errors.ts';
import type { ActionReport } from '../domain/report.ts';
import type { Base } from '../platform/base.ts';
import { isoTime } from '../platform/clock.ts';
import type { ActionHistory } from '../runs/action-store.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { FoundTask } from './find-task.ts';

/** Actions of a task that are told with it. */
const MOST_OF_TASK = 50;

/** What people had done to a task, newest first. */
export function actionsOn(ledger: ActionHistory | null, { task, view }: FoundTask): ActionReport[] {
  const { worktree } = view;
  return (ledger?.actions({ task: task.id, worktree, limit: MOST_OF_TASK }) ?? []).map(actionReport);
}

/** One action as it is told. */
export function actionReport({ at, ...action }: NotedAction): ActionReport {
  return { at: isoTime(at), ...action };
}

/** Never throws: the record is for people, and what it is about was done. */
export function noteAction(
  { ledger, bus, clock, log }: Base & { readonly ledger: Pick<Ledger, 'noteAction'> },
  action: ActionTaken,
): void {
  try {
    ledger.noteAction({ ...action, at: clock.now() });
  } catch (thrown) {
    // A full disk is told by what cannot work without the ledger.
    log.warn('action.unwritten', { because: messageOf(thrown), action: action.action });
  }
  bus.emit('action.taken', action);
}
