// Completes a task without a run of this supervisor, with all checks: blockers, the verify command or wg's own command,
// then the write.

import { backEdgeMembers } from '../../decide/readiness/cycles.ts';
import { lastMark } from '../../decide/reconcile/rewind.ts';
import { artifactStrings, completionPatch } from '../../decide/settle.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { Failed, Succeeded } from '../../domain/outcome.ts';
import type { Run } from '../../domain/run.ts';
import { isSystemTask, isTerminal, satisfiesDependents, type Task } from '../../domain/task.ts';
import type { EditSession, GraphStore } from '../../graph/store.ts';
import { type CompletionGate, refusal } from '../../graphs/completion-gate.ts';
import type { SupervisedGraph } from '../../graphs/supervised-graphs.ts';
import { applyPatch, onlyByWg } from '../../graphs/task-writes.ts';
import type { ResultBook } from '../../runs/result-book.ts';
import type { CompletionRequest } from '../control.ts';

/** The checks between a completion and the graph. */
export interface CompletionMeans {
  readonly gate: CompletionGate;
  /** What a finished task means for others, in the same write. */
  afterEnd(graph: SupervisedGraph, draft: EditSession, task: string): void;
}

/** Completes a task. Throws `failed` if its gate refuses, and what completeInGraph throws. */
export async function completeByHand(
  parts: CompletionMeans,
  graph: SupervisedGraph,
  request: Omit<CompletionRequest, 'caller'>,
  now: number,
  refuse: (task: Task) => void = () => {},
): Promise<Completed> {
  const { store } = graph;
  const snapshot = await store.refresh();
  const task = snapshot.tasks.get(request.task);
  const blocked = task && request.result === 'succeeded' && openBlockers(snapshot.tasks, task).length > 0;
  if (task && !blocked && task.status !== 'abandoned') {
    const outcome = reportedOutcome(request);
    const isDone = outcome.kind === 'succeeded';
    const agent = isDone ? (request.agent ?? null) : null;
    const passed = await parts.gate.take(store, task.id, outcome, { agent });
    if (passed.kind === 'by-wg') return { status: passed.status, duplicate: false };
    if (passed.kind === 'refused')
      throw isDone ? refusal(task.id, passed) : new SupervisorError('failed', passed.because);
  }
  const after = (draft: EditSession) => parts.afterEnd(graph, draft, request.task);
  return await completeInGraph(store, request, now, after, refuse);
}

/**
 * Records a result that came without a run, beside its graph, which may be rewound. `mark`: identifies it in its
 * line.
 */
export function noteByHand(
  book: Pick<ResultBook, 'noteResult' | 'markResult'>,
  { path, repository, store }: Pick<SupervisedGraph, 'path' | 'repository' | 'store'>,
  request: Omit<CompletionRequest, 'caller'>,
  { by, mark, at }: { readonly by: Run | null; readonly mark: string; readonly at: number },
): void {
  const task = store.detail(request.task);
  if (!task) return;
  const key = { repo: repository.id, task: task.id, createdAt: task.createdAt ?? null };
  const outcome = reportedOutcome(request);
  const who = { run: by?.id ?? '', agent: request.agent ?? by?.agent ?? '' };
  book.noteResult({ ...key, ...who, graph: path, outcome, of: task, at });
  book.markResult(key, who.run, mark);
}

/** A completion request as an outcome. */
export function reportedOutcome(request: Omit<CompletionRequest, 'caller'>): Succeeded | Failed {
  const by = {
    ...(request.agent === undefined ? {} : { by: request.agent }),
    ...(request.usage === undefined ? {} : { usage: request.usage }),
  };
  if (request.result === 'succeeded')
    return {
      kind: 'succeeded',
      ...by,
      ...(request.summary === undefined ? {} : { summary: request.summary }),
      ...(request.artifacts === undefined ? {} : { artifacts: request.artifacts }),
    };
  return {
    kind: 'failed',
    failure: request.failure ?? 'reported',
    message: request.reason ?? 'reported as failed',
    retryable: request.retryable ?? false,
    ...by,
  };
}

/** The effect of a completion. */
export interface Completed {
  readonly status: string;
  readonly duplicate: boolean;
  readonly ignored?: 'artifacts';
  /** The log entry that marks the line; absent: nothing was written here. */
  readonly mark?: string;
}

/** What an answer adds when a repeated report has artifacts that the first one had not: nothing is written twice. */
export function ignoredArtifacts(
  artifacts: unknown,
  known: readonly string[],
): { readonly ignored?: 'artifacts' } {
  return artifactStrings(artifacts).every((one) => known.includes(one)) ? {} : { ignored: 'artifacts' };
}

/** The largest artifact that stays in the task's own line, bytes. */
export const MAX_INLINE_ARTIFACT_BYTES = 64 * 1024;

/** Writes done or failed. Throws SupervisorError: `conflict` if the task's state or its blockers forbid it. */
export function completeInGraph(
  store: GraphStore,
  request: Omit<CompletionRequest, 'caller'>,
  now: number,
  /** Its consequences for other tasks, in the same write. */
  after: (draft: EditSession) => void = () => {},
  /** Judges the fresh task under the lock; throws the objection. */
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
    const wanted = request.result === 'succeeded' ? 'done' : 'failed';
    if (task.status === wanted)
      return { status: wanted, duplicate: true, ...ignoredArtifacts(request.artifacts, task.artifacts) };
    const objection = objectionTo(wanted, task, draft.snapshot.tasks);
    if (objection) throw objection;
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

function objectionTo(
  wanted: 'done' | 'failed',
  task: Task,
  tasks: ReadonlyMap<string, Task>,
): SupervisorError | null {
  if (wanted === 'failed')
    return task.status === 'done' || task.status === 'abandoned'
      ? new SupervisorError('conflict', `${task.id} is ${task.status} already; it cannot fail now`)
      : null;
  const blockers = openBlockers(tasks, task);
  if (blockers.length === 0) return null;
  return new SupervisorError('conflict', `${task.id} still waits for ${blockers.join(', ')}`, {
    hint: 'finish those first',
  });
}

/** Dependencies that still block done, as wg judges it: failed and abandoned ones and cycles do not. */
export function openBlockers(tasks: ReadonlyMap<string, Task>, task: Task): string[] {
  const sameCycle = backEdgeMembers(tasks, task.id);
  return task.after.filter((id) => {
    const dependency = tasks.get(id);
    if (!dependency || satisfiesDependents(dependency.status) || dependency.status === 'failed') return false;
    if (isSystemTask(task.id) && dependency.status.endsWith('pending-eval')) return false;
    return !sameCycle.has(id);
  });
}
