import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { RunPhase } from '../../src/domain/run.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type Ledger, openLedger } from '../../src/runs/ledger.ts';
import { mayMove } from '../../src/runs/run-moves.ts';
import { newRun } from './new-run.ts';

let folder: string;
const open: Ledger[] = [];
const ledgerAt = async () => {
  const ledger = await openLedger({ file: join(folder, 'ledger.sqlite'), clock: systemClock() });
  open.push(ledger);
  return ledger;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'open-runs-'));
});
afterEach(() => {
  for (const ledger of open.splice(0)) ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

test('what is remembered is what is written, whatever two processes do in whatever order', async () => {
  const [one, two] = [await ledgerAt(), await ledgerAt()];
  const phases: RunPhase[] = [
    'claimed',
    'started',
    'handed-off',
    'finished',
    'settled',
    'interrupted',
    'overruled',
  ];
  let count = 0;
  const ids: string[] = [];
  const act = fc.record({
    mine: fc.boolean(),
    what: fc.constantFrom('open', 'move', 'note', 'look'),
    which: fc.nat(20),
    to: fc.constantFrom(...phases),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      for (const { mine, what, which, to } of acts) {
        const ledger = mine ? one : two;
        const id = ids.at(-1 - (which % Math.max(1, ids.length)));
        const run = id === undefined ? null : ledger.run(id);
        if (what === 'open') {
          ids.push(`run_${++count}`);
          ledger.open(newRun(`run_${count}`, { task: `run_${count}` }), `hash-${count}`);
        } else if (what === 'note' && id !== undefined) ledger.note(id, { reference: `ref-${which}` });
        else if (what === 'move' && run && mayMove(run.phase, to))
          ledger.move(run.id, to, { outcome: { kind: 'succeeded' } });
        for (const asked of [one, two]) {
          const truth = asked
            .runs({ openOnly: true })
            .reverse()
            .map(({ id: name, phase, reference }) => [name, phase, reference]);
          expect(asked.openRuns().map(({ id: name, phase, reference }) => [name, phase, reference])).toEqual(
            truth,
          );
        }
      }
    }),
    { numRuns: 40 },
  );
});
