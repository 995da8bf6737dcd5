// Opens recurring tasks again when they are done, and tells what became of instants that are not run. Decides nothing:
// whether the task is still done is looked at again under the graph's lock.

import { recurPatch } from '../decide/recur.ts';
import type { Action, PassedInstants } from '../decide/world.ts';
import { countedTask } from '../domain/counted-task.ts';
import type { TaskRef } from '../domain/ids.ts';
import { applyPatch } from '../graphs/task-writes.ts';
import type { RunnerParts } from '../run/run-services.ts';

type Reopen = Extract<Action, { kind: 'reopen' }>;

/** Opens a done task for its next instant. Its attempts are counted anew: they belonged to the run that is over. */
export async function reopenRecurring(
  { graph, task, nextAt }: Reopen,
  parts: Pick<RunnerParts, 'graphs' | 'ledger' | 'clock' | 'bus' | 'wake'>,
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

/** Writes down how far schedules have come, in one go, and tells it; gives what went wrong, or null. */
export function noteSchedules(
  actions: readonly Action[],
  parts: Pick<RunnerParts, 'ledger' | 'bus'>,
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

/** Says which instants are let go, once it is written down that they are. */
function tellPassed(
  { graph, task }: TaskRef,
  passed: readonly PassedInstants[],
  { bus }: Pick<RunnerParts, 'bus'>,
): void {
  for (const { kind, nominalAt, count, because } of passed)
    bus.emit(`schedule.${kind}`, { graph, task, nominalAt, count, because });
}
