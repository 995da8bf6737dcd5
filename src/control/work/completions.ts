// Completion reports received by a running supervisor: matched with their run, fenced, and recorded once however
// often they arrive.

import { isDeepStrictEqual } from 'node:util';
import { profileNamed } from '../../decide/routes/route.ts';
import { countedRun } from '../../domain/counted-task.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { Event } from '../../domain/event.ts';
import { type GraphPath, taskKey } from '../../domain/ids.ts';
import type { Failed, FailureKind, Succeeded } from '../../domain/outcome.ts';
import { isOpenRun, type Run } from '../../domain/run.ts';
import { keepLarge, keepLargeOf } from '../../graphs/large-results.ts';
import type { SupervisedGraphs } from '../../graphs/supervised-graphs.ts';
import type { Base } from '../../platform/base.ts';
import { redact } from '../../platform/log.ts';
import type { Runs } from '../../run/runs.ts';
import type { Ledger } from '../../runs/ledger.ts';
import { resultKey } from '../../runs/result-book.ts';
import type { CompletionAnswer, CompletionRequest } from '../control.ts';
import type { CurrentTasks } from '../current-tasks.ts';
import type { FoundTask } from '../find-task.ts';
import {
  type CompletionMeans,
  completeByHand,
  ignoredArtifacts,
  MAX_INLINE_ARTIFACT_BYTES,
  noteByHand,
  reportedOutcome,
} from './complete-in-graph.ts';
import {
  contradiction,
  newestRun,
  superseded,
  takenAway,
  taskCancelled,
  taskRemoved,
  wasCancelled,
} from './conflicts.ts';
import { waitFor } from './wait-for.ts';

/** Longer than anyone waits for a graph's lock, ms. */
const CLAIM_WAIT_MS = 35_000;

interface CompletionNeeds extends Pick<Base, 'bus' | 'clock'> {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly runs: Runs;
  readonly tasks: CurrentTasks;
  /** The checks between a completion and the graph. */
  readonly means: CompletionMeans;
  /** Asks for a tick. */
  wake(why: string): void;
}

export class Completions {
  readonly #parts: CompletionNeeds;
  readonly #runs: Runs;
  /** Reports being written, by run. */
  readonly #reporting = new Map<string, Promise<unknown>>();

  constructor(parts: CompletionNeeds) {
    this.#parts = parts;
    this.#runs = parts.runs;
  }

  /**
   * Takes a report. Throws `superseded` for an older attempt's, `conflict` for one that contradicts an earlier one or
   * is for a cancelled task. A report after the attempt's time ran out is accepted until another attempt has begun.
   */
  async complete(said: CompletionRequest): Promise<CompletionAnswer> {
    const request = withoutTokens(said);
    const { ledger, clock, tasks } = this.#parts;
    const run = request.caller.kind === 'run' ? ledger.run(request.caller.run) : null;
    // An unreadable graph proves nothing about the task, even if an earlier reading still has it.
    const found = run ? (this.#isReadable(run.graph) ? findOwn(run, tasks) : null) : tasks.find(request);
    const graph = found ? this.#parts.graphs.get(found.view.graph) : undefined;
    if (run && (!graph || !found)) return await this.#keep(run, request);
    if (!found || !graph)
      throw new SupervisorError('graph', `the graph of ${request.task} is no longer supervised`);
    const latest = newestRun(ledger, { graph: found.view.graph, task: found.task.id });
    if (run && latest && run.fence < latest.fence) throw superseded(run, latest);
    const underWay = latest && (this.#reporting.get(latest.id) ?? this.#runs.releaseOf(latest.id));
    if (underWay) {
      // Another report of it, or its release, is being written: what this one means depends on that.
      await underWay.catch(() => {
        // The error is reported to the other caller.
      });
      return await this.complete(request);
    }
    if (latest?.phase === 'opened' && latest.agent !== '') {
      await this.#claimed(latest);
      return await this.complete(request);
    }
    const answer = { task: found.task.id, worktree: found.view.worktree };
    if (latest && isOpenRun(latest) && latest.agent !== '') {
      if (latest.phase === 'finished') return { ...answer, ...(await this.#again(latest, request)) };
      const reporting = this.#report(latest, request).finally(() => this.#reporting.delete(latest.id));
      this.#reporting.set(latest.id, reporting);
      return { ...answer, ...(await reporting) };
    }
    const late = run !== null && this.#refuseOver(run, request, found) === 'late';
    if (run && !late) return { ...answer, status: found.task.status, ...repeated(run, request), late: false };
    // Only what will be written: a refused report leaves nothing on the disk.
    const artifacts = await keepLarge(request.artifacts, found.view.graph);
    const report = { ...request, artifacts, task: found.task.id };
    const done = await completeByHand(this.#parts.means, graph, report, clock.now(), (fresh) => {
      // Another worker may have started since the check: an older attempt must not finish their work.
      if (run && fresh.status === 'in-progress' && fresh.assigned !== run.agent) throw takenAway(run, fresh);
    });
    this.#parts.wake('completed');
    const { mark, ...told } = done;
    if (mark !== undefined) noteByHand(ledger, graph, report, { by: run, mark, at: clock.now() });
    return { ...answer, ...told, late };
  }

  #isReadable(path: GraphPath): boolean {
    return this.#parts.graphs.get(path)?.store.snapshot().problem === null;
  }

  /** Waits until a run that is being claimed has its task or not: another program may have the graph's lock. */
  async #claimed(run: Run): Promise<void> {
    const { ledger } = this.#parts;
    const isThrough = () => (ledger.run(run.id)?.phase === 'opened' ? null : true);
    const concerns = (event: Event) =>
      event.name === 'tick.finished' || ('run' in event && event.run === run.id);
    if (await waitFor(this.#parts, { ms: CLAIM_WAIT_MS }, concerns, isThrough)) return;
    throw new SupervisorError('conflict', `${run.task} is just being claimed, and its graph is locked`, {
      hint: 'report it again in a moment',
    });
  }

  /**
   * Takes a run's report about a task that is missing now: git or a person may bring its graph back, here or
   * elsewhere. The ledger keeps it, and it is written once the task is found again.
   */
  async #keep(run: Run, request: CompletionRequest): Promise<CompletionAnswer> {
    const { ledger, clock } = this.#parts;
    const latest = newestRun(ledger, run);
    if (latest && run.fence < latest.fence) throw superseded(run, latest);
    const underWay = this.#reporting.get(run.id) ?? this.#runs.releaseOf(run.id);
    if (underWay) {
      await underWay.catch(() => {
        // The error is reported to the other caller.
      });
      return await this.complete(request);
    }
    const { task, worktree, outcome } = run;
    const answer = { task, worktree, status: 'in-progress', late: this.#isLate(run), ...KEPT };
    if (wasCancelled(run)) throw taskCancelled(run, 'gone');
    if (isKnownOutcome(outcome)) {
      if (!isRepetition(outcome, request)) throw contradiction(run);
      if (isOpenRun(run)) return { ...answer, ...repeated(run, request) };
      const status = outcome.kind === 'succeeded' ? 'done' : 'failed';
      return { task, worktree, status, ...repeated(run, request), late: false };
    }
    const word = reportedOutcome(request);
    if (!isOpenRun(run)) {
      const said = this.#isReadable(run.graph) ? await keepLargeOf(word, run.graph) : word;
      // No other attempt has begun since: finished work must not be repeated when the graph is back.
      const { graph, agent } = run;
      const result = { ...resultKey(run), graph, agent, run: run.id, outcome: said, of: null };
      ledger.noteResult({ ...result, at: clock.now() });
      return { ...answer, duplicate: false, late: true };
    }
    const reporting = this.#runs.end(run, word, 'lost-report').finally(() => this.#reporting.delete(run.id));
    this.#reporting.set(run.id, reporting);
    const { status, written } = await reporting;
    if (written) return { task, worktree, status: status ?? 'gone', duplicate: false, late: answer.late };
    return { ...answer, duplicate: false };
  }

  async #report(run: Run, request: CompletionRequest) {
    const late = this.#isLate(run);
    const { status, written, kept } = await this.#runs.end(run, reportedOutcome(request), 'report');
    // Meanwhile the graph had unassigned the task or assigned it to another agent, and takes precedence.
    if (!written && !kept && (status === 'open' || status === 'in-progress'))
      throw takenAway(
        run,
        this.#parts.graphs.get(run.graph)?.store.snapshot().tasks.get(run.task) ?? { status },
      );
    this.#delayRetry(run, request, status);
    const answer = { status: status ?? 'gone', duplicate: false, late, ...this.#attemptsLeft(run, request) };
    return kept ? { ...answer, ...KEPT } : answer;
  }

  /**
   * A report that arrives while an earlier one is being written: the same is a duplicate, another a contradiction.
   */
  async #again(run: Run, request: CompletionRequest) {
    const { outcome } = run;
    if (!isKnownOutcome(outcome)) throw new Error(`run ${run.id} is finished without a result`);
    if (outcome.kind !== request.result) throw contradiction(run);
    const { status, kept } = await this.#runs.end(run, outcome, 'repeated-report');
    const answer = { status: status ?? 'gone', ...repeated(run, request), late: false };
    return kept ? { ...answer, ...KEPT } : answer;
  }

  /** The meaning of a report for a finished run: a repetition, or late but still accepted. Throws for the others. */
  #refuseOver(run: Run, request: CompletionRequest, { task }: FoundTask): 'duplicate' | 'late' {
    const { outcome } = run;
    if (wasCancelled(run)) throw taskCancelled(run, task.status);
    if (isKnownOutcome(outcome) && !isRepetition(outcome, request)) throw contradiction(run);
    if (outcome?.kind === request.result) return 'duplicate';
    // Another agent took it directly in the graph: an older attempt must not finish their work.
    if (task.status === 'in-progress' && task.assigned !== run.agent) throw takenAway(run, task);
    return 'late';
  }

  #isLate(run: Run): boolean {
    const now = this.#parts.clock.now();
    const lease = this.#parts.ledger.lease(run.id);
    return (
      (run.deadlineAt !== null && now > run.deadlineAt) || (lease?.expiresAt != null && now > lease.expiresAt)
    );
  }

  /** A failed worker may know when a retry is worthwhile. */
  #delayRetry(run: Run, request: CompletionRequest, status: string | null): void {
    if (request.result !== 'failed' || request.retryAfterMs === undefined || status !== 'open') return;
    const until = this.#parts.clock.now() + request.retryAfterMs;
    const because = 'its agent asked to be tried again later';
    const name = taskKey(run.graph, run.task);
    this.#parts.ledger.setPause({ scope: 'task', name, code: 'retry-after', because, until });
  }

  #attemptsLeft(run: Run, request: CompletionRequest): { readonly attempts_left?: number } {
    const graph = this.#parts.graphs.get(run.graph);
    const policy = graph && profileNamed(run.executor, graph.profiles)?.retry;
    if (request.result !== 'failed' || !policy) return {};
    const counted = this.#parts.ledger.countedAttempts(countedRun(run, graph.settings));
    return { attempts_left: request.retryable === true ? Math.max(0, policy.attempts - counted) : 0 };
  }
}

/** Its text without our tokens, such as an error that quotes the request headers: graphs are shared. */
function withoutTokens(request: CompletionRequest): CompletionRequest {
  const { reason, summary } = request;
  return {
    ...request,
    ...(reason === undefined ? {} : { reason: redact(reason) }),
    ...(summary === undefined ? {} : { summary: redact(summary) }),
  };
}

/** Failures detected here, without a report from the agent: the agent's report takes precedence, even when late. */
const OUR_VERDICTS: ReadonlySet<FailureKind> = new Set(['timeout', 'silent', 'interrupted', 'unreachable']);

/**
 * Whether a report says what was said before. What it leaves out, or what went into files for its size, contradicts
 * nothing.
 */
function isRepetition(
  outcome: Succeeded | Failed,
  { result, summary, artifacts, reason }: CompletionRequest,
): boolean {
  if (outcome.kind !== result) return false;
  const same = (said: unknown, before: unknown) =>
    said === undefined || before === undefined || before === null || isDeepStrictEqual(said, before);
  if (outcome.kind === 'failed') return same(reason, outcome.message);
  const isSmall = Buffer.byteLength(JSON.stringify(artifacts ?? null)) <= MAX_INLINE_ARTIFACT_BYTES;
  return same(summary, outcome.summary) && (!isSmall || same(artifacts, outcome.artifacts));
}

/** The work's own report. */
function isKnownOutcome(outcome: Run['outcome']): outcome is Succeeded | Failed {
  if (outcome?.kind === 'failed') return !OUR_VERDICTS.has(outcome.failure);
  return outcome?.kind === 'succeeded';
}

/** What the answer to a repeated report says of it. Large artifacts went into files: what is in them is not compared. */
function repeated({ outcome }: Run, { artifacts }: CompletionRequest) {
  const before = outcome?.kind === 'succeeded' ? outcome.artifacts : undefined;
  const isNew = before === undefined || before === null;
  return { duplicate: true, ...(isNew ? ignoredArtifacts(artifacts, []) : {}) };
}

/** The message about a result that could not be written yet. */
const KEPT = {
  kept: true,
  because: 'its graph, or its line in it, is missing now; the result is kept and written when it is back',
} as const;

/**
 * The task of a run's token; null: missing now, and no one decided that it is finished. A task that is gone for good
 * is reported as gone: asking again does not help.
 */
function findOwn(run: Run, tasks: CurrentTasks): FoundTask | null {
  try {
    return tasks.find({ task: run.task, worktree: run.graph });
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError) || thrown.code !== 'not-found') throw thrown;
    if (thrown.details.unknown || isOpenRun(run)) return null;
    throw taskRemoved(run);
  }
}
