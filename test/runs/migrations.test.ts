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
