// The only access to SQLite (libsql): opening with settings that make a confirmed write survive a power cut,
// transactions, and errors with a next step. Knows nothing of runs.

import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { createGroupSync } from './group-sync.ts';
import { createLogSync, type LogSync } from './log-sync.ts';

/** Values that may be bound. libsql aborts the whole process on a boolean, so there are none. */
export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** A prepared statement. */
export interface Statement {
  /** Returns the number of changed rows. */
  run(...values: SqlValue[]): number;
  one(...values: SqlValue[]): SqlRow | null;
  all(...values: SqlValue[]): SqlRow[];
}

export interface Database {
  prepare(sql: string): Statement;
  exec(sql: string): void;
  one(sql: string): SqlRow | null;
  /** Runs `act` as a transaction. Takes the write lock at once, so that what it reads stays true. */
  transaction<T>(act: () => T): T;
  /**
   * Commits `act` without a sync: it reaches the disk with the next commit that is not relaxed. A power cut may undo
   * it, a crash of this program never does, and nothing later survives without it.
   */
  relaxed<T>(act: () => T): T;
  /**
   * Resolves once everything committed so far is on the disk. Syncs outside the event loop, once for all concurrent
   * callers; rejects for all of them if the disk fails.
   */
  synced(): Promise<void>;
  /** Why the disk refused the last write, with what to do; null once a later one succeeded. */
  refusal(): string | null;
  close(): void;
}

/** How long a write waits for another process's write, ms. It blocks the thread: our own writes take under 1 ms. */
const BUSY_TIMEOUT_MS = 5000;

/** SQLite's messages for a file whose content is not a usable database. */
const CORRUPT = new Set(['SQLITE_NOTADB', 'SQLITE_CORRUPT']);

/** Whether an error says that the file's content is unusable, as opposed to being busy or out of reach. */
export function saysCorrupt(thrown: unknown): boolean {
  const code = systemCode(thrown instanceof SupervisorError ? thrown.cause : thrown) ?? '';
  return CORRUPT.has(code) || code.startsWith('SQLITE_CORRUPT_');
}

function inOurWords(thrown: unknown, file: string): unknown {
  if (thrown instanceof SupervisorError) return thrown;
  // Opening fails without an SQLite code.
  const code = messageOf(thrown).startsWith('ConnectionFailed') ? 'SQLITE_CANTOPEN' : systemCode(thrown);
  if (code === undefined || !code.startsWith('SQLITE_')) return thrown;
  const failed = (what: string, hint: string) =>
    new SupervisorError('failed', `The ledger ${file} ${what}.`, {
      hint,
      cause: thrown,
      details: { file, sqlite: code },
    });
  if (code === 'SQLITE_FULL')
    return failed('could not be written: the disk is full', 'Make room; nothing is started until then.');
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return failed('is being written by another process', 'Try again; end the other process if it hangs.');
  if (code.startsWith('SQLITE_READONLY'))
    return failed('may not be written', 'Check the permissions of the state folder.');
  if (code.startsWith('SQLITE_IOERR') || code.startsWith('SQLITE_CANTOPEN'))
    return failed('could not be read or written', 'Check the disk and the permissions of the state folder.');
  if (saysCorrupt(thrown))
    return failed('is damaged', 'Restart the supervisor: it moves the file aside and creates another.');
  return thrown;
}

/** The disk's error of a write, with what to do; null for any other error. */
function refusalOf(thrown: unknown): string | null {
  if (thrown instanceof SupervisorError) {
    const { sqlite } = thrown.details;
    const isDisk = sqlite === 'SQLITE_FULL' || String(sqlite).startsWith('SQLITE_IOERR');
    return isDisk ? `${thrown.message} ${thrown.hint ?? ''}`.trim() : null;
  }
  const code = systemCode(thrown) ?? '';
  if (!['ENOSPC', 'EDQUOT', 'EIO'].includes(code)) return null;
  return `The ledger could not be brought to the disk (${code}). Make room; nothing is started until then.`;
}

/** A `file:` URI that opens a path read-only, whatever characters the path contains. */
function readOnlyUri(file: string): string {
  return `file:${encodeURI(file).replaceAll('?', '%3f').replaceAll('#', '%23')}?mode=ro`;
}

/** Opens a database file; the native part is loaded on first use, as it takes 20 ms. `log` syncs its log. */
export async function openDatabase(
  file: string,
  readOnly: boolean,
  log: LogSync = createLogSync(file),
): Promise<Database> {
  const { default: Libsql } = await import('libsql');
  const guarded = <T>(act: () => T): T => {
    try {
      return act();
    } catch (thrown) {
      throw inOurWords(thrown, file);
    }
  };
  const raw = guarded(() => new Libsql(readOnly ? readOnlyUri(file) : file, { timeout: BUSY_TIMEOUT_MS }));
  let closed = false;
  const open = <T>(act: () => T): T => {
    // libsql would keep answering: a late caller must not write to a closed ledger.
    if (closed) throw new Error(`ledger ${file} used after it was closed`);
    return guarded(act);
  };
  const exec = (sql: string) => open(() => void raw.exec(sql));
  let relaxing = 0;
  /** The current setting in SQLite; changed only if needed, as changing it costs as much as a small write. */
  let syncsItself = true;
  const level = () => {
    const wanted = relaxing === 0;
    if (wanted === syncsItself || raw.inTransaction) return;
    raw.exec(`PRAGMA synchronous = ${wanted ? 'FULL' : 'NORMAL'}`);
    syncsItself = wanted;
  };
  let refusal: string | null = null;
  /** A write, or a step towards one; inside a transaction only its end shows whether it succeeded. */
  const noted = <T>(write: () => T): T => {
    try {
      const result = write();
      if (!raw.inTransaction) refusal = null;
      return result;
    } catch (thrown) {
      refusal = refusalOf(thrown) ?? refusal;
      throw thrown;
    }
  };
  /** A sync of the log failed once: later answers of the system about it cannot be trusted. */
  let doubtful = false;
  const synced = createGroupSync(async () => {
    try {
      if (doubtful) foldIn();
      else await log.sync();
      doubtful = false;
    } catch (thrown) {
      doubtful = true;
      const told = inOurWords(thrown, file);
      refusal = refusalOf(told) ?? refusal;
      throw told;
    }
  });
  /** Copies everything from the log into the ledger itself, and starts a new log. */
  function foldIn(): void {
    const row = raw.prepare<[SqlValue[]]>('PRAGMA wal_checkpoint(TRUNCATE)').get([]) as SqlRow | undefined;
    if (row?.busy !== 0) throw new Error(`The ledger ${file} could not be brought to the disk yet.`);
  }
  return {
    prepare(sql) {
      const statement = open(() => raw.prepare<[SqlValue[]]>(sql));
      const writes = !/^\s*(?:SELECT|PRAGMA)\b/i.test(sql);
      const carryOut = <T>(act: () => T): T => {
        if (!writes) return open(act);
        const write = () => {
          level();
          return act();
        };
        return noted(() => open(write));
      };
      return {
        run: (...values) => carryOut(() => statement.run(values).changes),
        one: (...values) => carryOut(() => (statement.get(values) as SqlRow | undefined) ?? null),
        all: (...values) => carryOut(() => statement.all(values) as SqlRow[]),
      };
    },
    exec,
    one: (sql) => open(() => (raw.prepare<[SqlValue[]]>(sql).get([]) as SqlRow | undefined) ?? null),
    relaxed(act) {
      relaxing++;
      try {
        return act();
      } finally {
        relaxing--;
      }
    },
    synced,
    refusal: () => refusal,
    transaction(act) {
      open(level);
      noted(() => exec('BEGIN IMMEDIATE'));
      try {
        const result = act();
        noted(() => exec('COMMIT'));
        return result;
      } catch (thrown) {
        try {
          if (raw.inTransaction) raw.exec('ROLLBACK');
        } catch {
          // SQLite has rolled back on its own (full disk, I/O error): the first error is the one to report.
        }
        throw thrown;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      log.close();
      try {
        // libsql closes the file only with its last statement; so at least the log is folded in now.
        if (!readOnly) raw.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      } catch {
        // Another process is reading or writing: the next opening folds the log in.
      }
      raw.close();
    },
  };
}

/** The settings of a ledger that is written: every commit reaches the disk before it returns. */
export function makeDurable(database: Database): void {
  database.one('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA foreign_keys = ON');
}
