// What the ledger says of footprints, over a real file.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Clock } from '../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { newRun } from './new-run.ts';

let folder: string;
let ledger: Ledger;
let now = 1_800_000_000_000;
const clock: Clock = { now: () => now, after: () => () => undefined, sleep: async () => undefined };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'footprints-'));
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

let count = 0;
async function ran(peakBytes: number | null, executor = 'claude', lastedMs = 10_000) {
  const id = `run_${++count}`;
  ledger.openAll([[newRun(id, { task: id, executor }), `hash-${id}`]]);
  await ledger.advance(id, 'opened', { agent: 'agent-1', folder: null });
  ledger.move(id, 'claimed', { startedAt: now });
  ledger.move(id, 'started');
  if (peakBytes !== null) ledger.note(id, { footprint: { peakBytes, cpuMs: 5000 } });
  now += lastedMs;
  await ledger.advance(id, 'finished', { outcome: { kind: 'succeeded' }, finishedAt: now });
  ledger.move(id, 'settled');
  return id;
}

test('nine of ten runs took less; profiles are learned apart, and once more after each write', async () => {
  for (let n = 1; n <= 10; n++) await ran(n * 100);
  expect(ledger.learnedFootprint('claude')).toEqual({ runs: 10, bytes: 900, cores: 0.5 });
  expect(ledger.learnedFootprint('codex')).toBeNull();
  for (let n = 0; n < 10; n++) await ran(5000);
  expect(ledger.learnedFootprint('claude')).toMatchObject({ runs: 20, bytes: 5000 });
});

test('too few say nothing, runs that were not measured or have not ended do not count', async () => {
  await ran(1);
  await ran(1);
  await ran(null);
  expect(ledger.learnedFootprint('claude')).toBeNull();
  ledger.openAll([[newRun('open', { task: 'open', executor: 'claude' }), 'hash-open']]);
  ledger.note('open', { footprint: { peakBytes: 1, cpuMs: 1 } });
  expect(ledger.learnedFootprint('claude')).toBeNull();
  await ran(1);
  expect(ledger.learnedFootprint('claude')).toMatchObject({ runs: 3 });
});

test('a run remembers its footprint, also after a restart', async () => {
  const id = await ran(77);
  ledger.close();
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock });
  expect(ledger.run(id)?.footprint).toEqual({ peakBytes: 77, cpuMs: 5000 });
});

test('a clock that was set back makes no division by less than nothing', async () => {
  for (let n = 0; n < 3; n++) await ran(1, 'claude', -5000);
  expect(ledger.learnedFootprint('claude')).toBeNull();
  for (let n = 0; n < 3; n++) await ran(1, 'claude', 1);
  expect(ledger.learnedFootprint('claude')?.cores).toBe(5);
});
