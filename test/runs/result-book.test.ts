import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { detail } from '../support/tasks.ts';
import { newRun } from './new-run.ts';

let folder: string;
let ledger: Ledger;
const open = () => openLedger({ file: join(folder, 'ledger.sqlite'), clock: systemClock() });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'results-'));
  ledger = await open();
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const key = { repo: 'r', task: 't', createdAt: null };
const note = (run: string, at: number) =>
  ledger.noteResult({
    ...{ ...key, graph: '/g', run, agent: 'agent-1', at, of: detail('t', { title: 'one' }) },
    outcome: { kind: 'succeeded', summary: run },
  });

test('a result is kept over a restart, with its mark and its outcome', async () => {
  note('run_1', 1);
  ledger.markResult(key, 'run_1', 'mark');
  ledger.close();
  ledger = await open();
  const [known] = ledger.results().of('r', 't');
  expect(known).toMatchObject({ ...key, run: 'run_1', mark: 'mark', ended: 'succeeded' });
  expect(known && ledger.outcomeOf(known)).toEqual({ kind: 'succeeded', summary: 'run_1' });
  expect(known && ledger.results().isSameContent(known, detail('t', { title: 'one' }))).toBe(true);
  expect(known && ledger.results().isSameContent(known, detail('t', { title: 'two' }))).toBe(false);
});

test('a newer one takes its place; the mark and the outcome of an older run are not taken for its own', () => {
  note('run_1', 1);
  const [older] = ledger.results().of('r', 't');
  note('run_2', 2);
  ledger.markResult(key, 'run_1', 'mark');
  expect(ledger.results().of('r', 't')).toMatchObject([{ run: 'run_2', mark: null }]);
  expect(older && ledger.outcomeOf(older)).toBeNull();
});

test('what changed since is told, and what is too old is forgotten', () => {
  const { revisionOf, changedSince } = bound();
  const before = revisionOf('r');
  note('run_1', 1);
  expect([...(changedSince('r', before) ?? [])]).toEqual(['t']);
  expect([...(changedSince('r', revisionOf('r')) ?? [])]).toEqual([]);
  ledger.forgetResultsBefore(1);
  expect(ledger.results().of('r', 't')).toHaveLength(1);
  ledger.forgetResultsBefore(2);
  expect(ledger.results().of('r', 't')).toEqual([]);
});

function bound() {
  const results = ledger.results();
  return {
    revisionOf: (repo: string) => results.revisionOf(repo),
    changedSince: (repo: string, revision: number) => results.changedSince(repo, revision),
  };
}

test('it was known after every claim of its task, though the clock was set back since', () => {
  ledger.open(newRun('run_1', { graph: '/g', task: 't' }), 'hash');
  ledger.move('run_1', 'claimed', { startedAt: 5_000 });
  note('run_1', 1_000);
  expect(ledger.results().of('r', 't')).toMatchObject([{ at: 5_000 }]);
});
