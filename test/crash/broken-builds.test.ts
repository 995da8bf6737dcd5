// How strong the drill is: builds that are broken on purpose, each in one place, are drilled, and it must find something
// in at least nine of ten runs. DRILL_RUNS=10 is the long form; the short one sees that every place is still there.

import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runDrill } from '../../src/cli/drill/drill.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLocker } from '../../src/platform/flock.ts';
import { personEnvironment } from '../support/actors.ts';
import { BROKEN_BUILDS, breakBuild, patched } from './broken-builds.ts';

const RUNS = Number(process.env.DRILL_RUNS ?? 0);
const SECONDS = Number(process.env.DRILL_SECONDS ?? 60);
const ONLY = process.env.DRILL_ONLY?.split(',');
const DIST = fileURLToPath(new URL('../../dist', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'supervisor-test-')));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([...BROKEN_BUILDS])('$name has its place in the build', ({ patches }) => {
  for (const patch of patches) {
    const text = readFileSync(join(DIST, patch.file), 'utf8');
    expect(patched(patch, text)).not.toBe(text);
  }
});

const LONG = BROKEN_BUILDS.filter(({ name }) => RUNS > 0 && (ONLY?.includes(name) ?? true));

if (LONG.length > 0)
  test.each(LONG)(
    `$name is found in nine of ten of ${RUNS} runs`,
    async (broken) => {
      const build = breakBuild(broken, folder);
      const kinds: string[] = [];
      for (let seed = 1; seed <= RUNS; seed++) {
        const { findings, kills, agentKills } = await runDrill({
          ...{ seconds: SECONDS, seed, build, keep: null, stopAtFirst: true },
          ...{ clock: systemClock(), locker: createLocker(), signal: new AbortController().signal },
          environment: { variables: personEnvironment(folder), home: folder, platform: process.platform },
          progress: () => {},
        });
        const found = [...new Set(findings.map(({ kind }) => kind))].join('+') || 'nothing';
        kinds.push(found);
        process.stderr.write(
          `${broken.name} ${seed}: ${found} (${kills} kills, ${agentKills} of agents) ${findings[0]?.what.slice(0, 90) ?? ''}\n`,
        );
      }
      const missed = kinds.filter((found) => found === 'nothing').length;
      process.stderr.write(`${broken.name}: found in ${RUNS - missed} of ${RUNS}\n`);
      expect(missed).toBeLessThanOrEqual(Math.floor(RUNS / 10));
    },
    RUNS * (SECONDS + 300) * 1000,
  );
