// The ledger's memory of finished tasks, kept longer than their runs: graphs can be rewound, and finished work must
// not be repeated because of that. Read at every tick, so it is cached in memory; the outcomes themselves are not.

import type { KnownResult, KnownResults } from '../decide/world.ts';
import type { TaskId } from '../domain/ids.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import type { TaskDetail } from '../domain/task.ts';
import { tokenHash } from '../platform/identity.ts';
import type { Database, SqlRow } from './database.ts';
import { refuseUnfaithful, textOrNull } from './run-row.ts';

/** A task by what is the same in all worktrees of its repository. */
export type ResultKey = Pick<KnownResult, 'repo' | 'task' | 'createdAt'>;

/** The task of a run, as results are known by it. */
export function resultKey(run: Run): ResultKey {
  return { repo: run.repo, task: run.task, createdAt: run.taskCreatedAt };
}

/** A result as recorded. */
export type NewResult = Omit<KnownResult, 'ended' | 'mark' | 'content'> & {
  readonly outcome: Succeeded | Failed;
  /** The task it is the result of; null: gone from its graph. */
  readonly of: TaskDetail | null;
};

export interface ResultBook {
  results(): KnownResults;
  /** Records a result, before it is written into its graph; replaces what was known of the task. */
  noteResult(result: NewResult): void;
  /** Records that the result of this run is in the graph, and the log entry that marks it. */
  markResult(key: ResultKey, run: string, mark: string): void;
  /** The outcome of a known result; null: another one replaced it. */
  outcomeOf(known: KnownResult): Succeeded | Failed | null;
  /** The task was started again, or a person decided that it is not finished. */
  forgetResult(key: ResultKey): void;
  /** The rows were changed in another way: they are read again. */
  readResultsAnew(): void;
  /** Forgets what was known before this instant, ms. */
  forgetResultsBefore(at: number): void;
}

/**
 * The parts of a task that people change; everything else changes when it is tried. The supervisor's own keys are
 * excluded, as wg drops them when it rewrites the file; their tags are included.
 */
export function contentPrint(task: TaskDetail): string {
  const { title, description, exec, model, execMode, timeout } = task;
  const { skills, inputs, deliverables, createdAt } = task;
  const tags = task.tags.filter((tag) => tag !== 'claimed-externally').sort();
  const after = [...task.after].sort();
  return tokenHash(
    JSON.stringify([
      ...[title, description, exec, model, execMode, timeout, createdAt],
      ...[tags, after, skills, inputs, deliverables],
    ]),
  );
}

/** How many changes of a repository are kept, for callers that ask what changed since. */
const CHANGES_KEPT = 1000;

/** The results in memory, and their changes. */
class Results implements KnownResults {
  readonly #repos = new Map<string, Map<TaskId, readonly KnownResult[]>>();
  readonly #changes = new Map<string, { revision: number; last: TaskId[] }>();
  readonly #base: number;

  /** `base`: revisions begin there, above those of a book that this one replaces. */
  constructor(base = 0) {
    this.#base = base;
  }

  /** Above every revision so far. */
  get nextBase(): number {
    const revisions = [...this.#changes.values()].map(({ revision }) => revision);
    return Math.max(this.#base, ...revisions) + 1;
  }

  of(repo: string, task: TaskId): readonly KnownResult[] {
    return this.#repos.get(repo)?.get(task) ?? [];
  }

  tasksOf(repo: string): Iterable<TaskId> {
    return this.#repos.get(repo)?.keys() ?? [];
  }

  revisionOf(repo: string): number {
    return this.#changes.get(repo)?.revision ?? this.#base;
  }

  changedSince(repo: string, revision: number): Iterable<TaskId> | null {
    const { revision: now, last } = this.#changes.get(repo) ?? { revision: this.#base, last: [] };
    const count = now - revision;
    return count > last.length ? null : last.slice(last.length - count);
  }

  isSameContent(known: KnownResult, task: TaskDetail): boolean {
    return known.content === '' || known.content === contentPrint(task);
  }

  put(known: KnownResult): void {
    const others = this.of(known.repo, known.task).filter((one) => one.createdAt !== known.createdAt);
    this.#set(known, [...others, known]);
  }

  delete(key: ResultKey): void {
    const others = this.of(key.repo, key.task).filter((one) => one.createdAt !== key.createdAt);
    this.#set(key, others);
  }

  #set({ repo, task }: ResultKey, known: readonly KnownResult[]): void {
    const tasks = this.#repos.get(repo) ?? new Map<TaskId, readonly KnownResult[]>();
    this.#repos.set(repo, tasks);
    if (known.length > 0) tasks.set(task, known);
    else tasks.delete(task);
    const changes = this.#changes.get(repo) ?? { revision: this.#base, last: [] };
    this.#changes.set(repo, changes);
    changes.revision++;
    changes.last.push(task);
    if (changes.last.length > 2 * CHANGES_KEPT) changes.last = changes.last.slice(-CHANGES_KEPT);
  }
}

function knownOf(row: SqlRow): KnownResult {
  const createdAt = String(row.created_at);
  return {
    repo: String(row.repo),
    task: String(row.task),
    createdAt: createdAt === '' ? null : createdAt,
    graph: String(row.graph),
    run: String(row.run),
    agent: String(row.agent),
    ended: row.ended === 'failed' ? 'failed' : 'succeeded',
    content: String(row.content),
    mark: textOrNull(row, 'mark'),
    at: Number(row.at),
  };
}

function read(database: Database, base?: number): Results {
  const results = new Results(base);
  const columns = 'repo, task, created_at, graph, run, agent, ended, content, mark, at';
  for (const row of database.prepare(`SELECT ${columns} FROM results`).all()) results.put(knownOf(row));
  return results;
}

/** The results of a ledger that is open for reading only. */
export function readResults(database: Database): () => KnownResults {
  let results: Results | null = null;
  return () => {
    results ??= read(database);
    return results;
  };
}

/** The book over an open, migrated database with no other writer. */
export function createResultBook(database: Database): ResultBook {
  const put = database.prepare(
    `INSERT OR REPLACE INTO results (repo, task, created_at, graph, run, agent, ended, outcome, content, mark, at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)`,
  );
  const begun = database.prepare('SELECT max(started_at) AS at FROM runs WHERE graph = ? AND task = ?');
  const mark = database.prepare(
    'UPDATE results SET mark = ? WHERE repo = ? AND task = ? AND created_at = ? AND run = ?',
  );
  const one = database.prepare('SELECT * FROM results WHERE repo = ? AND task = ? AND created_at = ?');
  const drop = database.prepare('DELETE FROM results WHERE repo = ? AND task = ? AND created_at = ?');
  const old = database.prepare('SELECT * FROM results WHERE at < ?');
  let book: Results | null = null;
  const known = () => {
    book ??= read(database);
    return book;
  };
  const row = ({ repo, task, createdAt }: ResultKey) => one.one(repo, task, createdAt ?? '');
  const forget = (key: ResultKey): void => {
    if (
      !known()
        .of(key.repo, key.task)
        .some((result) => result.createdAt === key.createdAt)
    )
      return;
    database.relaxed(() => drop.run(key.repo, key.task, key.createdAt ?? ''));
    known().delete(key);
  };
  return {
    results: known,
    noteResult({ of, outcome, ...result }) {
      const { repo, task, createdAt, graph, run, agent } = result;
      refuseUnfaithful('task id', task);
      // No claim by a run came after it, though the clock may have been set back since.
      const at = Math.max(result.at, Number(begun.one(graph, task)?.at ?? 0));
      const content = of ? contentPrint(of) : '';
      const { kind } = outcome;
      // On the disk with the next durable write; after a power cut the open run reports the same once more.
      database.relaxed(() =>
        put.run(repo, task, createdAt ?? '', graph, run, agent, kind, JSON.stringify(outcome), content, at),
      );
      known().put({ ...result, at, ended: kind, content, mark: null });
    },
    markResult(key, run, text) {
      const { repo, task, createdAt } = key;
      if (database.relaxed(() => mark.run(text, repo, task, createdAt ?? '', run)) === 0) return;
      const found = row(key);
      if (found) known().put(knownOf(found));
    },
    outcomeOf(result) {
      const found = row(result);
      return found?.run === result.run ? (JSON.parse(String(found.outcome)) as Succeeded | Failed) : null;
    },
    readResultsAnew() {
      if (book) book = read(database, book.nextBase);
    },
    forgetResult: forget,
    forgetResultsBefore(at) {
      for (const result of old.all(at).map(knownOf)) forget(result);
    },
  };
}
