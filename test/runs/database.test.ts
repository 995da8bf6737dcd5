import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Database, makeDurable, openDatabase, saysCorrupt } from '../../src/runs/database.ts';

let folder: string;
let database: Database;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'database-'));
  database = await openDatabase(join(folder, 'a.sqlite'), false);
  makeDurable(database);
  database.exec('CREATE TABLE a (id TEXT PRIMARY KEY, n INTEGER)');
});

afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

const count = () => database.one('SELECT count(*) AS n FROM a')?.n;

describe('the database', () => {
  test('a confirmed write is one that reached the disk', () => {
    expect(database.one('PRAGMA journal_mode')?.journal_mode).toBe('wal');
    expect(database.one('PRAGMA synchronous')?.synchronous).toBe(2);
    expect(database.one('PRAGMA busy_timeout')?.timeout).toBe(5000);
  });

  test('instants in ms come back as they went in', () => {
    const insert = database.prepare('INSERT INTO a VALUES (?, ?)');
    for (const n of [0, 1_800_000_000_123, Number.MAX_SAFE_INTEGER, null]) {
      insert.run(`${n}`, n);
      expect(database.prepare('SELECT n FROM a WHERE id = ?').one(`${n}`)?.n).toBe(n);
    }
  });

  test('what is relaxed does not sync on its own; whatever is written next does again', () => {
    const level = () => database.one('PRAGMA synchronous')?.synchronous;
    const insert = database.prepare('INSERT INTO a VALUES (?, ?)');
    const ways: [string, () => unknown][] = [
      ['a statement', () => insert.run('1', 1)],
      [
        'a statement that gives rows',
        () => database.prepare('INSERT INTO a VALUES (2, 2) RETURNING n').one(),
      ],
      ['a transaction', () => database.transaction(() => insert.run('3', 3))],
    ];
    for (const [name, write] of ways) {
      database.relaxed(() => database.transaction(() => insert.run(`r-${name}`, 0)));
      expect([name, level()]).toEqual([name, 1]);
      write();
      expect([name, level()]).toEqual([name, 2]);
    }
    expect(() =>
      database.relaxed(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    insert.run('4', 4);
    expect(level()).toBe(2);
  });

  test('a sync that fails is reported to all who shared it, and later ones are not taken at their word', async () => {
    const file = join(folder, 'b.sqlite');
    let broken = false;
    let syncs = 0;
    const other = await openDatabase(file, false, {
      async sync() {
        syncs++;
        if (broken) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
      },
      close() {},
    });
    makeDurable(other);
    other.exec('CREATE TABLE a (id TEXT PRIMARY KEY)');
    const insert = other.prepare('INSERT INTO a VALUES (?)');
    const write = (id: string) => {
      other.relaxed(() => insert.run(id));
      return other.synced();
    };
    await Promise.all([write('1'), write('2')]);
    expect(syncs).toBe(1);
    broken = true;
    const shared = await Promise.allSettled([write('3'), write('4')]);
    expect(shared.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(0);
    broken = false;
    await write('5');
    // Everything went into the ledger itself: the log, of which the system may have lost a part, begins again.
    expect(statSync(`${file}-wal`).size).toBe(0);
    expect(syncs).toBe(2);
    await write('6');
    expect(syncs).toBe(3);
    other.close();
    expect(() => write('7')).toThrow('after it was closed');
  });

  test('a transaction that throws leaves nothing, and the next one works', () => {
    const insert = database.prepare('INSERT INTO a VALUES (?, ?)');
    expect(() =>
      database.transaction(() => {
        insert.run('x', 1);
        throw new Error('changed my mind');
      }),
    ).toThrow('changed my mind');
    expect(count()).toBe(0);
    expect(database.transaction(() => insert.run('x', 1))).toBe(1);
    expect(count()).toBe(1);
  });

  test('a full disk is told in our words, loses nothing that was confirmed, and heals', () => {
    const insert = database.prepare('INSERT INTO a VALUES (?, ?)');
    database.exec(`PRAGMA max_page_count = ${Number(database.one('PRAGMA page_count')?.page_count) + 2}`);
    let confirmed = 0;
    const fill = () => {
      for (; confirmed < 1000; confirmed++)
        database.transaction(() => insert.run(`${confirmed}`.padEnd(500, 'x'), confirmed));
    };
    expect(fill).toThrow(
      expect.objectContaining({
        code: 'failed',
        message: expect.stringContaining('the disk is full'),
        details: expect.objectContaining({ sqlite: 'SQLITE_FULL' }),
      }),
    );
    expect(count()).toBe(confirmed);
    database.exec('PRAGMA max_page_count = 100000');
    fill();
    expect(count()).toBe(1000);
  });

  test('a reader cannot write, and says so', async () => {
    const reader = await openDatabase(join(folder, 'a.sqlite'), true);
    try {
      expect(() => reader.exec("INSERT INTO a VALUES ('x', 1)")).toThrow(/may not be written/);
    } finally {
      reader.close();
    }
  });

  test('a place that cannot be opened is no damage: nothing is to be moved aside for it', async () => {
    mkdirSync(join(folder, 'b.sqlite'));
    for (const path of [join(folder, 'b.sqlite'), join(folder, 'no', 'c.sqlite')]) {
      const refusal = await openDatabase(path, false).catch((thrown: unknown) => thrown);
      expect(refusal).toMatchObject({ code: 'failed', hint: expect.any(String) });
      expect(saysCorrupt(refusal)).toBe(false);
    }
  });
});
