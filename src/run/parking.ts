// Tasks that were tried often enough: parked, which holds them whatever the graph says, until a person asks for a retry
// or changes the task itself.

import {
  failuresForLife,
  interruptionsInARow,
  NEVER_STARTED_AT_MOST,
  VANISHED_AT_MOST,
} from '../decide/retry.ts';
import { type TaskKey, taskKey, taskOfKey } from '../domain/ids.ts';
import type { Run } from '../domain/run.ts';
import type { TaskDetail } from '../domain/task.ts';
import { tokenHash } from '../seams/identity.ts';
import type { RunnerParts } from './run-services.ts';

export class Parking {
  readonly #parts: RunnerParts;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Parks the task of a run that is over, where that was one time too many. Says why, or null. */
  judge(run: Run, attemptsAllowed: number): string | null {
    const { ledger } = this.#parts;
    const { vanished, neverStarted } = interruptionsInARow(
      ledger.runsSinceReset(run.graph, run.task, VANISHED_AT_MOST + NEVER_STARTED_AT_MOST + 20),
    );
    const failures = ledger.countedAttempts(run.graph, run.task, run.taskCreatedAt);
    const most = failuresForLife(attemptsAllowed);
    const why =
      vanished >= VANISHED_AT_MOST
        ? `its agent vanished ${vanished} times in a row without an exit status`
        : neverStarted >= NEVER_STARTED_AT_MOST
          ? `it was claimed ${neverStarted} times in a row and the supervisor ended before it was started`
          : failures >= most
            ? `${failures} attempts failed`
            : null;
    if (why === null) return null;
    const because = `parked: ${why}; \`supervisor retry ${run.task}\` or a change to the task tries again`;
    const detail = this.#parts.graphs.get(run.graph)?.store.detail(run.task);
    const name = taskKey(run.graph, run.task);
    if (detail) ledger.setMeta(`parked:${name}`, printOf(detail));
    ledger.setPause({ scope: 'task', name, code: 'parked', because, until: null });
    const { graph, task } = run;
    this.#parts.bus.emit('task.held', { graph, task, code: 'parked', because });
    return because;
  }

  /** Lets go of tasks that were changed since they were parked, or are no more. Returns them. */
  release(): readonly TaskKey[] {
    const { ledger, graphs } = this.#parts;
    const freed: TaskKey[] = [];
    for (const pause of ledger.pauses()) {
      if (pause.scope !== 'task' || pause.code !== 'parked') continue;
      const ref = taskOfKey(pause.name);
      const graph = ref ? graphs.get(ref.graph) : undefined;
      if (!ref || !graph || graph.store.snapshot().problem) continue;
      const detail = graph.store.detail(ref.task);
      if (detail && ledger.meta(`parked:${pause.name}`) === printOf(detail)) continue;
      ledger.clearPause('task', pause.name);
      ledger.resetAttempts(ref.graph, ref.task);
      freed.push(pause.name);
    }
    return freed;
  }
}

/**
 * What of a task is for people to change; everything else changes by itself when it is tried. Our own keys are left
 * out, for wg drops them when it rewrites the file; their tags are in.
 */
function printOf(task: TaskDetail): string {
  const { title, description, exec, model, execMode, timeout } = task;
  const { skills, inputs, deliverables, createdAt } = task;
  const tags = task.tags.filter((tag) => tag !== 'claimed-externally').sort();
  const after = [...task.after].sort();
  return tokenHash(
    JSON.stringify([
      ...[title, description, exec, model, execMode, timeout, createdAt],
      ...[tags, after, skills, inputs, deliverables],
    ]),
  );
}
