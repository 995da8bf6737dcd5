// A simulated week: what is recorded, change by change, must be what deciding says at any instant of it.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createMemo, decide } from '../../../src/decide/decide.ts';
import { subjectOf, VerdictChanges } from '../../../src/decide/judge/verdict-changes.ts';
import { Verdicts, verdictOf } from '../../../src/decide/judge/verdicts.ts';
import type { World } from '../../../src/decide/world.ts';
import { taskKey } from '../../../src/domain/ids.ts';
import { atOnce } from '../../../src/domain/steps.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../../src/runs/ledger.ts';
import { NOW } from '../../support/tasks.ts';
import { chance, Week } from '../../support/week.ts';

const WEEK_MS = 7 * 86_400_000;
const INSTANTS = Number(process.env.HISTORY_INSTANTS ?? 3_000);

let folder: string;
let ledger: Ledger;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'history-'));
  ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock: systemClock() });
});
afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

test('what was recorded is what deciding says, at any instant of a week, over restarts', () => {
  const week = new Week(7);
  const random = chance(11);
  const worlds: World[] = [];
  let [memo, changes] = [createMemo(), new VerdictChanges()];
  while (week.now < NOW + WEEK_MS) {
    const at = week.world();
    worlds.push(at);
    // The program is started again now and then, and knows only what it recorded.
    if (random() < 0.01) [memo, changes] = [createMemo(), new VerdictChanges()];
    const { verdicts } = decide(at, memo);
    if (!(verdicts instanceof Verdicts)) throw new Error('unexpected verdicts');
    const changed = at.graphs.flatMap(({ graph }) =>
      atOnce(changes.of(graph, verdicts, () => ledger.latestVerdicts(graph))),
    );
    const dated = changed.map((verdict) => ({ at: at.now, verdict }));
    ledger.recordVerdicts(dated, { from: NOW, to: at.now });
    week.continue(decide(at));
  }

  let compared = 0;
  for (let n = 0; n < INSTANTS; n++) {
    const index = Math.floor(random() * (worlds.length - 1));
    const [then, next] = [worlds[index], worlds[index + 1]];
    if (!then || !next) throw new Error('no such world');
    const instant = then.now + Math.floor(random() * (next.now - then.now));
    const view = then.graphs[Math.floor(random() * then.graphs.length)];
    const ids = [...(view?.snapshot.tasks.keys() ?? [])];
    const id = ids[Math.floor(random() * ids.length)];
    if (!view || id === undefined) continue;
    const decided = verdictOf(decide({ ...then, now: instant }).verdicts, view.graph, id);
    const recorded = ledger.verdictSpans(view.graph, id, instant, instant).at(-1);
    const expected = decided ? subjectOf(decided) : null;
    // A task that starts at this very instant is not worth a row.
    if (expected === null) continue;
    expect([taskKey(view.graph, id), recorded ? subjectOf(recorded) : null]).toEqual([
      taskKey(view.graph, id),
      expected,
    ]);
    compared++;
  }
  expect(compared).toBeGreaterThan(INSTANTS * 0.9);
  if (process.env.HISTORY_INSTANTS) {
    const bytes = statSync(join(folder, 'ledger.sqlite')).size;
    process.stderr.write(`${compared} instants of ${worlds.length} worlds; the ledger has ${bytes} bytes\n`);
  }
});

test('a dependency that begins is a change; how long something takes is none', () => {
  const waiting = (because: string) => subjectOf({ state: 'waiting', code: 'dependency', because });
  expect(waiting('waits for a (open)')).not.toBe(waiting('waits for a (in-progress)'));
  expect(waiting('waits for a, b and 3 more')).toBe(waiting('waits for a, b and 4 more'));
});
