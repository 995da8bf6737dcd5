// Opens the ledger: a new one, an old one, one of a newer program, a damaged one. Knows nothing of runs.

import { chmodSync, closeSync, existsSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { type Clock, isoTime } from '../platform/clock.ts';
import { type Database, makeDurable, openDatabase, saysCorrupt } from './database.ts';
import { createLedgerView, type LedgerView } from './ledger-view.ts';
import { createLedger, type Ledger } from './ledger-writer.ts';
import { LEDGER_VERSION, ledgerVersion, migrate, refuseNewerLedger } from './migrations.ts';

export type { Ledger, LedgerView };

interface LedgerPlace {
  /** Absolute path of `ledger.sqlite`. */
  readonly file: string;
  readonly clock: Clock;
}

/** The file's content is unusable: not SQLite, damaged, a folder, or unreadable. */
class Unusable extends Error {}

/** Opens the ledger for reading, even while a supervisor writes it; null if there is none. */
export function openLedger(place: LedgerPlace & { readonly readOnly: true }): Promise<LedgerView | null>;
/**
 * Opens the ledger for writing, creating and migrating it as needed. A damaged or unreadable one is moved aside, with
 * a sentence in `warnings`, and a new one created. Throws `config` for one of a newer program.
 */
export function openLedger(place: LedgerPlace & { readonly readOnly?: false }): Promise<Ledger>;
export async function openLedger(
  place: LedgerPlace & { readonly readOnly?: boolean },
): Promise<Ledger | LedgerView | null> {
  if (place.readOnly) return readOnly(place.file);
  const { file, clock } = place;
  const warnings: string[] = [];
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  let database: Database;
  try {
    database = await openForWriting(file);
  } catch (thrown) {
    if (!(thrown instanceof Unusable)) throw thrown;
    const aside = moveAside(file, clock.now(), thrown.message);
    warnings.push(
      `The ledger ${file} could not be used (${thrown.message}); it was moved to ${aside} and a new one begun. ` +
        'Earlier runs are not shown and attempts are counted from zero; the graphs were not touched.',
    );
    database = await openForWriting(file);
  }
  return createLedger(database, clock, warnings);
}

async function openForWriting(file: string): Promise<Database> {
  createPrivately(file);
  const database = await openDatabase(file, false);
  try {
    makeDurable(database);
    refuseNewerLedger(database, file);
    const check = database.one('PRAGMA quick_check(1)')?.quick_check;
    if (check !== 'ok') throw new Unusable(`damaged: ${String(check)}`);
    migrate(database);
    return database;
  } catch (thrown) {
    database.close();
    if (saysCorrupt(thrown))
      throw new Unusable(messageOf(thrown instanceof SupervisorError ? thrown.cause : thrown));
    throw thrown;
  }
}

/** SQLite gives its `-wal` and `-shm` files the mode of the main file, so that one is created first. */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'a', 0o600));
    if (statSync(file).mode & 0o077) chmodSync(file, 0o600);
  } catch (thrown) {
    const code = systemCode(thrown);
    if ((code === 'EACCES' || code === 'EISDIR' || code === 'EPERM') && existsSync(file))
      throw new Unusable(messageOf(thrown));
    throw new SupervisorError('config', `The ledger ${file} could not be opened: ${messageOf(thrown)}.`, {
      hint: 'Make the state folder writable, or name another one with --state-dir.',
      cause: thrown,
    });
  }
}

function moveAside(file: string, now: number, why: string): string {
  const stamp = isoTime(now).replaceAll(':', '').replace(/\..*/, 'Z');
  let aside = `${file}.corrupt-${stamp}`;
  for (let n = 2; existsSync(aside); n++) aside = `${file}.corrupt-${stamp}-${n}`;
  for (const suffix of ['', '-wal', '-shm']) {
    try {
      renameSync(file + suffix, aside + suffix);
    } catch (thrown) {
      // A ledger without a log file is common, and another process may have moved it first.
      if (systemCode(thrown) === 'ENOENT') continue;
      throw new SupervisorError(
        'config',
        `The ledger ${file} cannot be used (${why}) and could not be moved aside: ${messageOf(thrown)}.`,
        { hint: `Move ${file} away by hand, or name another state folder with --state-dir.`, cause: thrown },
      );
    }
  }
  return aside;
}

async function readOnly(file: string): Promise<LedgerView | null> {
  if (!existsSync(file) || statSync(file).size === 0) return null;
  let database: Database | undefined;
  try {
    database = await openDatabase(file, true);
    refuseNewerLedger(database, file);
    const version = ledgerVersion(database);
    if (version === 0) {
      database.close();
      return null;
    }
    if (version < LEDGER_VERSION)
      throw new SupervisorError('config', `The ledger ${file} has version ${version}, an older one.`, {
        hint: 'Start the supervisor once: it brings the ledger up to date.',
      });
    return createLedgerView(database, []);
  } catch (thrown) {
    database?.close();
    if (thrown instanceof SupervisorError) throw thrown;
    throw new SupervisorError('failed', `The ledger ${file} could not be read: ${messageOf(thrown)}.`, {
      hint: 'The next `supervisor run` moves a damaged ledger aside and begins a new one.',
      cause: thrown,
    });
  }
}
