import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Database, makeDurable, openDatabase } from '../../src/runs/database.ts';
import { createLedger, type Ledger } from '../../src/runs/ledger-writer.ts';
import { migrate } from '../../src/runs/migrations.ts';
import { LedgerTrouble } from '../../src/supervisor/ledger-trouble.ts';
import { createFakeClock } from '../support/fake-clock.ts';

let folder: string;
let database: Database;
let ledger: Ledger;
const clock = createFakeClock(1_800_000_000_000);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trouble-'));
  database = await openDatabase(join(folder, 'ledger.sqlite'), false);
  makeDurable(database);
  migrate(database);
  ledger = createLedger(database, clock, []);
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As if the disk had room for as much as is there, and no more. */
const fill = () => database.exec(`PRAGMA max_page_count = ${database.one('PRAGMA page_count')?.page_count}`);
const makeRoom = () => database.exec('PRAGMA max_page_count = 1000000');
const write = () => ledger.setMeta('a', 'x'.repeat(100_000));

test('while the disk is full it is tried less and less often, and all is well at the first try with room', () => {
  const trouble = new LedgerTrouble({ ledger, clock });
  write();
  expect([trouble.look(), trouble.hold()]).toEqual([null, null]);
  ledger.setMeta('a', '');
  database.exec('VACUUM');
  fill();
  expect(write).toThrow('the disk is full');
  expect(trouble.hold()).toEqual({
    code: 'ledger-unwritable',
    because: expect.stringMatching(/ledger.sqlite could not be written: the disk is full\. Make room;/),
  });
  const waits: number[] = [];
  for (let n = 0; n < 8; n++) {
    const next = Number(trouble.look());
    waits.push(next - clock.now());
    // A look before its time tries nothing.
    expect(trouble.look()).toBe(next);
    clock.advanceTo(next);
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  makeRoom();
  expect(trouble.hold()).not.toBeNull();
  expect([trouble.look(), trouble.hold()]).toEqual([null, null]);
  fill();
  expect(write).toThrow('the disk is full');
  expect(Number(trouble.look()) - clock.now()).toBe(1000);
});

test('any other write that goes through ends it, a transaction at its end; a clock set back delays nothing', () => {
  const trouble = new LedgerTrouble({ ledger, clock });
  fill();
  expect(() => database.transaction(write)).toThrow('the disk is full');
  expect(trouble.look()).toBe(clock.now() + 1000);
  clock.jump(-86_400_000);
  expect(trouble.look()).toBe(clock.now() + 1000);
  makeRoom();
  expect(() =>
    database.transaction(() => {
      write();
      expect(trouble.hold()).not.toBeNull();
      throw new Error('changed my mind');
    }),
  ).toThrow('changed my mind');
  expect(trouble.hold()).not.toBeNull();
  database.transaction(write);
  expect([trouble.look(), trouble.hold()]).toEqual([null, null]);
});
