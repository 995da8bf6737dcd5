import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Outcome } from '../../src/domain/outcome.ts';
import { askerOf } from '../../src/notify/notify-url.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { newLease } from '../../src/runs/lease-row.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';

let folder: string;
let ledger: Ledger;
let now: number;
const clock: Clock = { now: () => now, after: () => () => {}, sleep: () => Promise.reject(new Error('no')) };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'asker-'));
  now = 1_800_000_000_000;
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const FAILED: Outcome = { kind: 'failed', failure: 'exit', message: 'no', retryable: true };
const ASKED = newLease('hold', { notifyUrl: 'https://n8n.example/waiting/1', externalRef: 'n8n-1' });

function run(id: string, attempt: number, outcome: Outcome | null, taskCreatedAt = 'a'): void {
  now += 1000;
  const facts = { graph: '/g/.workgraph', task: 'build', taskCreatedAt, worktree: '/g', repo: '/g/.git' };
  const how = { executor: 'command', type: 'command', because: 'b', attempt, occurrence: null } as const;
  ledger.open({ id, ...facts, ...how }, `hash-${id}`);
  if (outcome === null) return;
  ledger.move(id, 'claimed');
  if (outcome.kind === 'stopped') ledger.move(id, 'interrupted', { outcome, finishedAt: now });
  else {
    ledger.move(id, 'finished', { outcome, finishedAt: now });
    ledger.move(id, 'settled');
  }
}

test('of the run itself', () => {
  run('run_1', 1, null);
  ledger.setLease('run_1', ASKED);
  expect(askerOf(ledger, 'run_1')).toMatchObject({
    notifyUrl: 'https://n8n.example/waiting/1',
    externalRef: 'n8n-1',
  });
});

test('of an earlier attempt that failed, was interrupted or released: the last one is still what was asked for', () => {
  run('run_1', 1, FAILED);
  ledger.setLease('run_1', ASKED);
  run('run_2', 2, { kind: 'stopped', reason: 'shutdown' });
  run('run_3', 2, FAILED);
  run('run_4', 3, null);
  expect(askerOf(ledger, 'run_4')).toEqual({
    notifyUrl: 'https://n8n.example/waiting/1',
    externalRef: 'n8n-1',
  });
});

test.each<[string, Outcome, number, string]>([
  ['it succeeded', { kind: 'succeeded' }, 1, 'a'],
  ['it was cancelled', { kind: 'stopped', reason: 'cancelled' }, 1, 'a'],
  ['the task was created again since', FAILED, 2, 'b'],
])('no one, once what was asked for has finished: %s', (_why, outcome, attempt, createdAt) => {
  run('run_1', 1, outcome);
  ledger.setLease('run_1', ASKED);
  run('run_2', attempt, null, createdAt);
  expect(askerOf(ledger, 'run_2').notifyUrl).toBeNull();
});

test('no one, of a run that is not there', () => {
  expect(askerOf(ledger, 'run_9')).toEqual({ notifyUrl: null, externalRef: null });
});
