// The supervisor's own tick, decisions, runs, recovery and control over disks in memory, where the seed says what
// happens when. SIMULATION_SEEDS=n how many seeds; `npm run test:simulation` is the long form and tells one's story.

import { expect, test } from '@jest/globals';
import { walk } from './simulation.ts';

const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 200);

/** Seeds that found a bug once. */
const FOUND: readonly number[] = [43, 114];

async function faultsOf(seed: number): Promise<string[]> {
  const { faults } = await walk({ seed });
  return faults.map(({ kind, what }) => `SIMULATION_SEED=${seed} npm run test:simulation  ${kind}: ${what}`);
}

test(`${SEEDS} seeds: nothing twice at once, no success again, nothing lost, nothing stranded`, async () => {
  const faults: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) faults.push(...(await faultsOf(seed)));
  expect(faults).toEqual([]);
});

test('seeds that found a bug find it no more', async () => {
  const faults: string[] = [];
  for (const seed of FOUND) faults.push(...(await faultsOf(seed)));
  expect(faults).toEqual([]);
});

test('the same seed is the same walk, event for event', async () => {
  for (const seed of [1, 2, 3]) {
    const first = await walk({ seed });
    const again = await walk({ seed, keepsStory: true });
    expect([again.digest, again.steps]).toEqual([first.digest, first.steps]);
    expect(again.events.length).toBeGreaterThan(10);
  }
  expect((await walk({ seed: 4 })).digest).not.toBe((await walk({ seed: 5 })).digest);
});
