// Reports that work is over, taken by a running supervisor: matched with the run they belong to, fenced, and written
// down once however often they come.

import { SupervisorError } from '../domain/errors.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import { completeInGraph } from './completion.ts';
import type { CompletionAnswer, CompletionRequest, TaskQuery } from './control.ts';
import type { FoundTask } from './find-task.ts';
import type { Supervisor, SupervisorParts } from './supervisor.ts';

export class Completions {
  readonly #supervisor: Supervisor;
  readonly #parts: Pick<SupervisorParts, 'ledger' | 'clock' | 'graphs'>;

  constructor(supervisor: Supervisor, parts: Pick<SupervisorParts, 'ledger' | 'clock' | 'graphs'>) {
    this.#supervisor = supervisor;
    this.#parts = parts;
  }

  /** Takes a report. Throws `superseded` for an older attempt's, `conflict` for one that contradicts an earlier one. */
  async complete(
    request: CompletionRequest,
    find: (query: TaskQuery) => FoundTask,
  ): Promise<CompletionAnswer> {
    const { ledger, clock } = this.#parts;
    const run = request.caller.kind === 'run' ? ledger.run(request.caller.run) : null;
    const found = find(run ? { task: run.task, worktree: run.graph } : request);
    const graph = this.#parts.graphs.get(found.view.graph);
    if (!graph) throw new SupervisorError('graph', `${found.view.graph} is no longer supervised`);
    const latest = ledger.latestRun(found.view.graph, found.task.id);
    if (run && latest && run.fence < latest.fence)
      throw new SupervisorError(
        'superseded',
        `attempt ${run.attempt} of ${run.task} was superseded by a newer one`,
        {
          details: { current_attempt: latest.attempt },
        },
      );
    const answer = { task: found.task.id, worktree: found.view.worktree };
    if (latest && isOpenRun(latest) && latest.phase !== 'finished' && latest.agent !== '') {
      const late = latest.deadlineAt !== null && clock.now() > latest.deadlineAt;
      const { status } = await this.#supervisor.dispatcher.runner.ending.declare(
        latest,
        reportedOutcome(request),
      );
      return { ...answer, status: status ?? 'gone', duplicate: false, late };
    }
    if (run && latest && !isOpenRun(latest)) this.#refuseOtherResult(latest, request);
    const done = await completeInGraph(graph.store, { ...request, task: found.task.id }, clock.now());
    this.#supervisor.wake();
    return { ...answer, ...done, late: false };
  }

  /** A repeated report must say the same: success after failure, or the reverse, is refused. */
  #refuseOtherResult(run: Run, request: CompletionRequest): void {
    const before = run.outcome?.kind;
    if ((before === 'succeeded' || before === 'failed') && before !== request.result)
      throw new SupervisorError('conflict', `this attempt of ${run.task} was reported as ${before} already`, {
        details: { code: 'already-terminal' },
      });
  }
}

function reportedOutcome(request: CompletionRequest): Succeeded | Failed {
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
