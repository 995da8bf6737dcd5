// How much is recorded of why tasks do not run, and how long that takes beside deciding. HISTORY_DAY=1 is the long form: 50
// graphs of 200 tasks, a day of work.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createMemo, decide } from '../../../src/decide/decide.ts';
import { VerdictChanges } from '../../../src/decide/judge/verdict-changes.ts';
import { Verdicts } from '../../../src/decide/judge/verdicts.ts';
import { atOnce } from '../../../src/domain/steps.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { type Database, openDatabase } from '../../../src/runs/database.ts';
import { openLedger } from '../../../src/runs/ledger.ts';
import { createVerdictStore } from '../../../src/runs/verdict-store.ts';
import { NOW } from '../../support/tasks.ts';
import { Week } from '../../support/week.ts';

const DAY_MS = 86_400_000;
const LONG = process.env.HISTORY_DAY !== undefined;
const GRAPHS = LONG ? 50 : 5;
const SIZE = {
  graphs: Array.from({ length: GRAPHS }, (_, n) => `worktree-${n}`),
  tasks: 200,
  maxConcurrent: LONG ? 16 : 2,
  longestRunMs: 30 * 60_000,
  longestGapMs: LONG ? 2 * 60_000 : 20 * 60_000,
  // Each holds every task of the account, and then none: some three a day.
  quotaShare: LONG ? 0.002 : 0.02,
};

let folder: string;
let database: Database;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'history-'));
  const file = join(folder, 'ledger.sqlite');
  (await openLedger({ file, clock: systemClock() })).close();
  database = await openDatabase(file, false);
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What the file has in use. */
function bytes(): number {
  const page = (name: string) => Number(Object.values(database.one(`PRAGMA ${name}`) ?? {})[0]);
  return (page('page_count') - page('freelist_count')) * page('page_size');
}

test(`a day of ${GRAPHS} graphs with 200 tasks each takes less than a MB`, () => {
  const store = createVerdictStore(database);
  const week = new Week(3, SIZE);
  const [memo, changes] = [createMemo(), new VerdictChanges()];
  let [deciding, comparing, writing] = [0, 0, 0];
  let [ticks, rows, atFirst] = [0, 0, 0];
  while (week.now < NOW + DAY_MS) {
    const at = week.world();
    const began = performance.now();
    const decision = decide(at, memo);
    const { verdicts } = decision;
    const decided = performance.now();
    if (!(verdicts instanceof Verdicts)) throw new Error('unexpected verdicts');
    const changed = at.graphs.flatMap(({ graph }) =>
      atOnce(changes.of(graph, verdicts, () => store.latestVerdicts(graph))),
    );
    const compared = performance.now();
    store.recordVerdicts(
      changed.map((verdict) => ({ at: at.now, verdict })),
      { from: NOW, to: at.now },
    );
    if (ticks++ === 0) {
      // That there are these tasks is written once, not once a day.
      atFirst = bytes();
    } else {
      rows += changed.length;
      deciding += decided - began;
      comparing += compared - decided;
      writing += performance.now() - compared;
    }
    week.continue(decision);
  }
  const grown = bytes() - atFirst;
  if (LONG)
    process.stderr.write(
      `${week.ended} runs, ${ticks} ticks, ${rows} changes: ${(grown / 1e6).toFixed(3)} MB a day, ${(atFirst / 1e6).toFixed(2)} MB once; ` +
        `a tick decides ${(deciding / ticks).toFixed(3)} ms, compares ${(comparing / ticks).toFixed(3)} ms, writes ${(writing / ticks).toFixed(3)} ms\n`,
    );
  expect(rows).toBeGreaterThan(week.ended);
  expect(grown).toBeLessThan(1_000_000);
});
