import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Database, makeDurable, openDatabase } from '../../src/runs/database.ts';
import { LEDGER_VERSION, ledgerVersion, MIGRATIONS, migrate } from '../../src/runs/migrations.ts';

let folder: string;
let open: Database[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'migrations-'));
  open = [];
});

afterEach(() => {
  for (const database of open) database.close();
  rmSync(folder, { recursive: true, force: true });
});

async function database(): Promise<Database> {
  const made = await openDatabase(join(folder, 'ledger.sqlite'), false);
  makeDurable(made);
  open.push(made);
  return made;
}

describe('migrations', () => {
  test('bring an empty file to the present version, and a second time do nothing', async () => {
    const one = await database();
    expect(ledgerVersion(one)).toBe(0);
    migrate(one);
    migrate(one);
    expect(ledgerVersion(one)).toBe(LEDGER_VERSION);
    const tables = one.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
    expect(tables.map((row) => row.name)).toEqual(
      expect.arrayContaining([
        'deliveries',
        'idempotency_keys',
        'meta',
        'pauses',
        'results',
        'runs',
        'schedules',
        'tasks',
      ]),
    );
  });

  test('a later step keeps what is there', async () => {
    const one = await database();
    migrate(one);
    one.exec("INSERT INTO meta VALUES ('a', 'b')");
    migrate(one, [...MIGRATIONS, 'ALTER TABLE meta ADD COLUMN extra TEXT']);
    expect(ledgerVersion(one)).toBe(LEDGER_VERSION + 1);
    expect(one.one('SELECT * FROM meta')).toMatchObject({ key: 'a', value: 'b', extra: null });
  });

  test('a step that fails half-way leaves the version and the tables as they were', async () => {
    const one = await database();
    migrate(one);
    expect(() => migrate(one, [...MIGRATIONS, 'CREATE TABLE half (a); CREATE TABLE meta (b)'])).toThrow();
    expect(ledgerVersion(one)).toBe(LEDGER_VERSION);
    expect(one.one("SELECT count(*) AS n FROM sqlite_master WHERE name = 'half'")?.n).toBe(0);
  });

  test('two programs that find the same old version take each step once', async () => {
    const [one, two] = [await database(), await database()];
    const steps = ['CREATE TABLE a (a)', 'CREATE TABLE b (b)'];
    // The second has read version 0; before it gets the write lock, the first takes both steps.
    const slow: Database = {
      ...two,
      transaction(act) {
        migrate(one, steps);
        return two.transaction(act);
      },
    };
    migrate(slow, steps);
    expect([ledgerVersion(one), ledgerVersion(two)]).toEqual([2, 2]);
  });
});

/** The first digits of each step's SHA-256, as released. A step that is edited would leave ledgers of two shapes. */
const STEPS: readonly string[] = [
  '0a7bb9757a83',
  '894b240f4298',
  'f374f51ed62c',
  'aad2066481d1',
  'd15dd4efcc66',
  '803b3c7a74ca',
  'fc8c3d5c45f4',
  '7c7e0e720d95',
  '61d3b19524b9',
  'efd63558542f',
  '98fce03276f5',
  'ba0de6a869d0',
  'd8a78be64de1',
  '5300f476c362',
];

/** Every table and index, as the database describes it. */
const schemaOf = (database: Database) =>
  database
    .prepare("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name")
    .all()
    .map(({ type, name, sql }) => ({ type, name, sql }));

const columnsOf = (database: Database, table: string) =>
  database
    .prepare(`SELECT name, type, pk FROM pragma_table_info('${table}')`)
    .all()
    .map(({ name, type }) => ({ name: String(name), type: String(type) }));

/** A row in every table, with a value in every column. */
function fill(database: Database): Map<string, Record<string, unknown>> {
  const rows = new Map<string, Record<string, unknown>>();
  for (const { type, name } of schemaOf(database)) {
    if (type !== 'table') continue;
    const table = String(name);
    const values = columnsOf(database, table).map(
      (column, n) => [column.name, column.type === 'INTEGER' ? n + 1 : `${column.name}-${n}`] as const,
    );
    const literal = values.map(([, value]) => (typeof value === 'number' ? String(value) : `'${value}'`));
    database.exec(
      `INSERT INTO ${table} (${values.map(([column]) => `"${column}"`).join(', ')}) VALUES (${literal.join(', ')})`,
    );
    rows.set(table, Object.fromEntries(values));
  }
  return rows;
}

describe('a ledger of every earlier version', () => {
  test('steps are only added: those that were released are as they were', () => {
    const hashes = MIGRATIONS.map((step) => createHash('sha256').update(step).digest('hex').slice(0, 12));
    expect(hashes).toEqual(STEPS);
  });

  test.each(
    MIGRATIONS.map((_, n) => n + 1),
  )('version %d keeps its rows and becomes like a new one', async (version) => {
    const fresh = await openDatabase(join(folder, 'fresh.sqlite'), false);
    open.push(fresh);
    migrate(fresh);
    const old = await database();
    migrate(old, MIGRATIONS.slice(0, version));
    expect(ledgerVersion(old)).toBe(version);
    const rows = fill(old);
    expect(rows.size).toBeGreaterThan(3);
    migrate(old);
    expect(ledgerVersion(old)).toBe(LEDGER_VERSION);
    const tables = (of: Database) => schemaOf(of).map(({ type, name }) => `${type} ${name}`);
    expect(tables(old)).toEqual(tables(fresh));
    for (const { type, name } of schemaOf(fresh)) {
      if (type !== 'table') continue;
      expect(columnsOf(old, String(name))).toEqual(columnsOf(fresh, String(name)));
      const row = rows.get(String(name));
      if (row) expect(old.one(`SELECT * FROM ${name}`)).toMatchObject(row);
    }
  });
});
