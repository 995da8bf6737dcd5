// Completion of a task that no run of ours works on, with everything that stands before it: blockers, the verify
// command or wg's own command, then the write.

import { SupervisorError } from '../domain/errors.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import type { Task } from '../domain/task.ts';
import type { EditSession } from '../graph/store.ts';
import type { SupervisedGraph } from '../graphs/supervised-graphs.ts';
import type { RunnerParts } from '../run/run-services.ts';
import type { ResultBook } from '../runs/result-book.ts';
import { type Completed, completeInGraph, openBlockers } from './completion.ts';
import type { CompletionRequest } from './control.ts';

/** Completes a task. Throws `failed` when its gate refuses, and what completeInGraph throws. */
export async function completeByHand(
  parts: Pick<RunnerParts, 'gate' | 'afterEnd'>,
  graph: SupervisedGraph,
  request: Omit<CompletionRequest, 'caller'>,
  now: number,
  refuse: (task: Task) => void = () => {},
): Promise<Completed> {
  const { store } = graph;
  const snapshot = await store.refresh();
  const task = snapshot.tasks.get(request.task);
  const blocked = task && request.result === 'succeeded' && openBlockers(snapshot.tasks, task).length > 0;
  if (parts.gate && task && !blocked && task.status !== 'abandoned') {
    const outcome = reportedOutcome(request);
    const passed =
      outcome.kind === 'succeeded'
        ? await parts.gate.require(store, task.id, outcome, request.agent ?? null)
        : await parts.gate.fail(store, task.id, outcome, null);
    if (passed?.kind === 'by-wg') return { status: passed.status, duplicate: false };
    if (passed?.kind === 'refused') throw new SupervisorError('failed', passed.because);
  }
  const after = (draft: EditSession) => parts.afterEnd?.(graph, draft, request.task);
  return await completeInGraph(store, request, now, after, refuse);
}

/** Keeps a result that no run of ours came to beside its graph, which may be rewound. `mark`: how it is known in its line. */
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

/** What a completion request says, as an outcome. */
export function reportedOutcome(request: Omit<CompletionRequest, 'caller'>): Succeeded | Failed {
  const by = request.agent === undefined ? {} : { by: request.agent };
  if (request.result === 'succeeded')
    return {
      kind: 'succeeded',
      ...by,
      ...(request.summary === undefined ? {} : { summary: request.summary }),
      ...(request.artifacts === undefined ? {} : { artifacts: request.artifacts }),
    };
  return {
    kind: 'failed',
    failure: 'reported',
    message: request.reason ?? 'reported as failed',
    retryable: request.retryable ?? false,
    ...by,
  };
}
