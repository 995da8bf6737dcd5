// How a task must be finished: natively, after its verify command, or by the `wg` command, and what is written of a
// result before wg finishes the task.

import type { Failed, Succeeded } from '../../domain/outcome.ts';
import { isSystemTask, isTerminal, type Task, type TaskDetail } from '../../domain/task.ts';
import type { WgCapabilities } from '../../domain/wg-capabilities.ts';
import { artifactStrings, EXTERNAL_TAG, type TaskPatch } from '../settle.ts';
import { counter } from '../transitions/ticker-view.ts';
import { logLine, usageFields } from '../wg-spelling.ts';

/** How, and why. `wg` with `only`: no other program may write this task. */
export type CompletionNeed =
  | { readonly way: 'plain' }
  | { readonly way: 'verify'; readonly command: string }
  | { readonly way: 'wg'; readonly only: boolean; readonly because: string };

/** How success is to be written. */
export function completionNeed(
  task: TaskDetail,
  tasks: ReadonlyMap<string, Task>,
  wgOnPath: boolean,
  wgCan: Pick<WgCapabilities, 'candidates'> | null = null,
): CompletionNeed {
  if (task.foreignKeys.length > 0)
    return { way: 'wg', only: true, because: `it carries ${task.foreignKeys.join(', ')}` };
  const verify = task.verify?.trim() ?? '';
  // A task that wants candidates accepts results from its own workers only; what it requires of a finish is done
  // here.
  if (wgOnPath && !wgCan?.candidates) {
    const because = semanticsOf(task, tasks, verify);
    if (because !== null) return { way: 'wg', only: false, because };
  }
  return verify === '' ? { way: 'plain' } : { way: 'verify', command: verify };
}

/**
 * Which of wg's own rules finishing the task requires; null: none. Cycles are advanced natively: versions of `wg
 * done` disagree on which of their tasks it finishes, and one version finishes none.
 */
function semanticsOf(task: TaskDetail, tasks: ReadonlyMap<string, Task>, verify: string): string | null {
  if (verify !== '') return 'it has a verify command';
  if (task.validation !== undefined && task.validation !== 'none') return 'it is to be validated';
  const evaluation = tasks.get(`.evaluate-${task.id}`);
  if (evaluation && !isTerminal(evaluation.status) && !isSystemTask(task.id)) return 'it is to be evaluated';
  return null;
}

/**
 * The part of a result to keep while the task is still in progress: wg, which finishes it next, does not know these
 * keys.
 */
export function resultPatch(task: TaskDetail, outcome: Succeeded, actor: string, now: number): TaskPatch {
  const added = artifactStrings(outcome.artifacts).filter((artifact) => !task.artifacts.includes(artifact));
  const tags = task.tags.includes(EXTERNAL_TAG) ? task.tags.filter((tag) => tag !== EXTERNAL_TAG) : null;
  const summary = outcome.summary?.trim();
  return {
    fields: {
      ...(added.length > 0 ? { artifacts: [...task.artifacts, ...new Set(added)] } : {}),
      ...(tags ? { tags } : {}),
      ...usageFields(outcome.usage),
    },
    log: summary ? logLine(now, actor, `Result: ${summary}`) : null,
  };
}

/** A verify command failed: counted, and at the limit the task fails, as in wg (wg-rules 5.2 step 4). */
export function verifyFailedPatch(
  task: TaskDetail,
  because: string,
  limit: number,
  actor: string,
  now: number,
): TaskPatch {
  const failures = counter(task, 'verify_failures') + 1;
  const over = limit > 0 && failures >= limit;
  const words = `Verification failed (${failures}${limit > 0 ? ` of ${limit}` : ''}): ${because}`;
  return {
    fields: {
      verify_failures: failures,
      ...(over ? { status: 'failed', assigned: undefined, failure_reason: words.slice(0, 2000) } : {}),
    },
    log: logLine(now, actor, words),
  };
}

/**
 * wg's spelling of a failure on its command line, which is not the one on disk (wg-rules 9.1); null: none matches.
 */
export function failureClassForCommand(outcome: Failed): string | null {
  switch (outcome.failure) {
    case 'timeout':
    case 'silent':
      return 'agent-hard-timeout';
    case 'rate-limited':
      return 'api-error-429-rate-limit';
    case 'provider':
      return 'api-error-5xx-transient';
    case 'interrupted':
    case 'unreachable':
      return 'wrapper-internal';
    // Not agent-exit-nonzero: with it `wg fail` may leave the task waiting for an evaluation that will never be made
    // (11.27).
    case 'exit':
    case 'reported':
    case 'refused':
      return null;
  }
}
