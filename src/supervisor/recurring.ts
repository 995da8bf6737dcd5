// Reopens recurring tasks when they are done, and reports instants that are skipped. Decides nothing: under the
// graph's lock it checks again that the task is still done.

import { recurPatch } from '../decide/transitions/recur.ts';
import type { Action, PassedInstants } from '../decide/world.ts';
import { countedTask } from '../domain/counted-task.ts';
import type { TaskRef } from '../domain/ids.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { applyPatch } from '../graphs/task-writes.ts';
import type { Base } from '../platform/base.ts';
import type { Ledger } from '../runs/ledger.ts';

type Reopen = Extract<Action, { kind: 'reopen' }>;

/**
 * Reopens a done task for its next instant. Its attempts are counted from zero: they belonged to the finished run.
 */
export async function reopenRecurring(
  { graph, task, nextAt }: Reopen,
  parts: Pick<Base, 'clock' | 'bus'> & {
    readonly ledger: Pick<Ledger, 'resetAttempts' | 'noteOver' | 'forgetResult'>;
    readonly graphs: Pick<SupervisedGraphs, 'get'>;
    wake(why: string): void;
  },
): Promise<void> {
  const found = parts.graphs.get(graph);
  if (!found) return;
  const createdAt = found.store.snapshot().tasks.get(task)?.createdAt ?? null;
  const repo = found.repository.id;
  parts.ledger.resetAttempts(countedTask({ graph, task, createdAt }, repo, found.settings));
  parts.ledger.noteOver({ graph, task });
  parts.ledger.forgetResult({ repo, task, createdAt });
  const now = parts.clock.now();
  const opened = await found.store.change((draft) => {
    const detail = draft.detail(task);
    const patch = detail && recurPatch({ task: detail, now, nextAt });
    if (patch) applyPatch(draft, task, patch);
    return patch !== null;
  });
  if (opened) parts.bus.emit('schedule.reopened', { graph, task, nextAt });
  parts.wake('reopened');
}

/** Records the progress of schedules in one write, and reports it; returns the error, or null. */
export function noteSchedules(
  actions: readonly Action[],
  parts: Pick<Base, 'bus'> & { readonly ledger: Pick<Ledger, 'noteSchedules'> },
): unknown {
  const notes = actions.filter((action) => action.kind === 'note-schedule');
  try {
    parts.ledger.noteSchedules(notes);
  } catch (thrown) {
    return thrown;
  }
  for (const note of notes) tellPassed(note, note.passed ?? [], parts);
  return null;
}

/** Reports skipped instants, once that is recorded. */
function tellPassed(
  { graph, task }: TaskRef,
  passed: readonly PassedInstants[],
  { bus }: Pick<Base, 'bus'>,
): void {
  for (const { kind, nominalAt, count, because } of passed)
    bus.emit(`schedule.${kind}`, { graph, task, nominalAt, count, because });
}
