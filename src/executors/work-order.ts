// A work order for a worker on another machine: the public dispatch payload, and what starting the same agent there needs.
// Pure. Nothing secret is in it but the token of the run itself, where it is handed over by the supervisor's own API.

import { fillPlaceholders } from '../domain/placeholder.ts';
import type { WorkerProfile } from '../domain/profile.ts';
import type { Assignment } from './executor.ts';
import { dispatchData } from './http/payload.ts';
import { placeholderValue } from './placeholder-values.ts';

/** Its version: a worker refuses one that it does not know. */
export const WORK_ORDER_SCHEMA = 1;

/** How a worker begins the task. */
export interface WorkOfOrder {
  readonly schema: number;
  /** The profile that the task was routed to. */
  readonly profile: string;
  /** What to run where there is no profile of that name. */
  readonly run: string;
  readonly exec: string | null;
  readonly model: string | null;
  /** The model that the project names, where neither task nor profile does. */
  readonly project_model: string | null;
  /** Run in the worker's worktree before it reports success. */
  readonly verify: string | null;
  /** The branch that its commits are pushed to; null: nowhere. */
  readonly push: string | null;
  /** The repository's; a profile of the worker may have its own. */
  readonly hooks: { readonly before_run: string | null; readonly after_run: string | null };
  readonly traceparent: string;
  /** What may still be spent, in sentences. */
  readonly budgets_left: readonly string[];
}

/** The `data` of a claim by a worker. */
export function workOrder(assignment: Assignment, profile: WorkerProfile, now: number) {
  const { task } = assignment;
  const push = fillPlaceholders(profile.push, placeholderValue(assignment));
  const work: WorkOfOrder = {
    schema: WORK_ORDER_SCHEMA,
    profile: profile.name,
    run: profile.run,
    exec: task.exec ?? null,
    model: task.model ?? null,
    project_model: assignment.projectModel ?? null,
    verify: task.verify?.trim() || null,
    push: push.trim() === '' ? null : branchName(push),
    hooks: {
      before_run: assignment.repo.beforeRun?.trim() || null,
      after_run: assignment.repo.afterRun?.trim() || null,
    },
    traceparent: assignment.traceparent,
    budgets_left: assignment.budgetsLeft ?? [],
  };
  return { ...dispatchData(assignment, now), work };
}

/** A text as the name of a branch: what git refuses there is replaced, as task ids may hold anything. */
export function branchName(text: string): string {
  const parts = text
    .split('/')
    .map((part) =>
      part
        // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these git refuses.
        .replace(/[\u0000-\u0020\u007f~^:?*[\\]|@\{|\.\.+/g, '-')
        .replace(/^[.-]+|\.lock$|\.$/g, '-'),
    )
    .filter((part) => part !== '');
  return parts.join('/') === '@' ? '-' : parts.join('/');
}
