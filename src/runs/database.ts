// The one door to SQLite (libsql): opening with the settings that make a confirmed write survive a power cut,
// transactions, and errors in our own words. Knows nothing of runs.

import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { createGroupSync } from './group-sync.ts';
import { createLogSync, type LogSync } from './log-sync.ts';

/** What may be bound. libsql ends the whole process on a boolean, so there are none. */
export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** A prepared statement. */
export interface Statement {
  /** Returns how many rows were changed. */
  run(...values: SqlValue[]): number;
  one(...values: SqlValue[]): SqlRow | null;
  all(...values: SqlValue[]): SqlRow[];
}

export interface Database {
  prepare(sql: string): Statement;
  exec(sql: string): void;
  one(sql: string): SqlRow | null;
  /** Runs `act` whole or not at all. Takes the write lock at once, so that what it reads stays true. */
  transaction<T>(act: () => T): T;
  /**
   * What `act` commits is on the disk with the next commit that is not relaxed: a power cut may take it back, a crash of
   * this program never does, and nothing later is kept without it. Spares a sync where losing it costs nothing.
   */
  relaxed<T>(act: () => T): T;
  /**
   * Resolves when everything that was committed so far is on the disk. Syncs outside of the event loop, once for all who
   * ask at the same time; rejects for all of them when the disk says no.
   */
  synced(): Promise<void>;
  /** Why the last write was refused by the disk, with what to do; null since a later one went through. */
  refusal(): string | null;
  close(): void;
}

/** How long a write waits for another process's write, ms. It blocks the thread: writes of ours take under 1 ms. */
const BUSY_TIMEOUT_MS = 5000;

/** SQLite's words for a file whose content is not a usable database. */
const CORRUPT = new Set(['SQLITE_NOTADB', 'SQLITE_CORRUPT']);

/** Whether an error says that the file's content is beyond use, as opposed to being busy or out of reach. */
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
    return failed('is damaged', 'Start the supervisor anew: it moves the file aside and begins another.');
  return thrown;
}

/** What the disk said against a write, with what to do; null for anything else that may be wrong with one. */
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

/** A `file:` URI that opens a path for reading only, whatever characters the path has. */
function readOnlyUri(file: string): string {
  return `file:${encodeURI(file).replaceAll('?', '%3f').replaceAll('#', '%23')}?mode=ro`;
}

/** Opens a database file; the native part is loaded on first use, for it costs 20 ms. `log` brings its log to the disk. */
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
    // libsql would go on answering: a closed ledger must not be written by a straggler.
    if (closed) throw new Error(`ledger ${file} used after it was closed`);
    return guarded(act);
  };
  const exec = (sql: string) => open(() => void raw.exec(sql));
  let relaxing = 0;
  /** What SQLite was told last; changed only when it matters, for telling it costs as much as a small write. */
  let syncsItself = true;
  const level = () => {
    const wanted = relaxing === 0;
    if (wanted === syncsItself || raw.inTransaction) return;
    raw.exec(`PRAGMA synchronous = ${wanted ? 'FULL' : 'NORMAL'}`);
    syncsItself = wanted;
  };
  let refusal: string | null = null;
  /** A write, or a step towards one; what is inside of a transaction shows at its end whether it went through. */
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
  /** The log could not be synced once: what the system says of it later is not to be trusted. */
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
  /** Everything goes from the log into the ledger itself, and the log begins anew. */
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
          // SQLite has rolled back by itself (full disk, I/O error): the first error is the one to tell.
        }
        throw thrown;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      log.close();
      try {
        // libsql lets go of the file only with its last statement; so at least the log is folded in now.
        if (!readOnly) raw.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      } catch {
        // Another process reads or writes just now: the next opening folds the log in.
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
