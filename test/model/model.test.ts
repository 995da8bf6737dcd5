// The model itself, and lives of the program that it is held against: it allows what the program does, and refuses what
// broken builds do. MODEL_TRACES=10000 is the long form.

import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runDrill } from '../../src/cli/drill/drill.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker } from '../../src/platform/flock.ts';
import { BROKEN_BUILDS, breakBuild } from '../crash/broken-builds.ts';
import { BUILT, personEnvironment } from '../support/actors.ts';
import { type Life, livesOf } from './life.ts';
import { agentWords, recordedMoves, recordMoves } from './recorder.ts';
import { MODEL, quint, replay } from './replay.ts';

const WANTED = Number(process.env.MODEL_TRACES ?? 0);

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'supervisor-test-')));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The lives of the tasks of a drill, each told to its end. */
async function drilledLives(how: {
  seconds: number;
  tasks: number;
  seed: number;
  build: string;
}): Promise<Life[]> {
  let lives: Life[] = [];
  await runDrill({
    ...{ ...how, keep: null, clock: systemClock(), locker: createLocker() },
    signal: new AbortController().signal,
    environment: { variables: personEnvironment(folder), home: folder, platform: process.platform },
    progress: () => {},
    prepare: ({ place }) => recordMoves(place.stateDir),
    finish: async ({ place }, entries) => {
      lives = livesOf([...(await recordedMoves(place.stateDir)), ...entries.map(agentWords)]);
    },
  });
  return lives;
}

const cases = (all: readonly (readonly [task: string, steps: readonly string[]])[]): Life[] =>
  all.map(([task, steps]) => ({ task, steps }));

describe('the model', () => {
  test('holds its invariants in random walks', async () => {
    const samples = WANTED > 0 ? 20_000 : 100;
    const { status, out } = await quint(
      ...['run', '--backend=typescript', '--invariant=safe', '--witnesses=isOver', '--verbosity=1'],
      ...['--max-steps=30', `--max-samples=${samples}`, '--seed=1', MODEL],
    );
    expect({ status, out }).toMatchObject({ status: 0, out: expect.stringContaining('No violation found') });
  });

  const ONE = ['open(1, "a", 1)', 'note(1)', 'claim(1)', 'begin(1)', 'start(1)'];
  const DONE = [...ONE, 'succeed(1)', 'finish(1, true)', 'settle(1)'];
  const DIES = ['crash("a")', 'adopt("a")'];
  const again = (r: number) =>
    [
      `open(${r}, "a", ${r})`,
      `note(${r})`,
      `claim(${r})`,
      `begin(${r})`,
      `start(${r})`,
      `succeed(${r})`,
    ].concat([`finish(${r}, true)`, `settle(${r})`]);

  const ALLOWED: readonly Life[] = cases([
    ['one run', DONE],
    ['a kill while it works', [...ONE, ...DIES, 'succeed(1)', 'finish(1, true)', 'settle(1)']],
    ['a kill before the result is written', [...ONE, 'succeed(1)', 'finish(1, true)', ...DIES, 'settle(1)']],
    [
      'a kill before it began',
      ['open(1, "a", 1)', 'note(1)', 'claim(1)', ...DIES, 'release(1)', ...again(2)],
    ],
    ['a failure and another attempt', [...ONE, 'break(1)', 'finish(1, false)', 'settle(1)', ...again(2)]],
    ['a killed agent', [...ONE, 'shoot(1)', 'finish(1, false)', 'settle(1)', ...again(2)]],
    [
      'a claim that the other supervisor has',
      [
        'open(1, "b", 1)',
        'open(2, "a", 1)',
        'note(2)',
        'note(1)',
        'claim(1)',
        'start(1)',
        'abandon(2)',
        'begin(1)',
        'succeed(1)',
        'finish(1, true)',
        'settle(1)',
      ],
    ],
    [
      'a lease that ran out, and the next attempt',
      [
        'open(1, "a", 1)',
        'note(1)',
        'claim(1)',
        'handOff(1)',
        'begin(1)',
        'expire(1)',
        ...again(2),
        'late(1)',
      ],
    ],
    [
      'a late result that counts',
      ['open(1, "a", 1)', 'note(1)', 'claim(1)', 'handOff(1)', 'begin(1)', 'expire(1)', 'late(1)'],
    ],
    ['a result that git took back', [...DONE, 'rewind', 'restore']],
    [
      'a claim that git took back',
      [...ONE, 'rewind', 'restore', 'succeed(1)', 'finish(1, true)', 'settle(1)'],
    ],
    ['a person opens it again', [...DONE, 'reopen', ...again(2)]],
    ['a person takes it from its run', [...ONE, 'reopen', 'stop(1)', 'overrule(1)', ...again(2)]],
  ]);

  const REFUSED: readonly Life[] = cases([
    ['doing what is done', [...DONE, 'open(2, "a", 2)']],
    ['two claims', [...ONE, 'open(2, "b", 1)', 'note(2)', 'claim(2)']],
    ['two open runs of one ledger', [...ONE, 'open(2, "a", 2)']],
    ['an old fence', [...ONE, 'break(1)', 'finish(1, false)', 'settle(1)', 'open(2, "a", 1)']],
    ['a claim before the ledger knows the agent', ['open(1, "a", 1)', 'claim(1)']],
    ['work before the claim', ['open(1, "a", 1)', 'note(1)', 'begin(1)']],
    ['a success that no agent had', [...ONE, 'finish(1, true)']],
    ['a success that is called a failure', [...ONE, 'succeed(1)', 'finish(1, false)']],
    ['a success that is released', [...ONE, 'succeed(1)', ...DIES, 'release(1)']],
    ['an agent at work that is released', [...ONE, ...DIES, 'release(1)']],
    [
      'an agent that began and is abandoned',
      ['open(1, "a", 1)', 'note(1)', 'claim(1)', 'begin(1)', ...DIES, 'abandon(1)'],
    ],
    ['a run that begins twice', [...ONE, 'begin(1)']],
    ['settling what is not finished', [...ONE, 'succeed(1)', 'settle(1)']],
    ['writing while dead', [...ONE, 'succeed(1)', 'crash("a")', 'finish(1, true)']],
    ['stopping an agent whose task it is', [...ONE, 'stop(1)']],
    [
      'an old fence that settles',
      ['open(1, "a", 1)', 'note(1)', 'claim(1)', 'handOff(1)', 'begin(1)', 'expire(1)', 'finish(1, true)'],
    ],
    [
      'a claim while git has an older line there',
      [...ONE, 'rewind', 'open(2, "b", 1)', 'note(2)', 'claim(2)'],
    ],
  ]);

  // Together: most of the time goes into starting Quint.
  test('allows what may happen, and refuses what may not', async () => {
    expect((await replay(ALLOWED)).refused).toEqual([]);
    const { refused } = await replay(REFUSED, false);
    expect(refused.map(({ task }) => task)).toEqual(REFUSED.map(({ task }) => task));
  });
});

test(
  `allows ${WANTED || 'some'} lives of the program`,
  async () => {
    const seen = { lives: 0, shapes: 0 };
    for (let seed = 1; seen.lives < Math.max(1, WANTED); seed++) {
      const how = WANTED > 0 ? { seconds: 60, tasks: 1000 } : { seconds: 3, tasks: 40 };
      const { lives, shapes, refused } = await replay(await drilledLives({ ...how, seed, build: BUILT }));
      expect(refused.slice(0, 3)).toEqual([]);
      seen.lives += lives;
      seen.shapes += shapes;
      if (WANTED > 0) process.stderr.write(`${seen.lives} lives, ${seen.shapes} different in their drill\n`);
    }
  },
  120_000 + WANTED * 600,
);

/** What no life of a task shows: edits of another program, and processes that are left. */
const NOT_IN_LIVES = ['no-lock', 'leaves-orphans'];

if (WANTED > 0)
  test.each(
    BROKEN_BUILDS.filter(({ name }) => !NOT_IN_LIVES.includes(name)),
  )('refuses lives of the build $name', async (broken) => {
    const build = breakBuild(broken, folder);
    const { lives, refused } = await replay(await drilledLives({ seconds: 60, tasks: 200, seed: 1, build }));
    process.stderr.write(`${broken.name}: ${refused.length} shapes of ${lives} lives refused\n`);
    expect(refused.length).toBeGreaterThan(0);
  }, 600_000);
