import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/runs/database.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { PRUNED_AT_ONCE } from '../../src/runs/old-runs.ts';
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import { newRun } from './new-run.ts';

let folder: string;
let clock: FakeClock;
let ledger: Ledger;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'old-runs-'));
  clock = createFakeClock('2026-05-01T00:00:00Z');
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
});

afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

function endedRun(id: string, task = id, folderOfRun: string | null = null): void {
  ledger.open(newRun(id, { task }), `hash-${id}`);
  if (folderOfRun !== null) ledger.move(id, 'opened', { agent: 'agent-1', folder: folderOfRun });
  ledger.move(id, 'abandoned');
}

const rows = async (table: string): Promise<number> => {
  const database = await openDatabase(join(folder, 'ledger.sqlite'), true);
  try {
    return Number(database.one(`SELECT count(*) AS n FROM ${table}`)?.n);
  } finally {
    database.close();
  }
};

describe('what has finished', () => {
  test('stays while its folder does, whatever its age', () => {
    endedRun('run_1', 'a', '/g/.workgraph/agents/agent-1');
    clock.advance(1000);
    expect(ledger.endedWithFolder(2000, 10)).toEqual([]);
    expect(ledger.endedWithFolder(10, 10).map(({ id }) => id)).toEqual(['run_1']);
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(0);
    ledger.forgetFolder('run_1');
    expect(ledger.run('run_1')?.folder).toBeNull();
    expect(ledger.endedWithFolder(10, 10)).toEqual([]);
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(1);
  });

  test('an open run keeps its folder and its place', () => {
    ledger.open(newRun('run_1'), 'hash');
    ledger.move('run_1', 'opened', { agent: 'agent-1', folder: '/g/.workgraph/agents/agent-1' });
    clock.advance(1e9);
    expect(ledger.endedWithFolder(10, 10)).toEqual([]);
    ledger.forgetFolder('run_1');
    expect(ledger.run('run_1')?.folder).toBe('/g/.workgraph/agents/agent-1');
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(0);
  });

  test('goes a slice at a time, oldest first', () => {
    for (let n = 0; n < PRUNED_AT_ONCE + 3; n++) endedRun(`run_${n}`);
    clock.advance(1000);
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(PRUNED_AT_ONCE);
    expect(ledger.run('run_0')).toBeNull();
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(3);
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(0);
  });

  test('leaves no row per task behind, and fences grow all the same, also over a restart', async () => {
    for (let n = 0; n < 5; n++) {
      endedRun(`run_${n}`, 'often');
      endedRun(`run_b${n}`, `once-${n}`);
    }
    endedRun('run_kept', 'kept', '/g/.workgraph/agents/agent-9');
    expect(ledger.run('run_4')?.fence).toBe(5);
    clock.advance(1000);
    expect(ledger.prune({ runsOlderThanMs: 10 })).toBe(10);
    expect(await rows('tasks')).toBe(1);
    ledger.close();
    ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
    endedRun('run_again', 'often');
    expect(ledger.run('run_again')?.fence).toBe(6);
    endedRun('run_more', 'kept');
    expect(ledger.run('run_more')?.fence).toBeGreaterThan(ledger.run('run_kept')?.fence ?? 99);
    // A lower one that is forgotten later does not bring the floor down.
    clock.advance(1000);
    endedRun('run_low', 'low');
    ledger.prune({ runsOlderThanMs: 500 });
    endedRun('run_last', 'often');
    expect(ledger.run('run_last')?.fence).toBeGreaterThan(6);
  });
});
