// Seeded walks of git and file operations beside running tasks: nothing is done twice, lost, stranded or killed.
// GIT_SEEDS=300 makes it the long form (GIT_FROM=51 begins with that seed), GIT_SEED=N walks one seed again and prints what
// happened.

import { expect, test } from '@jest/globals';
import { OPERATIONS } from '../../src/cli/drill/operations.ts';
import { type Walked, walk } from './walk.ts';

const ONE = process.env.GIT_SEED;
/** The short form: a committed graph and two that git ignores. */
const SHORT = [2, 7, 17];
const MANY = Number(process.env.GIT_SEEDS ?? 0);
const FROM = Number(process.env.GIT_FROM ?? 1);
const SEEDS =
  ONE !== undefined ? [Number(ONE)] : MANY > 0 ? Array.from({ length: MANY }, (_, n) => FROM + n) : SHORT;
/** Walks beside one another: as many as a small machine bears. */
const AT_ONCE = 2;

/** The walk itself went wrong: told beside the others, which continue. */
const brokenOff = (seed: number, thrown: unknown): Walked => {
  const what = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { seed, findings: [{ kind: 'broken', what }], story: () => what };
};

test('there are more than forty kinds of operations', () => {
  expect(new Set(OPERATIONS.map(({ name }) => name)).size).toBeGreaterThan(40);
});

test(
  ONE === undefined ? `${SEEDS.length} walks` : `the walk of seed ${ONE}`,
  async () => {
    const seeds = [...SEEDS];
    const failed: Walked[] = [];
    const walkOn = async () => {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
        const walked = await walk(seed).catch((thrown: unknown) => brokenOff(seed, thrown));
        if (walked.findings.length > 0) failed.push(walked);
        if (walked.findings.length > 0 || ONE !== undefined) process.stderr.write(`${walked.story()}\n`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, walkOn));
    const report = failed.map(({ seed, findings }) => [
      `GIT_SEED=${seed} npm run test:git`,
      ...findings.slice(0, 10).map(({ kind, what }) => `${kind}: ${what.slice(0, 300)}`),
      ...(findings.length > 10 ? [`and ${findings.length - 10} more`] : []),
    ]);
    expect(report).toEqual([]);
  },
  120_000 + SEEDS.length * 60_000,
);
