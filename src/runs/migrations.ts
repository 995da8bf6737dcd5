// The ledger's schema, as numbered steps that only go forward. A released step is never edited: mistakes are
// corrected by the next one.

import { SupervisorError } from '../domain/errors.ts';
import type { Database } from './database.ts';

/** Step n brings a ledger from version n to n + 1. Instants are ms, JSON is text, absent is NULL. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    graph TEXT NOT NULL,
    task TEXT NOT NULL,
    task_created_at TEXT,
    worktree TEXT NOT NULL,
    repo TEXT NOT NULL,
    executor TEXT NOT NULL,
    type TEXT NOT NULL,
    because TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    agent TEXT NOT NULL DEFAULT '',
    phase TEXT NOT NULL,
    pid INTEGER,
    start_time TEXT,
    boot_id TEXT,
    folder TEXT,
    reference TEXT,
    session TEXT,
    deadline_at INTEGER,
    occurrence INTEGER,
    opened_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    outcome TEXT,
    counted INTEGER NOT NULL DEFAULT 0,
    token_hash TEXT NOT NULL UNIQUE,
    UNIQUE (graph, task, fence)
  );
  -- The database itself refuses a second open run of one task, whatever the program believes.
  CREATE UNIQUE INDEX runs_one_open_per_task ON runs (graph, task)
    WHERE phase IN ('opened', 'claimed', 'started', 'handed-off', 'finished');
  CREATE INDEX runs_of_task ON runs (graph, task, seq);

  -- Outlives the runs: a fence must grow even after the run that had it was pruned.
  CREATE TABLE tasks (
    graph TEXT NOT NULL,
    task TEXT NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    reset_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (graph, task)
  ) WITHOUT ROWID;

  CREATE TABLE schedules (
    graph TEXT NOT NULL,
    task TEXT NOT NULL,
    expression TEXT NOT NULL,
    baseline_at INTEGER NOT NULL,
    last_nominal_at INTEGER,
    PRIMARY KEY (graph, task)
  ) WITHOUT ROWID;

  CREATE TABLE pauses (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT NOT NULL,
    because TEXT NOT NULL,
    until INTEGER,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
  ) WITHOUT ROWID;

  CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    run TEXT,
    target TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER,
    created_at INTEGER NOT NULL,
    last_error TEXT
  );

  CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status INTEGER,
    answer TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
  ) WITHOUT ROWID;

  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
  `
  -- kind 'dispatch': a run sent to its agent; 'notify': an event sent to somebody's own webhook.
  ALTER TABLE deliveries ADD COLUMN kind TEXT NOT NULL DEFAULT 'dispatch';
  CREATE INDEX deliveries_due ON deliveries (kind, state, next_at);

  -- Further tokens of a run: its pre-signed callback, and the new one of a dispatch that is repeated after a crash.
  CREATE TABLE run_tokens (
    hash TEXT PRIMARY KEY,
    run TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX run_tokens_of_run ON run_tokens (run);

  -- What is known of whoever works on a run that we do not run ourselves.
  CREATE TABLE leases (
    run TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    worker TEXT,
    external_ref TEXT,
    lease_ms INTEGER,
    expires_at INTEGER,
    heartbeat_at INTEGER,
    question TEXT,
    stale_at INTEGER,
    notify_url TEXT
  ) WITHOUT ROWID;
  `,
  `
  -- Instants that came and are still to be run: a JSON list of ms, oldest first.
  ALTER TABLE schedules ADD COLUMN owed TEXT NOT NULL DEFAULT '[]';
  -- 1: what last_nominal_at stands for was done; whoever takes the task and gives it back does not begin it again.
  ALTER TABLE schedules ADD COLUMN last_is_over INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- What a person answered to the question; NULL: nobody has yet.
  ALTER TABLE leases ADD COLUMN answer TEXT;
  `,
  `
  -- Which model worked on a run, and what it used (JSON); NULL: nobody said.
  ALTER TABLE runs ADD COLUMN model TEXT;
  ALTER TABLE runs ADD COLUMN usage TEXT;
  `,
  `
  -- What came of tasks, kept longer than their runs, so that an older state of a graph does not have them done again.
  -- created_at '': the task has none. mark: the log entry its line ends with since; NULL: the result was never written.
  CREATE TABLE results (
    repo TEXT NOT NULL,
    task TEXT NOT NULL,
    created_at TEXT NOT NULL,
    graph TEXT NOT NULL,
    run TEXT NOT NULL,
    agent TEXT NOT NULL,
    ended TEXT NOT NULL,
    outcome TEXT NOT NULL,
    content TEXT NOT NULL,
    mark TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (repo, task, created_at)
  ) WITHOUT ROWID;
  CREATE INDEX results_by_age ON results (at);
  `,
  `
  -- Graphs as they were seen last. open: a JSON list of ids; gone_at: since when the graph is not there, NULL: it is.
  CREATE TABLE graphs (
    graph TEXT PRIMARY KEY,
    worktree TEXT NOT NULL,
    repo TEXT NOT NULL,
    branch TEXT,
    folder TEXT NOT NULL,
    open TEXT NOT NULL,
    open_count INTEGER NOT NULL,
    gone_at INTEGER
  ) WITHOUT ROWID;
  `,
  `
  -- Paths under which whoever works on a run may still name its graph, which was moved since.
  CREATE TABLE former_graphs (
    run TEXT NOT NULL,
    graph TEXT NOT NULL,
    PRIMARY KEY (run, graph)
  ) WITHOUT ROWID;
  `,
  `
  -- Attempts of one task are counted over the copies of its graph.
  CREATE INDEX runs_counted ON runs (repo, task) WHERE counted = 1;
  `,
  `
  -- What was spent since an instant, and what the last runs of a profile took.
  CREATE INDEX runs_by_end ON runs (finished_at);
  CREATE INDEX runs_of_executor ON runs (executor, seq);
  `,
  `
  -- Texts are stored once: a change of a verdict takes some twenty bytes.
  CREATE TABLE verdict_tasks (
    id INTEGER PRIMARY KEY,
    graph TEXT NOT NULL,
    task TEXT NOT NULL,
    UNIQUE (graph, task)
  );
  CREATE TABLE verdict_words (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    code TEXT NOT NULL,
    because TEXT NOT NULL,
    UNIQUE (state, code, because)
  );
  CREATE TABLE verdict_changes (
    task INTEGER NOT NULL,
    at INTEGER NOT NULL,
    words INTEGER NOT NULL,
    PRIMARY KEY (task, at)
  ) WITHOUT ROWID;
  CREATE TABLE watched (
    from_at INTEGER PRIMARY KEY,
    to_at INTEGER NOT NULL
  );
  `,
  `
  -- What people had done through the API, and who they were. task NULL: it was about none; target NULL: everything.
  CREATE TABLE actions (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    task TEXT,
    worktree TEXT,
    target TEXT,
    detail TEXT NOT NULL
  );
  CREATE INDEX actions_of_task ON actions (task, worktree, seq);
  CREATE INDEX actions_by_age ON actions (at);
  `,
  `
  -- The most that the processes of a run took together (JSON); NULL: not measured.
  ALTER TABLE runs ADD COLUMN footprint TEXT;
  `,
  `
  -- The worktree made for the run's task, and the first of its ports; NULL: the graph's worktree, no ports.
  ALTER TABLE runs ADD COLUMN place TEXT;
  ALTER TABLE runs ADD COLUMN port_base INTEGER;
  `,
];

/** The version that this program writes. */
export const LEDGER_VERSION = MIGRATIONS.length;

/** The version of an open ledger; 0 when it is empty. */
export function ledgerVersion(database: Database): number {
  return Number(database.one('PRAGMA user_version')?.user_version ?? 0);
}

/** Throws `config` if the ledger was written by a newer program: its meaning is unknown. */
export function refuseNewerLedger(database: Database, file: string): void {
  const found = ledgerVersion(database);
  if (found <= LEDGER_VERSION) return;
  throw new SupervisorError(
    'config',
    `The ledger ${file} has version ${found}, written by a newer supervisor; this one knows versions up to ${LEDGER_VERSION}.`,
    {
      hint: 'Install the newer supervisor again, or give this one a state folder of its own with --state-dir.',
      details: { file, found, supported: LEDGER_VERSION },
    },
  );
}

/** Migrates a ledger to the current version: each step whole or not at all, even if two programs try at once. */
export function migrate(database: Database, steps: readonly string[] = MIGRATIONS): void {
  while (ledgerVersion(database) < steps.length) {
    database.transaction(() => {
      // Read again inside: another process may have taken this step while this one waited for the write lock.
      const version = ledgerVersion(database);
      const step = steps[version];
      if (step === undefined) return;
      database.exec(step);
      database.exec(`PRAGMA user_version = ${version + 1}`);
    });
  }
}
