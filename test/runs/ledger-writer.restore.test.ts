import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Run } from '../../src/domain/run.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { run as runOf } from '../support/tasks.ts';

let folder: string;
let ledger: Ledger;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-restore-'));
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock: systemClock() });
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const lost = (more: Partial<Run> = {}): Run =>
  runOf('w', 't', { fence: 7, agent: 'agent-9', type: 'command', folder: '/w/agents/agent-9', ...more });
const { graph, task, taskCreatedAt, worktree, repo, executor, because } = lost();
const anew = {
  id: 'run_new',
  graph,
  task,
  taskCreatedAt,
  worktree,
  repo,
  executor,
  because,
  attempt: 1,
  occurrence: null,
};

test('a lost run is there again as it was, its token speaks for it, and fences continue above it', () => {
  const run = lost({ process: { pid: 12, startTime: '3', bootId: 'b' }, deadlineAt: 99 });
  expect(ledger.restore(run, 'hash')).toBe(true);
  expect(ledger.openRuns()).toEqual([run]);
  expect(ledger.runOfToken('hash')).toEqual(run);
  expect(ledger.restore(run, 'hash')).toBe(false);
  ledger.move(run.id, 'finished', { outcome: { kind: 'succeeded' } });
  ledger.move(run.id, 'settled');
  expect(ledger.open({ ...anew, type: 'command' }, 'other').fence).toBe(8);
});

test('what the ledger knows outweighs what a folder remembers', () => {
  const open = ledger.open({ ...anew, type: 'command' }, 'mine');
  expect(ledger.restore(lost(), 'hash')).toBe(false);
  ledger.move(open.id, 'abandoned');
  // Closed, and older: the folder's run is the newer one.
  expect(ledger.restore(lost({ fence: 1, id: 'run_same_fence' }), 'same')).toBe(false);
  expect(ledger.restore(lost(), 'hash')).toBe(true);
});

test('only an open run can be reattached', () => {
  expect(ledger.restore(lost({ phase: 'settled', outcome: { kind: 'succeeded' } }), 'hash')).toBe(false);
  expect(ledger.runs()).toEqual([]);
});
