// Completion of a task by whoever did the work, written straight into the graph: for agents that no supervisor
// started, and while none is running. Doing it twice is harmless.

import { backEdgeMembers } from '../decide/cycles.ts';
import { lastMark } from '../decide/rewind.ts';
import { artifactStrings, completionPatch } from '../decide/settle.ts';
import { SupervisorError } from '../domain/errors.ts';
import { isSystemTask, isTerminal, satisfiesDependents, type Task } from '../domain/task.ts';
import type { EditSession, GraphStore } from '../graph/store.ts';
import { applyPatch, onlyByWg } from '../graphs/task-writes.ts';
import type { CompletionRequest } from './control.ts';

/** What a completion did. */
export interface Completed {
  readonly status: string;
  readonly duplicate: boolean;
  /** By which log entry the line is known to bear it; absent: nothing was written here. */
  readonly mark?: string;
}

/** The largest artifact that is kept inside the task's own line, bytes. */
export const MAX_INLINE_ARTIFACT_BYTES = 64 * 1024;

/** Writes done or failed. Throws SupervisorError: `conflict` when the task's state or its blockers forbid it. */
export function completeInGraph(
  store: GraphStore,
  request: Omit<CompletionRequest, 'caller'>,
  now: number,
  /** What follows from it for other tasks, in the same write. */
  after: (draft: EditSession) => void = () => {},
  /** Judges the fresh task under the lock; throws what speaks against it. */
  refuse: (task: Task) => void = () => {},
): Promise<Completed> {
  for (const text of artifactStrings(request.artifacts))
    if (Buffer.byteLength(text) > MAX_INLINE_ARTIFACT_BYTES)
      throw new SupervisorError(
        'too-large',
        `an artifact of ${Buffer.byteLength(text)} bytes is too large for the graph`,
        {
          hint: `keep it in a file and give its path (at most ${MAX_INLINE_ARTIFACT_BYTES / 1024} KiB are kept inline)`,
        },
      );
  return store.change((draft): Completed => {
    const task = draft.detail(request.task);
    if (!task) throw new SupervisorError('not-found', `there is no task ${request.task} in ${store.graph}`);
    refuse(task);
    if (request.result === 'succeeded') {
      if (task.status === 'done') return { status: 'done', duplicate: true };
      const blockers = openBlockers(draft.snapshot.tasks, task);
      if (blockers.length > 0)
        throw new SupervisorError('conflict', `${task.id} still waits for ${blockers.join(', ')}`, {
          hint: 'finish those first',
        });
    } else {
      if (task.status === 'failed') return { status: 'failed', duplicate: true };
      if (task.status === 'done' || task.status === 'abandoned')
        throw new SupervisorError('conflict', `${task.id} is ${task.status} already; it cannot fail now`);
    }
    if (task.foreignKeys.length > 0) throw onlyByWg(task, request.result === 'succeeded' ? 'done' : 'fail');
    const evaluation = draft.snapshot.tasks.get(`.evaluate-${task.id}`);
    applyPatch(
      draft,
      task.id,
      completionPatch({
        task,
        result: request.result,
        now,
        hasOpenEvaluation: evaluation !== undefined && !isTerminal(evaluation.status),
        ...(request.agent === undefined ? {} : { agent: request.agent }),
        ...(request.summary === undefined ? {} : { summary: request.summary }),
        ...(request.artifacts === undefined ? {} : { artifacts: request.artifacts }),
        ...(request.reason === undefined ? {} : { reason: request.reason }),
      }),
    );
    const { status = 'gone' } = draft.snapshot.tasks.get(task.id) ?? {};
    after(draft);
    const written = draft.detail(task.id);
    return { status, duplicate: false, ...(written ? { mark: lastMark(written) } : {}) };
  });
}

/** Dependencies that still stand in the way of done, as wg judges it: failed and abandoned ones and cycles do not. */
export function openBlockers(tasks: ReadonlyMap<string, Task>, task: Task): string[] {
  const sameCycle = backEdgeMembers(tasks, task.id);
  return task.after.filter((id) => {
    const dependency = tasks.get(id);
    if (!dependency || satisfiesDependents(dependency.status) || dependency.status === 'failed') return false;
    if (isSystemTask(task.id) && dependency.status.endsWith('pending-eval')) return false;
    return !sameCycle.has(id);
  });
}
