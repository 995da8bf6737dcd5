// What the ledger says of spending, over a real file.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Outcome, Usage } from '../../src/domain/outcome.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import type { NewRun } from '../../src/runs/run-row.ts';
import { newRun } from './new-run.ts';

const DONE: Outcome = { kind: 'succeeded' };
let folder: string;
let ledger: Ledger;
let now = 1_800_000_000_000;
const clock: Clock = { now: () => now, after: () => () => undefined, sleep: async () => undefined };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spending-'));
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

let count = 0;
/** One run from its beginning to its end. */
async function ran(usage: Usage | undefined, more: Partial<NewRun> = {}, outcome: Outcome = DONE) {
  const id = `run_${++count}`;
  ledger.openAll([[newRun(id, { task: id, ...more }), `hash-${id}`]]);
  await ledger.advance(id, 'opened', { agent: 'agent-1', folder: null });
  ledger.move(id, 'claimed', { startedAt: now });
  ledger.move(id, 'started');
  if (usage) ledger.note(id, { usage });
  await ledger.advance(id, 'finished', { outcome, finishedAt: now });
  ledger.move(id, 'settled');
  return id;
}

test('sums by graph, profile and model, from an instant on', async () => {
  await ran({ costUsd: 5 });
  now += 1000;
  await ran({ costUsd: 1.5, inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 100 });
  await ran({ costUsd: 2.5 });
  await ran(undefined, { executor: 'codex', type: 'codex' });
  await ran(undefined, { executor: 'n8n', type: 'external' });
  const rows = ledger.spending().since(now);
  expect(rows.find(({ executor }) => executor === 'default')).toMatchObject({
    graph: '/g/.workgraph',
    repo: '/g/.git',
    model: null,
    usd: 4,
    tokens: 115,
    runs: 2,
    untoldUsd: 0,
    untoldTokens: 1,
  });
  expect(rows.find(({ executor }) => executor === 'codex')).toMatchObject({ runs: 1, untoldUsd: 1 });
  expect(rows).toHaveLength(2);
  expect(ledger.spending().since(now + 1)).toEqual([]);
});

test('what is told with the outcome counts too, what is told later at once', async () => {
  const id = await ran(undefined, {}, { kind: 'succeeded', usage: { costUsd: 3 } });
  const spent = () => ledger.spending().since(now)[0]?.usd;
  expect(spent()).toBe(3);
  expect(spent()).toBe(3);
  ledger.note(id, { usage: { costUsd: 4 } });
  expect(spent()).toBe(4);
});

test('what was released because something was missing is no run, and teaches nothing', async () => {
  ledger.openAll([[newRun('run_d', { task: 'd' }), 'hash-d']]);
  const outcome: Outcome = { kind: 'deferred', code: 'quota', because: 'no quota', scope: 'account' };
  ledger.move('run_d', 'claimed', {});
  ledger.move('run_d', 'interrupted', { outcome, finishedAt: now });
  expect(ledger.spending().since(now)[0]?.runs).toBe(0);
  expect(ledger.spending().learned('default').runs).toBe(0);
});

test('a task is all of its attempts since retry, and another one when it is created again', async () => {
  const of = { task: 'build-api' };
  await ran({ costUsd: 1 }, of);
  await ran({ costUsd: 2 }, of);
  await ran({ costUsd: 9 }, { ...of, taskCreatedAt: null });
  const spent = (created: string | null) =>
    ledger.spending().ofTask('/g/.workgraph', 'build-api', created).usd;
  expect([spent('2027-01-01T00:00:00Z'), spent(null)]).toEqual([3, 9]);
  ledger.resetAttempts({ graph: '/g/.workgraph', task: 'build-api', createdAt: null, repo: null });
  expect(spent('2027-01-01T00:00:00Z')).toBe(0);
});

test('what runs of a profile took is learned', async () => {
  for (const costUsd of [1, 2, 6]) await ran({ costUsd });
  await ran(undefined);
  expect(ledger.spending().learned('default')).toEqual({
    runs: 4,
    usd: { told: 3, mean: 3, most: 6 },
    tokens: { told: 0, mean: 0, most: 0 },
  });
});
