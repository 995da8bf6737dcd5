// With a real ledger; the graph is a task that a test changes at will.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { ExecutorType } from '../../src/domain/profile.ts';
import type { Run } from '../../src/domain/run.ts';
import type { TaskDetail } from '../../src/domain/task.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { Parking } from '../../src/run/parking.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { detail } from '../support/tasks.ts';

let folder: string;
let ledger: Ledger;
let task: TaskDetail | null;
let parking: Parking;
let problem: string | null;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'parking-'));
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock: systemClock() });
  task = detail('t', { exec: 'make', tags: ['a', 'b'] });
  problem = null;
  const store = { detail: () => task, snapshot: () => ({ problem }) };
  parking = new Parking({
    ledger,
    graphs: { get: () => ({ store, repository: { id: 'r' }, settings: { duplicates: 'once' } }) },
    bus: { emit: () => {} },
  } as unknown as ConstructorParameters<typeof Parking>[0]);
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const failed = (failure: 'exit' | 'interrupted'): Outcome => ({
  kind: 'failed',
  failure,
  message: 'no',
  retryable: true,
});

let count = 0;
/** One more run of the task that came to this. */
function after(outcome: Outcome, type: ExecutorType = 'command'): Run {
  const id = `run_${count++}`;
  ledger.open(
    {
      ...{ id, graph: '/g', task: 't', taskCreatedAt: null, worktree: '/w', repo: 'r', executor: 'command' },
      ...{ type, because: 'test', attempt: 1, occurrence: null },
    },
    id,
  );
  ledger.move(id, 'claimed');
  ledger.move(id, 'finished', { outcome });
  return ledger.move(id, 'settled');
}

const parked = () => ledger.pauses().map((pause) => pause.code);

test('the fifteenth failure of a lifetime parks, whatever opened the task again; a policy of more is kept', () => {
  for (let n = 1; n < 15; n++) expect(parking.judge(after(failed('exit')), 1)).toBeNull();
  const fifteenth = after(failed('exit'));
  expect(parking.judge(fifteenth, 20)).toBeNull();
  expect(parked()).toEqual([]);
  expect(parking.judge(fifteenth, 1)).toContain('15 attempts failed');
  expect(parked()).toEqual(['parked']);
});

test('a success in between does not count a vanished agent on', () => {
  after(failed('interrupted'));
  after(failed('interrupted'));
  after({ kind: 'succeeded' });
  expect(parking.judge(after(failed('interrupted')), 1)).toBeNull();
  after(failed('interrupted'));
  expect(parking.judge(after(failed('interrupted')), 1)).toContain('3 times in a row');
});

test('a change of what is to be done releases and counts again; what changes on its own does not', () => {
  for (let n = 0; n < 2; n++) after(failed('interrupted'));
  const last = after(failed('interrupted'));
  parking.judge(last, 1);
  const before = task;
  // Rewritten by wg, which drops our keys and orders tags as it likes; logs and counters grow on their own.
  task = detail('t', { exec: 'make', tags: ['b', 'a'], retryCount: 4, status: 'failed', executor: 'other' });
  expect(parking.release()).toEqual([]);
  problem = 'unreadable';
  task = null;
  expect(parking.release()).toEqual([]);
  problem = null;
  task = detail('t', { exec: 'make better', tags: ['a', 'b'] });
  expect(parking.release()).toHaveLength(1);
  expect(parked()).toEqual([]);
  expect(parking.judge(last, 1)).toBeNull();
  task = before;
  for (let n = 0; n < 3; n++) after(failed('interrupted'));
  parking.judge(last, 1);
  task = null;
  expect(parking.release()).toHaveLength(1);
});

test('an agent whose attempts fail alike three times in a row makes no progress; numbers may differ', () => {
  const with_ = (message: string): Outcome => ({ kind: 'failed', failure: 'exit', message, retryable: true });
  after(with_('exit status 1 after 3 s'), 'codex');
  after(with_('exit status 1 after 4 s'), 'codex');
  expect(parking.judge(after(with_('another'), 'codex'), 9)).toBeNull();
  after(with_('exit status 1 after 5 s'), 'codex');
  after({ kind: 'deferred', code: 'quota', because: 'none', scope: 'account' }, 'codex');
  after(with_('exit status 1 after 12 s'), 'codex');
  expect(parking.judge(after(with_('exit status 1 after 7 s'), 'codex'), 9)).toContain(
    '3 attempts in a row failed alike (exit status 1 after 7 s)',
  );
});

test('a command may fail alike as often as its policy says', () => {
  for (let n = 0; n < 5; n++) expect(parking.judge(after(failed('exit')), 9)).toBeNull();
});
