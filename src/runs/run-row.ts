// Converts between a run and its row in the ledger. Knows no SQL beyond column names.

import { SupervisorError } from '../domain/errors.ts';
import type { Footprint } from '../domain/machine.ts';
import type { Outcome, Usage } from '../domain/outcome.ts';
import type { ExecutorType } from '../domain/profile.ts';
import { type ProcessIdentity, RUN_PHASES, type Run, type RunPhase } from '../domain/run.ts';
import type { SqlRow, SqlValue } from './database.ts';

/** A caller's facts about a new run; the ledger adds phase, fence and instant. */
export type NewRun = Pick<
  Run,
  | 'id'
  | 'graph'
  | 'task'
  | 'taskCreatedAt'
  | 'worktree'
  | 'repo'
  | 'executor'
  | 'type'
  | 'because'
  | 'attempt'
  | 'occurrence'
> & {
  readonly deadlineAt?: number | null;
  /** The new fence is above this one as well, for a graph that remembers more than the ledger does. */
  readonly fenceAbove?: number;
};

/** Facts that may become known while it runs. */
export type RunFacts = Partial<
  Pick<
    Run,
    'agent' | 'process' | 'folder' | 'reference' | 'deadlineAt' | 'startedAt' | 'finishedAt' | 'outcome'
  >
>;

/** Columns that a move may change, in the order of `changeableValues`. */
export const CHANGEABLE = [
  'phase',
  'agent',
  'pid',
  'start_time',
  'boot_id',
  'folder',
  'reference',
  'deadline_at',
  'started_at',
  'finished_at',
  'outcome',
  'counted',
] as const;

/**
 * Failures that cost no attempt: they do not show whether the work would have succeeded. `interrupted`: the process
 * vanished with the machine or the supervisor; `rate-limited`: the account's quota was used up.
 */
const UNCOUNTED: ReadonlySet<string> = new Set(['interrupted', 'rate-limited']);

/** Whether an outcome used up one of the task's attempts. */
export function costsAttempt(outcome: Outcome | null): boolean {
  return outcome?.kind === 'failed' && !UNCOUNTED.has(outcome.failure);
}

/** A run's values for the columns of `CHANGEABLE`. */
export function changeableValues(run: Run): SqlValue[] {
  return [
    run.phase,
    run.agent,
    run.process?.pid ?? null,
    run.process?.startTime ?? null,
    run.process?.bootId ?? null,
    run.folder,
    run.reference,
    run.deadlineAt,
    run.startedAt,
    run.finishedAt,
    run.outcome === null ? null : JSON.stringify(run.outcome),
    costsAttempt(run.outcome) ? 1 : 0,
  ];
}

/** A run as the row that `runOf` reads, for storing it outside the ledger. */
export function rowOf(run: Run): SqlRow {
  const values = changeableValues(run);
  return {
    id: run.id,
    graph: run.graph,
    task: run.task,
    task_created_at: run.taskCreatedAt,
    worktree: run.worktree,
    repo: run.repo,
    executor: run.executor,
    type: run.type,
    because: run.because,
    attempt: run.attempt,
    fence: run.fence,
    occurrence: run.occurrence,
    opened_at: run.openedAt,
    ...Object.fromEntries(CHANGEABLE.map((column, n) => [column, values[n]])),
  };
}

function text(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`ledger column ${column} holds ${typeof value}, not text`);
  return value;
}

function number(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value !== 'number')
    throw new Error(`ledger column ${column} holds ${typeof value}, not a number`);
  return value;
}

/** A nullable column, as text. */
export function textOrNull(row: SqlRow, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

/** A nullable column, as a number. */
export function numberOrNull(row: SqlRow, column: string): number | null {
  return row[column] === null ? null : number(row, column);
}

function oneOf<T extends string>(known: readonly T[], value: string, column: string): T {
  const found = known.find((word) => word === value);
  if (found === undefined) throw new Error(`ledger column ${column} holds the unknown word ${value}`);
  return found;
}

function processOf(row: SqlRow): ProcessIdentity | null {
  const pid = numberOrNull(row, 'pid');
  return pid === null ? null : { pid, startTime: text(row, 'start_time'), bootId: text(row, 'boot_id') };
}

/** The run of a row of the table `runs`. */
export function runOf(row: SqlRow): Run {
  const outcome = textOrNull(row, 'outcome');
  // Not known of a run that was stored outside the ledger.
  const { session, model, usage, footprint, place, port_base: portBase } = row;
  return {
    id: text(row, 'id'),
    graph: text(row, 'graph'),
    task: text(row, 'task'),
    taskCreatedAt: textOrNull(row, 'task_created_at'),
    worktree: text(row, 'worktree'),
    repo: text(row, 'repo'),
    executor: text(row, 'executor'),
    // A run of a type that this version does not have stays readable.
    type: text(row, 'type') as ExecutorType,
    because: text(row, 'because'),
    attempt: number(row, 'attempt'),
    fence: number(row, 'fence'),
    agent: text(row, 'agent'),
    phase: oneOf<RunPhase>(RUN_PHASES, text(row, 'phase'), 'phase'),
    process: processOf(row),
    folder: textOrNull(row, 'folder'),
    reference: textOrNull(row, 'reference'),
    deadlineAt: numberOrNull(row, 'deadline_at'),
    occurrence: numberOrNull(row, 'occurrence'),
    openedAt: number(row, 'opened_at'),
    startedAt: numberOrNull(row, 'started_at'),
    finishedAt: numberOrNull(row, 'finished_at'),
    outcome: outcome === null ? null : (JSON.parse(outcome) as Outcome),
    ...(typeof session === 'string' ? { session } : {}),
    ...(typeof model === 'string' ? { model } : {}),
    ...(typeof usage === 'string' ? { usage: JSON.parse(usage) as Usage } : {}),
    ...(typeof place === 'string' ? { place } : {}),
    ...(typeof portBase === 'number' ? { portBase } : {}),
    ...(typeof footprint === 'string' ? { footprint: JSON.parse(footprint) as Footprint } : {}),
  };
}

/** SQLite changes text with a NUL or a lone surrogate, which would then name another task: `graph`. */
export function refuseUnfaithful(what: string, value: string | null): void {
  if (value === null) return;
  if (!value.includes('\u0000') && Buffer.from(value, 'utf8').toString('utf8') === value) return;
  throw new SupervisorError(
    'graph',
    `The ${what} ${JSON.stringify(value)} holds a NUL or half a character.`,
    {
      hint: 'Give the task another id; no tool can name this one.',
    },
  );
}
