// The ledger's disk in memory: the real SQL in SQLite's own memory, behind the interface that the ledger has for it.
// Outlives every life; may be full, and lose at a power cut what was not synced.

import Libsql from 'libsql';
import { SupervisorError } from '../../src/domain/errors.ts';
import type { Database, SqlRow, SqlValue, Statement } from '../../src/runs/database.ts';
import { createLedger, type Ledger } from '../../src/runs/ledger-writer.ts';
import { migrate } from '../../src/runs/migrations.ts';
import type { Life, Scheduler } from './scheduler.ts';
import type { Moved } from './trace.ts';

/** A write of a life that just ended. */
export class Killed extends Error {}

type Raw = InstanceType<typeof Libsql>;
type RawStatement = ReturnType<Raw['prepare']>;

/** Dirty pages are older than this at most, ms. */
const WRITE_BACK_MS = 30_000;

const MOVED = `INSERT INTO moved (run, graph, task, fence, phase, agent, type, outcome)
  SELECT new.id, new.graph, new.task, new.fence, new.phase, new.agent, new.type, json_extract(new.outcome, '$.kind')`;
/** What is committed is recorded with it, whatever kills the supervisor a moment later. */
const RECORDING = [
  'CREATE TEMP TABLE moved (seq INTEGER PRIMARY KEY, run, graph, task, fence, phase, agent, type, outcome)',
  `CREATE TEMP TRIGGER moved_opened AFTER INSERT ON runs BEGIN ${MOVED}; END`,
  `CREATE TEMP TRIGGER moved_on AFTER UPDATE ON runs WHEN new.phase <> old.phase OR new.agent <> old.agent
     BEGIN ${MOVED}; END`,
];

/** Opening one takes longer than a whole walk: those that are not in use any more are emptied. */
const spare: { readonly raw: Raw; readonly known: Map<string, RawStatement> }[] = [];

export class LedgerDisk {
  readonly #scheduler: Scheduler;
  readonly #raw: Raw;
  readonly #known: Map<string, RawStatement>;
  /** Rows as read since one of their tables was written. */
  readonly #read = new Map<string, { readonly tables: readonly string[]; readonly rows: SqlRow[] }>();
  /** A power cut undoes what was written since this began. */
  #isRelaxed = false;
  readonly #losesPower: boolean;
  isFull = false;
  #epoch = 0;
  /** Hears of every move of a run; null: they are not recorded. */
  #hearsMoves: ((move: Moved) => void) | null = null;
  /** What may not happen: a use after it was closed. */
  readonly #late: (what: string) => void;

  /** `losesPower`: there will be power cuts, so that it is kept what they undo. */
  constructor(scheduler: Scheduler, losesPower: boolean, late: (what: string) => void) {
    this.#late = late;
    this.#scheduler = scheduler;
    this.#losesPower = losesPower;
    const found = spare.pop();
    if (found) {
      this.#raw = found.raw;
      this.#known = found.known;
      this.clear();
    } else {
      this.#raw = new Libsql(':memory:');
      this.#known = new Map();
      migrate(this.#database(null));
    }
  }

  /** As new. */
  clear(): void {
    for (const { name } of this.#all(`SELECT name FROM sqlite_schema WHERE type = 'table'`))
      if (!String(name).startsWith('sqlite_') || name === 'sqlite_sequence') this.#run(`DELETE FROM ${name}`);
    this.#read.clear();
  }

  /** Tells of every move of a run from now on. This one is used for no other walk. */
  recordMoves(hear: (move: Moved) => void): void {
    for (const sql of RECORDING) this.#raw.exec(sql);
    this.#hearsMoves = hear;
  }

  #tellMoves(): void {
    if (!this.#hearsMoves) return;
    const rows = this.#all('SELECT * FROM moved ORDER BY seq');
    if (rows.length === 0) return;
    this.#run('DELETE FROM moved');
    for (const { run, graph, task, fence, phase, agent, type, outcome } of rows)
      this.#hearsMoves({
        ...{ run: String(run), graph: String(graph), task: String(task), fence: Number(fence) },
        ...{ phase: String(phase), agent: String(agent ?? ''), type: String(type) },
        outcome: outcome === null ? null : String(outcome),
      });
  }

  /** For another walk. */
  close(): void {
    this.#settle();
    if (this.#hearsMoves) {
      this.#raw.close();
      return;
    }
    spare.push({ raw: this.#raw, known: this.#known });
  }

  open(life: Life): Ledger {
    return createLedger(this.#database(life), this.#scheduler.clock(life), []);
  }

  /** What was committed without a sync is gone. */
  powerCut(): void {
    if (!this.#isRelaxed) return;
    this.#isRelaxed = false;
    this.#read.clear();
    this.#run('ROLLBACK TO power');
    this.#run('RELEASE power');
  }

  #settle(): void {
    if (!this.#isRelaxed) return;
    this.#isRelaxed = false;
    this.#run('RELEASE power');
  }

  #database(life: Life | null): Database {
    let relaxing = 0;
    let depth = 0;
    let refusal: string | null = null;
    let isClosed = false;
    const write = <T>(tables: readonly string[], act: () => T): T => {
      if (life && !life.isAlive) throw new Killed();
      if (life && isClosed) {
        this.#late(`${life.name} writes to its ledger after it was closed: ${tables.join(', ')}`);
        throw new Error('the ledger was closed');
      }
      if (life && depth === 0 && --life.writes < 0) {
        // Killed just before this write, or just after it.
        if (life.finishesWrite) {
          this.#forget(tables);
          act();
          this.#tellMoves();
        }
        life.die();
        throw new Killed();
      }
      if (this.isFull && life) {
        refusal = 'The ledger could not be written: the disk is full. Make room.';
        throw new SupervisorError('failed', 'The ledger could not be written: the disk is full.', {
          hint: 'Make room; nothing is started until then.',
          details: { sqlite: 'SQLITE_FULL' },
        });
      }
      if (depth === 0 && this.#losesPower && relaxing > 0 && !this.#isRelaxed) {
        this.#run('SAVEPOINT power');
        this.#isRelaxed = true;
        const epoch = ++this.#epoch;
        // The system writes it back on its own after a while.
        this.#scheduler.after(this.#scheduler.outside, WRITE_BACK_MS, () => {
          if (epoch === this.#epoch) this.#settle();
        });
      }
      this.#forget(tables);
      const result = act();
      if (depth === 0) {
        refusal = null;
        this.#tellMoves();
        if (relaxing === 0) this.#settle();
      }
      return result;
    };
    const prepare = (sql: string): Statement => {
      const isWrite = !/^\s*(?:SELECT|PRAGMA)\b/i.test(sql);
      const tables = tablesOf(sql);
      const rows = (values: SqlValue[]) =>
        isWrite ? write(tables, () => this.#all(sql, values)) : this.#remembered(tables, sql, values);
      return {
        run: (...values) => write(tables, () => this.#run(sql, values)),
        one: (...values) => rows(values)[0] ?? null,
        all: (...values) => [...rows(values)],
      };
    };
    return {
      prepare,
      exec: (sql) => void this.#raw.exec(sql),
      one: (sql) => prepare(sql).one(),
      relaxed(act) {
        relaxing++;
        try {
          return act();
        } finally {
          relaxing--;
        }
      },
      transaction: (act) =>
        write([], () => {
          depth++;
          this.#run('SAVEPOINT change');
          try {
            const result = act();
            this.#run('RELEASE change');
            return result;
          } catch (thrown) {
            this.#run('ROLLBACK TO change');
            this.#run('RELEASE change');
            this.#read.clear();
            throw thrown;
          } finally {
            depth--;
          }
        }),
      synced: () =>
        life === null
          ? Promise.resolve()
          : this.#scheduler.do(life, () => {
              if (this.isFull) throw new SupervisorError('failed', 'The ledger could not be synced.');
              this.#settle();
            }),
      refusal: () => refusal,
      close() {
        isClosed = true;
      },
    };
  }

  #statement(sql: string): RawStatement {
    const known = this.#known.get(sql) ?? this.#raw.prepare(sql);
    this.#known.set(sql, known);
    return known;
  }

  #run(sql: string, values: SqlValue[] = []): number {
    return this.#statement(sql).run(values).changes;
  }

  #all(sql: string, values: SqlValue[] = []): SqlRow[] {
    return this.#statement(sql).all(values) as SqlRow[];
  }

  #forget(tables: readonly string[]): void {
    for (const [key, known] of this.#read)
      if (known.tables.some((table) => tables.includes(table))) this.#read.delete(key);
  }

  #remembered(tables: readonly string[], sql: string, values: SqlValue[]): SqlRow[] {
    const key = values.length === 0 ? sql : `${sql}\0${JSON.stringify(values)}`;
    const known = this.#read.get(key);
    if (known) return known.rows;
    // There is no other connection that could change it.
    if (tables.length === 0 && !sql.includes('data_version')) return this.#all(sql, values);
    const rows = this.#all(sql, values);
    this.#read.set(key, { tables, rows });
    return rows;
  }
}

/** The tables that a statement names. */
function tablesOf(sql: string): readonly string[] {
  return [...sql.matchAll(/\b(?:FROM|INTO|UPDATE(?: OR \w+)?|JOIN)\s+(\w+)/gi)].map(([, table = '']) =>
    table.toLowerCase(),
  );
}
