// The patches that a task's transitions write, with wg's own keys and wording (wg-rules 5). Pure: the caller has the
// lock, has read the fresh bytes, and knows that the task may be written.

import type { Failed, FailureKind, Outcome, Succeeded } from '../domain/outcome.ts';
import {
  dispositionFields,
  isSystemTask,
  type LogEntry,
  type Task,
  type TaskDetail,
} from '../domain/task.ts';
import { graphTime } from './instant.ts';
import type { RetryDecision } from './retry.ts';
import { failureClass, logLine, shortened, usageFields } from './wg-spelling.ts';

/** What a transition changes on one task line. A field whose value is `undefined` is removed from the line. */
export interface TaskPatch {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly log: LogEntry | null;
}

/** The tag of a task that an external orchestrator works on; wg has no status for that. */
export const EXTERNAL_TAG = 'claimed-externally';

/** Claims the task for the agent. */
export function claimPatch(claim: {
  readonly task: Pick<Task, 'dispatchCount' | 'tags'>;
  readonly agent: string;
  readonly now: number;
  /** Profile name. */
  readonly executorName: string;
  /** True when an external worker does the work. */
  readonly external?: boolean;
}): TaskPatch {
  const { task, agent, now } = claim;
  const tags = claim.external && !task.tags.includes(EXTERNAL_TAG) ? [...task.tags, EXTERNAL_TAG] : null;
  return {
    fields: {
      status: 'in-progress',
      assigned: agent,
      started_at: graphTime(now),
      dispatch_count: task.dispatchCount + 1,
      ...(tags ? { tags } : {}),
    },
    log: logLine(now, agent, `Spawned by supervisor --executor ${claim.executorName}`),
  };
}

/** The outcome of a run. Throws for outcomes that do not finish the work: those are released. */
export function settlePatch(settle: {
  readonly task: TaskDetail;
  readonly outcome: Outcome;
  readonly agent: string;
  readonly now: number;
  /** Whether a failure is retried; null counts as no. */
  readonly retry: RetryDecision | null;
  /** `.evaluate-<task>` exists and has not finished. */
  readonly hasOpenEvaluation: boolean;
  /** The CLI session of the run, for a person or the next attempt to resume. */
  readonly session?: string;
}): TaskPatch {
  const { task, outcome, agent, now, retry, session } = settle;
  switch (outcome.kind) {
    case 'succeeded': {
      const done = donePatch(task, outcome, agent, now, settle.hasOpenEvaluation);
      return withFields(
        done,
        usageFields(outcome.usage),
        session === undefined ? {} : { session_id: session },
      );
    }
    case 'failed': {
      const failed = retry?.again
        ? retryPatch(task, outcome, retry, now, session)
        : failedPatch(task, outcome.message, failureClass(outcome.failure), agent, now);
      const kept = session === undefined || retry?.again ? {} : { session_id: session };
      return withFields(failed, usageFields(outcome.usage), kept);
    }
    default:
      throw new Error(`an outcome of kind ${outcome.kind} settles nothing; the task is released`);
  }
}

/** Reopens the task; no attempt is counted. */
export function releasePatch(release: {
  readonly task: Pick<Task, 'tags' | 'spawnFailures'>;
  readonly agent: string;
  readonly now: number;
  readonly because: string;
  /** As `wg kill` does it: the task is not dispatched again until a person resumes it. */
  readonly paused?: boolean;
  /** The agent could not be started: counts towards wg's limit of failed starts. */
  readonly failedStart?: boolean;
}): TaskPatch {
  const { task, agent, now } = release;
  return {
    fields: {
      status: 'open',
      assigned: undefined,
      started_at: undefined,
      completion_candidate: undefined,
      ...(release.paused ? { paused: true } : {}),
      ...(release.failedStart ? { spawn_failures: task.spawnFailures + 1 } : {}),
      ...withoutExternalTag(task),
    },
    log: logLine(now, agent, `Task released: ${release.because}`),
  };
}

/** Completion reported by the worker, whether or not a run is involved. */
export function completionPatch(completion: {
  readonly task: TaskDetail;
  readonly result: 'succeeded' | 'failed';
  readonly now: number;
  readonly hasOpenEvaluation: boolean;
  readonly agent?: string;
  readonly summary?: string;
  readonly artifacts?: unknown;
  readonly reason?: string;
}): TaskPatch {
  const { task, now, agent } = completion;
  const actor = agent ?? task.assigned ?? 'supervisor';
  const claimant = task.assigned === undefined && agent !== undefined ? { assigned: agent } : {};
  if (completion.result === 'failed')
    return withFields(
      failedPatch(task, completion.reason ?? 'reported as failed', null, actor, now),
      claimant,
    );
  const { summary, artifacts } = completion;
  const outcome: Succeeded = {
    kind: 'succeeded',
    ...(summary === undefined ? {} : { summary }),
    ...(artifacts === undefined ? {} : { artifacts }),
  };
  return withFields(donePatch(task, outcome, actor, now, completion.hasOpenEvaluation), claimant);
}

/**
 * Reopens a task as `wg retry` does, and clears what parks it: a pause, failed starts, a delay. Null if there is
 * nothing to do or the state does not allow it.
 */
export function reopenPatch(reopen: {
  readonly task: TaskDetail;
  readonly now: number;
  /** Its line is older than its result: no agent works on it, whatever the line says. */
  readonly isRewound?: boolean;
  /** A done one, too. */
  readonly doneToo?: boolean;
}): TaskPatch | null {
  const { task, now, isRewound = false, doneToo = false } = reopen;
  const line = logLine(now, 'supervisor', `Task retried (was ${task.status})`);
  if (isRewound && task.status !== 'open')
    return { fields: { ...REOPENED, ...withoutExternalTag(task), ...unparked(task) }, log: line };
  switch (task.status) {
    case 'failed':
    case 'incomplete':
    case 'abandoned':
      return { fields: { ...REOPENED, ...withoutExternalTag(task), ...unparked(task) }, log: line };
    case 'open': {
      const fields = {
        ...unparked(task),
        ...(task.readyAfter === undefined ? {} : { ready_after: undefined }),
        ...(task.assigned === undefined ? {} : { assigned: undefined, started_at: undefined }),
      };
      return Object.keys(fields).length === 0 ? null : { fields, log: line };
    }
    case 'done':
      return doneToo
        ? { fields: { ...REOPENED, ...withoutExternalTag(task), ...unparked(task) }, log: line }
        : null;
    default:
      return null;
  }
}

const REOPENED = {
  status: 'open',
  assigned: undefined,
  started_at: undefined,
  completed_at: undefined,
  failure_reason: undefined,
  failure_class: undefined,
  ready_after: undefined,
  session_id: undefined,
  checkpoint: undefined,
  // Submitted to wg by a finished attempt; on an open task wg's own workers would continue from it.
  completion_candidate: undefined,
} as const;

function unparked(task: Task): Record<string, unknown> {
  return {
    ...(task.paused ? { paused: undefined } : {}),
    ...(task.spawnFailures > 0 ? { spawn_failures: undefined } : {}),
  };
}

/** wg's done: awaits validation or evaluation if the task asks for it. */
function donePatch(
  task: TaskDetail,
  outcome: Succeeded,
  actor: string,
  now: number,
  hasOpenEvaluation: boolean,
): TaskPatch {
  const added = artifactStrings(outcome.artifacts).filter((artifact) => !task.artifacts.includes(artifact));
  const summary = outcome.summary?.trim();
  const base = {
    ...(added.length > 0 ? { artifacts: [...task.artifacts, ...new Set(added)] } : {}),
    ...withoutExternalTag(task),
  };
  if (task.validation === 'llm' || task.validation === 'external')
    return {
      fields: { status: 'pending-validation', ...base },
      log: logLine(now, actor, said('Task marked as done, pending validation', summary)),
    };
  const evaluated = hasOpenEvaluation && !isSystemTask(task.id);
  const words = evaluated
    ? 'Task pending eval (agent reported done; awaiting .evaluate-* to score)'
    : 'Task marked as done';
  return {
    fields: {
      status: evaluated ? 'pending-eval' : 'done',
      completed_at: graphTime(now),
      ...dispositionFields(task),
      ...base,
    },
    log: logLine(now, actor, said(words, summary)),
  };
}

function failedPatch(
  task: Task,
  reason: string,
  failureClass: string | null,
  actor: string,
  now: number,
): TaskPatch {
  return {
    fields: {
      status: 'failed',
      retry_count: task.retryCount + 1,
      failure_reason: shortened(reason),
      failure_class: failureClass ?? undefined,
      ...withoutExternalTag(task),
    },
    log: logLine(now, actor, `Task marked as failed: ${reason}`),
  };
}

/** A failed attempt that is retried: open, after a delay. */
function retryPatch(
  task: Task,
  outcome: Failed,
  retry: RetryDecision & { readonly again: true },
  now: number,
  session: string | undefined,
): TaskPatch {
  return {
    fields: {
      status: 'open',
      assigned: undefined,
      started_at: undefined,
      ready_after: graphTime(retry.at),
      retry_count: task.retryCount + (retry.counted ? 1 : 0),
      completion_candidate: undefined,
      // Interrupted work resumes where it stopped; failed work starts afresh.
      session_id: isCutOff(outcome.failure) ? session : undefined,
      ...withoutExternalTag(task),
    },
    log: logLine(
      now,
      task.assigned ?? 'supervisor',
      `Attempt failed: ${outcome.message}; tried again after ${graphTime(retry.at)} (${retry.because})`,
    ),
  };
}

function isCutOff(failure: FailureKind): boolean {
  return failure === 'interrupted' || failure === 'rate-limited' || failure === 'provider';
}

/**
 * An artifact value in wg's form, a list of strings: a string as it is, each element of an array, anything else as
 * compact JSON. Empty for undefined and null.
 */
export function artifactStrings(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map(artifactText);
  return [artifactText(value)];
}

function artifactText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'null');
}

function withoutExternalTag(task: Pick<Task, 'tags'>): Record<string, unknown> {
  if (!task.tags.includes(EXTERNAL_TAG)) return {};
  return { tags: task.tags.filter((tag) => tag !== EXTERNAL_TAG) };
}

function withFields(patch: TaskPatch, ...more: readonly Record<string, unknown>[]): TaskPatch {
  return { ...patch, fields: Object.assign({}, patch.fields, ...more) };
}

function said(words: string, summary: string | undefined): string {
  return summary ? `${words}: ${summary}` : words;
}
