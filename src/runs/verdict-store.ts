// What was said of each task over time: a row for each change, and when a supervisor was running. Small, and not worth
// a sync: a power cut may undo the last seconds.

import type { VerdictWords } from '../decide/judge/verdict-changes.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import type { Steps } from '../domain/steps.ts';
import { VERDICT_STATES, type Verdict } from '../domain/verdict.ts';
import type { Database, SqlRow } from './database.ts';
import { numberOrNull } from './run-row.ts';

/** A verdict that stood from one instant to another, ms; `to` null: it still stands. */
export interface VerdictSpan extends VerdictWords {
  readonly from: number;
  readonly to: number | null;
}

/** A verdict that began at `at`, ms. */
export interface DatedVerdict {
  readonly at: number;
  readonly verdict: Pick<Verdict, 'graph' | 'task'> & VerdictWords;
}

/** What can be asked of the record. */
export interface VerdictHistory {
  /** The verdicts of a task that stood within [from, to], oldest first; times in ms. */
  verdictSpans(graph: GraphPath, task: TaskId, from: number, to: number): VerdictSpan[];
  /** The times within [from, to] in which a supervisor was judging, oldest first, ms. */
  watchedSpans(from: number, to: number): { readonly from: number; readonly to: number }[];
}

export interface VerdictStore extends VerdictHistory {
  /** The last recorded verdict of each task of a graph; in steps, as there may be many. */
  latestVerdicts(graph: GraphPath): Steps<ReadonlyMap<TaskId, VerdictWords>>;
  /** Records changes, and that a supervisor has been judging since `watchedFrom`, until now. */
  recordVerdicts(
    changes: readonly DatedVerdict[],
    watched: { readonly from: number; readonly to: number },
  ): void;
  /** Forgets what ended before an instant, ms. */
  forgetVerdictsBefore(before: number): void;
}

/** Rows read between two pauses. */
const PAGE = 500;
/** A sentence is kept this long. */
const BECAUSE_CHARS = 500;

/** Reads the record of an open database. */
export function readVerdicts(database: Database): VerdictHistory {
  const spans = database.prepare(
    `SELECT at, state, code, because, (
       SELECT min(later.at) FROM verdict_changes later WHERE later.task = c.task AND later.at > c.at) AS until
     FROM verdict_changes c JOIN verdict_words w ON w.id = c.words
     WHERE c.task = (SELECT id FROM verdict_tasks WHERE graph = ?1 AND task = ?2) AND c.at <= ?4
       AND c.at >= coalesce((SELECT max(at) FROM verdict_changes first WHERE first.task = c.task AND first.at <= ?3), ?3)
     ORDER BY at`,
  );
  const watched = database.prepare(
    'SELECT from_at, to_at FROM watched WHERE to_at >= ?1 AND from_at <= ?2 ORDER BY from_at',
  );
  return {
    verdictSpans: (graph, task, from, to) =>
      spans
        .all(graph, task, from, to)
        .map((row) => ({ from: Number(row.at), to: numberOrNull(row, 'until'), ...wordsOf(row) })),
    watchedSpans: (from, to) =>
      watched.all(from, to).map((row) => ({ from: Number(row.from_at), to: Number(row.to_at) })),
  };
}

/** The record over an open, migrated database. */
export function createVerdictStore(database: Database): VerdictStore {
  const latest = database.prepare(
    `SELECT t.task, w.state, w.code, w.because FROM verdict_tasks t
     JOIN verdict_changes c ON c.task = t.id AND c.at = (SELECT max(at) FROM verdict_changes WHERE task = t.id)
     JOIN verdict_words w ON w.id = c.words WHERE t.graph = ?1 AND t.task > ?2 ORDER BY t.task LIMIT ${PAGE}`,
  );
  const addTask = database.prepare('INSERT OR IGNORE INTO verdict_tasks (graph, task) VALUES (?, ?)');
  const addWords = database.prepare(
    'INSERT OR IGNORE INTO verdict_words (state, code, because) VALUES (?, ?, ?)',
  );
  const add = database.prepare(
    `INSERT OR REPLACE INTO verdict_changes (task, at, words) SELECT t.id, ?3, w.id
     FROM verdict_tasks t, verdict_words w
     WHERE t.graph = ?1 AND t.task = ?2 AND w.state = ?4 AND w.code = ?5 AND w.because = ?6`,
  );
  const watch = database.prepare(
    'INSERT INTO watched (from_at, to_at) VALUES (?, ?) ON CONFLICT (from_at) DO UPDATE SET to_at = max(to_at, excluded.to_at)',
  );
  return {
    ...readVerdicts(database),
    *latestVerdicts(graph) {
      const found = new Map<TaskId, VerdictWords>();
      for (let after = ''; ; yield) {
        const rows = latest.all(graph, after);
        for (const row of rows) found.set(String(row.task), wordsOf(row));
        if (rows.length < PAGE) return found;
        after = String(rows.at(-1)?.task);
      }
    },
    recordVerdicts(changes, { from, to }) {
      database.relaxed(() =>
        database.transaction(() => {
          for (const { at, verdict } of changes) {
            const { graph, task, state, code } = verdict;
            const because = verdict.because.slice(0, BECAUSE_CHARS);
            addTask.run(graph, task);
            addWords.run(state, code, because);
            add.run(graph, task, at, state, code, because);
          }
          watch.run(from, to);
        }),
      );
    },
    forgetVerdictsBefore(before) {
      database.relaxed(() => database.transaction(() => forget(database, before)));
    },
  };
}

/** What stood at that instant stays: its change is older. */
function forget(database: Database, before: number): void {
  const dropped = database
    .prepare(
      `DELETE FROM verdict_changes WHERE at < ?1 AND EXISTS (
         SELECT 1 FROM verdict_changes later
         WHERE later.task = verdict_changes.task AND later.at > verdict_changes.at AND later.at <= ?1)`,
    )
    .run(before);
  database.prepare('DELETE FROM watched WHERE to_at < ?').run(before);
  if (dropped === 0) return;
  database.prepare('DELETE FROM verdict_words WHERE id NOT IN (SELECT words FROM verdict_changes)').run();
}

function wordsOf(row: SqlRow): VerdictWords {
  const state = VERDICT_STATES.find((word) => word === row.state) ?? 'held';
  return { state, code: String(row.code), because: String(row.because) };
}
