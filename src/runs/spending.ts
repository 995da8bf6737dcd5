// What runs used, summed by the database itself: there may be many. What is asked again before anything was written is
// not asked of it again.

import type { LearnedOfProfile, Spending, Spent, SpentRow } from '../decide/capacity/budgets.ts';
import { type Learned, learn } from '../decide/capacity/learn.ts';
import type { Database, SqlRow, Statement } from './database.ts';

/** This many of a profile's last runs predict what one takes. */
const LEARNED_FROM = 1000;

/** Noted on its way, or told with its outcome. */
const USED = `coalesce(usage, json_extract(outcome, '$.usage'))`;
const TOLD = `
  json_extract(${USED}, '$.costUsd') AS usd,
  CASE WHEN coalesce(json_extract(${USED}, '$.inputTokens'), json_extract(${USED}, '$.outputTokens')) IS NULL THEN NULL
    ELSE coalesce(json_extract(${USED}, '$.inputTokens'), 0) + coalesce(json_extract(${USED}, '$.outputTokens'), 0)
       + coalesce(json_extract(${USED}, '$.cacheReadInputTokens'), 0)
       + coalesce(json_extract(${USED}, '$.cacheCreationInputTokens'), 0) END AS tokens`;
/** What never started, or was released because something was missing, does not count as a run, whatever it used. */
const IS_RUN = `phase <> 'abandoned' AND coalesce(json_extract(outcome, '$.kind'), '') <> 'deferred'`;
const SUMS = `
  coalesce(sum(usd), 0) AS usd, coalesce(sum(tokens), 0) AS tokens, coalesce(sum(is_run), 0) AS runs,
  coalesce(sum(is_run AND usd IS NULL), 0) AS untold_usd,
  coalesce(sum(is_run AND tokens IS NULL), 0) AS untold_tokens`;
const OURS = `finished_at IS NOT NULL AND type NOT IN ('external', 'schedule')`;

/** The asking side over an open database. */
export function readSpending(database: Database): Spending {
  const prepared = new Map<string, Statement>();
  const sql = (text: string): Statement => {
    const known = prepared.get(text) ?? database.prepare(text);
    prepared.set(text, known);
    return known;
  };
  let version = '';
  const answers = new Map<string, unknown>();
  const memo = <T>(key: string, ask: () => T): T => {
    const { changes } = sql('SELECT total_changes() AS changes').one() ?? {};
    const { data_version } = sql('PRAGMA data_version').one() ?? {};
    const now = `${String(changes)} ${String(data_version)}`;
    if (now !== version) answers.clear();
    version = now;
    if (!answers.has(key)) answers.set(key, ask());
    return answers.get(key) as T;
  };
  return {
    since: (at) =>
      memo(`since ${at}`, () =>
        sql(
          `SELECT graph, repo, executor, model, ${SUMS} FROM (
             SELECT graph, repo, executor, model, ${IS_RUN} AS is_run, ${TOLD} FROM runs
             WHERE finished_at >= ? AND ${OURS}) GROUP BY graph, repo, executor, model`,
        )
          .all(Math.max(at, 0))
          .map(
            (row): SpentRow => ({
              graph: String(row.graph),
              repo: String(row.repo),
              executor: String(row.executor),
              model: row.model === null ? null : String(row.model),
              ...spentOf(row),
            }),
          ),
      ),
    ofTask: (graph, task, createdAt) =>
      memo(`task ${graph}\n${task}\n${createdAt ?? ''}`, () =>
        spentOf(
          sql(
            `SELECT ${SUMS} FROM (SELECT ${IS_RUN} AS is_run, ${TOLD} FROM runs
               WHERE graph = ?1 AND task = ?2 AND task_created_at IS ?3 AND ${OURS} AND seq >
                 coalesce((SELECT reset_seq FROM tasks WHERE graph = ?1 AND task = ?2), 0))`,
          ).one(graph, task, createdAt) ?? {},
        ),
      ),
    learned: (executor) =>
      memo(`learned ${executor}`, (): LearnedOfProfile => {
        const rows = sql(
          `SELECT usd, tokens FROM (SELECT ${IS_RUN} AS is_run, ${TOLD} FROM runs
             WHERE executor = ? AND ${OURS} ORDER BY seq DESC LIMIT ${LEARNED_FROM}) WHERE is_run`,
        ).all(executor);
        return { runs: rows.length, usd: learnedFrom(rows, 'usd'), tokens: learnedFrom(rows, 'tokens') };
      }),
  };
}

function spentOf(row: SqlRow): Spent {
  return {
    usd: Number(row.usd ?? 0),
    tokens: Number(row.tokens ?? 0),
    runs: Number(row.runs ?? 0),
    untoldUsd: Number(row.untold_usd ?? 0),
    untoldTokens: Number(row.untold_tokens ?? 0),
  };
}

function learnedFrom(rows: readonly SqlRow[], column: 'usd' | 'tokens'): Learned {
  return learn(rows.flatMap((row) => (row[column] === null ? [] : [Number(row[column])])));
}
