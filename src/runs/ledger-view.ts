// Queries on the ledger. Changes nothing, so it also works while no supervisor runs.

import type { Spending } from '../decide/capacity/budgets.ts';
import type { KnownResults, Pause, ScheduleMemories, ScheduleMemory } from '../decide/world.ts';
import type { CountedTask } from '../domain/counted-task.ts';
import { type GraphPath, type RunId, type TaskId, type TaskKey, taskKey } from '../domain/ids.ts';
import type { LearnedFootprint } from '../domain/machine.ts';
import type { Run } from '../domain/run.ts';
import { type ActionHistory, readActions } from './action-store.ts';
import type { Database, SqlRow, SqlValue, Statement } from './database.ts';
import { readFootprints } from './footprints.ts';
import { type RememberedGraph, rememberedGraphs } from './graph-book.ts';
import { type Lease, leaseOf } from './lease-row.ts';
import { readResults } from './result-book.ts';
import { numberOrNull, runOf, textOrNull } from './run-row.ts';
import { scheduleMemoryOf } from './schedule-store.ts';
import { readSpending } from './spending.ts';
import { readVerdicts, type VerdictHistory } from './verdict-store.ts';

export interface RunsFilter {
  /** How the ids of the runs begin. */
  readonly idPrefix?: string;
  readonly graph?: GraphPath;
  /** Any of these; an empty list matches nothing. */
  readonly graphs?: readonly GraphPath[];
  readonly task?: TaskId;
  readonly openOnly?: boolean;
  readonly failedOnly?: boolean;
  /** Ended or still open since then, ms. */
  readonly since?: number;
  /** What a text of the run contains, in upper or lower case (ASCII). */
  readonly text?: string;
  /** At most this many. */
  readonly limit?: number;
}

export interface LedgerView extends VerdictHistory, ActionHistory {
  /** What happened on opening that people should know. */
  readonly warnings: readonly string[];
  run(id: RunId): Run | null;
  /** Every run that still owns its task, oldest first. */
  openRuns(): Run[];
  /** Matching runs, newest first. */
  runs(filter?: RunsFilter): Run[];
  latestRun(graph: GraphPath, task: TaskId): Run | null;
  /** A task's runs since a person last said `retry`, newest first, at most `limit`. */
  runsSinceReset(graph: GraphPath, task: TaskId, limit: number): Run[];
  /** The run that a callback token belongs to, in any phase. */
  runOfToken(hash: string): Run | null;
  /** The lease of a run; null if none was recorded. */
  lease(id: RunId): Lease | null;
  /** The CLI session of a run, as its executor recorded it. */
  session(id: RunId): string | null;
  /**
   * How many attempts of a task, in all its copies, failed in a way that counts: since a person last said `retry`, or
   * in its lifetime. A task created again under the same id (another created_at) starts at 0.
   */
  countedAttempts(task: CountedTask, sinceReset?: boolean): number;
  scheduleMemory(): ScheduleMemories;
  /** All pauses, expired ones included. */
  pauses(): Pause[];
  /** Results of finished tasks. */
  results(): KnownResults;
  /** What runs used. */
  spending(): Spending;
  /** What runs of a profile take; null: too few were measured. */
  learnedFootprint(executor: string): LearnedFootprint | null;
  meta(key: string): string | null;
  /** Graphs as last seen. */
  rememberedGraphs(): RememberedGraph[];
  close(): void;
}

const OPEN = `phase IN ('opened', 'claimed', 'started', 'handed-off', 'finished')`;

/** A line feed between them: no text that is looked for reaches from one into the next. */
const SEARCHED = ['id', 'task', 'worktree', 'executor', 'because', 'model', 'agent', 'outcome']
  .map((column) => `coalesce(${column}, '')`)
  .join(` || char(10) || `);

const PAUSE_SCOPES = ['task', 'profile', 'account', 'worktree', 'repo', 'machine'] as const;

function pauseOf(row: SqlRow): Pause {
  const scope = PAUSE_SCOPES.find((word) => word === row.scope);
  if (scope === undefined) throw new Error(`ledger holds a pause of unknown scope ${String(row.scope)}`);
  return {
    scope,
    name: String(row.name),
    code: String(row.code),
    because: String(row.because),
    until: numberOrNull(row, 'until'),
  };
}

/** The reading side over an open database. */
export function createLedgerView(database: Database, warnings: readonly string[]): LedgerView {
  // Prepared on first use and cached: preparing costs more than running.
  const prepared = new Map<string, Statement>();
  const sql = (text: string): Statement => {
    const known = prepared.get(text);
    if (known !== undefined) return known;
    const made = database.prepare(text);
    prepared.set(text, made);
    return made;
  };
  let spending: Spending | undefined;
  let footprints: LedgerView['learnedFootprint'] | undefined;
  const maybeRun = (row: SqlRow | null) => (row === null ? null : runOf(row));

  return {
    warnings,
    run: (id) => maybeRun(sql('SELECT * FROM runs WHERE id = ?').one(id)),
    openRuns: () => sql(`SELECT * FROM runs WHERE ${OPEN} ORDER BY seq`).all().map(runOf),
    runs(filter = {}) {
      const where: string[] = [];
      const values: SqlValue[] = [];
      if (filter.graph !== undefined) {
        where.push('graph = ?');
        values.push(filter.graph);
      }
      if (filter.graphs !== undefined) {
        where.push(`graph IN (${filter.graphs.map(() => '?').join(', ')})`);
        values.push(...filter.graphs);
      }
      if (filter.task !== undefined) {
        where.push('task = ?');
        values.push(filter.task);
      }
      if (filter.idPrefix !== undefined) {
        where.push('id >= ? AND id < ?');
        values.push(filter.idPrefix, `${filter.idPrefix}\u{10ffff}`);
      }
      if (filter.openOnly) where.push(OPEN);
      if (filter.failedOnly) where.push(`json_extract(outcome, '$.kind') = 'failed'`);
      if (filter.since !== undefined) {
        where.push(`(${OPEN} OR coalesce(finished_at, started_at, opened_at) >= ?)`);
        values.push(filter.since);
      }
      if (filter.text !== undefined) {
        where.push(`instr(lower(${SEARCHED}), lower(?)) > 0`);
        values.push(filter.text);
      }
      const condition = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
      return sql(`SELECT * FROM runs ${condition} ORDER BY seq DESC LIMIT ?`)
        .all(...values, Math.max(0, Math.trunc(filter.limit ?? 2 ** 31)))
        .map(runOf);
    },
    latestRun: (graph, task) =>
      maybeRun(
        sql('SELECT * FROM runs WHERE graph = ? AND task = ? ORDER BY seq DESC LIMIT 1').one(graph, task),
      ),
    runsSinceReset: (graph, task, limit) =>
      sql(
        `SELECT * FROM runs WHERE graph = ?1 AND task = ?2 AND seq >
           coalesce((SELECT reset_seq FROM tasks WHERE graph = ?1 AND task = ?2), 0) ORDER BY seq DESC LIMIT ?3`,
      )
        .all(graph, task, limit)
        .map(runOf),
    runOfToken: (hash) =>
      maybeRun(
        sql('SELECT * FROM runs WHERE token_hash = ?').one(hash) ??
          sql('SELECT * FROM runs WHERE id = (SELECT run FROM run_tokens WHERE hash = ?)').one(hash),
      ),
    lease: (run) => leaseOf(sql('SELECT * FROM leases WHERE run = ?').one(run)),
    session(id) {
      const row = sql('SELECT session FROM runs WHERE id = ?').one(id);
      return row === null ? null : textOrNull(row, 'session');
    },
    countedAttempts({ graph, task, createdAt, repo }, sinceReset = true) {
      const row = sql(
        `SELECT count(*) AS n FROM runs WHERE ${repo === null ? 'graph' : 'repo'} = ?1 AND task = ?2
         AND task_created_at IS ?3 AND counted = 1 AND phase IN ('finished', 'settled') AND (?4 = 0 OR seq >
           coalesce((SELECT reset_seq FROM tasks WHERE graph = runs.graph AND task = runs.task), 0))`,
      ).one(repo ?? graph, task, createdAt, sinceReset ? 1 : 0);
      return Number(row?.n ?? 0);
    },
    scheduleMemory() {
      const memory = new Map<TaskKey, ScheduleMemory>();
      for (const row of sql('SELECT * FROM schedules').all())
        memory.set(taskKey(String(row.graph), String(row.task)), scheduleMemoryOf(row));
      return memory;
    },
    results: readResults(database),
    learnedFootprint(executor) {
      footprints ??= readFootprints(database);
      return footprints(executor);
    },
    spending: () => (spending ??= readSpending(database)),
    ...readVerdicts(database),
    ...readActions(database),
    pauses: () => sql('SELECT * FROM pauses ORDER BY scope, name').all().map(pauseOf),
    meta(key) {
      const row = sql('SELECT value FROM meta WHERE key = ?').one(key);
      return row === null ? null : textOrNull(row, 'value');
    },
    rememberedGraphs: rememberedGraphs(database),
    close: () => database.close(),
  };
}
