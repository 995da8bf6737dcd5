// One walk: a supervisor over working agents, and beside it operations chosen by a seed, with kills in between. Then
// everyone may finish, and what must always hold is asked.

import { readFile } from 'node:fs/promises';
import { chanceOf } from '../../src/cli/drill/chance.ts';
import { OPERATIONS, type Operation, type Site, tidyUp } from '../../src/cli/drill/operations.ts';
import { type Finding, findingsOf, isIdle, isQuiet } from './oracle.ts';
import { type Stage, setStage } from './stage.ts';

/** How many operations beside the running tasks. */
const STEPS = 14;
/** How long everything may take to come to an end after the last operation, ms. */
const SETTLE_MS = 60_000;
/** How long no one may have worked for that to be the end, ms. */
const QUIET_MS = 2000;

export interface Walked {
  readonly seed: number;
  readonly findings: readonly Finding[];
  /** What was done and what the supervisor wrote, for finding the cause. */
  story(): string;
}

interface Step {
  readonly operation: Operation | 'kill';
  readonly at: number;
  readonly other: number;
  readonly n: number;
  readonly gapMs: number;
}

/** The whole walk is chosen before it begins, so that how long things take changes nothing in it. */
function planOf(seed: number): { readonly chance: ReturnType<typeof chanceOf>; readonly steps: Step[] } {
  const chance = chanceOf(seed);
  const steps = Array.from({ length: STEPS }, (_, n): Step => {
    const operation = chance.below(6) === 0 ? 'kill' : chance.pick(OPERATIONS);
    const at = chance.below(3);
    return { operation, at, other: (at + 1 + chance.below(2)) % 3, n, gapMs: chance.below(500) };
  });
  return { chance, steps };
}

export async function walk(seed: number): Promise<Walked> {
  const { chance, steps } = planOf(seed);
  const stage = await setStage(chance);
  const told: string[] = [`seed ${seed}: ${stage.committed ? 'a committed graph' : 'ignored graphs'}`];
  const begun = performance.now();
  const tell = (text: string) => void told.push(`${((performance.now() - begun) / 1000).toFixed(2)} ${text}`);
  /** Where each of the first worktrees is now. */
  const places: (string | null)[] = [...stage.worktrees];
  const wiped = new Set<string>();
  const siteOf = (at: string, other: string, n: number): Site => ({
    repo: stage.playground.repo,
    folder: stage.playground.folder,
    at,
    other,
    n,
    async git(cwd, ...args) {
      const status = await stage.git(cwd, ...args);
      tell(`  git ${args.join(' ')} → ${status}`);
      return status;
    },
    moved(from, to) {
      places[places.indexOf(from)] = to;
    },
    wiped(path) {
      const home = stage.worktrees[places.indexOf(path)];
      if (home !== undefined) wiped.add(home).add(path);
    },
    pause,
  });
  try {
    stage.start();
    await pause(1200 + chance.below(800));
    for (const { operation, at, other, n, gapMs } of steps) {
      if (operation === 'kill') {
        tell('kill');
        await stage.kill('SIGKILL');
        await pause(gapMs);
        stage.start();
      } else
        await operate(
          operation,
          siteOf(places[at] ?? stage.playground.repo, places[other] ?? stage.playground.repo, n),
          tell,
        );
      await pause(gapMs);
    }
    tell('the end of the walk');
    for (const place of places) if (place !== null) await tidyUp(siteOf(place, place, 0)).catch(() => {});
    const findings = await settle(stage, places, wiped);
    for (const finding of findings) tell(`FOUND ${finding.kind}: ${finding.what}`);
    const log = await readFile(stage.log, 'utf8').catch(() => '');
    const journal = await readFile(stage.journal.file, 'utf8');
    return {
      seed,
      findings,
      story: () => [...told, '--- journal', journal, '--- supervisor', log.slice(-20_000)].join('\n'),
    };
  } finally {
    await stage.remove();
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function operate(operation: Operation, site: Site, tell: (text: string) => void): Promise<void> {
  tell(`${operation.name} in ${site.at}`);
  try {
    await operation.act(site);
  } catch (thrown) {
    tell(`  ${String(thrown)}`);
  }
}

/** Waits until no one works any more and nothing more begins, stops the supervisor, and says what is wrong. */
async function settle(
  stage: Stage,
  places: readonly (string | null)[],
  wiped: ReadonlySet<string>,
): Promise<readonly Finding[]> {
  const until = performance.now() + SETTLE_MS;
  let last = -1;
  let since = performance.now();
  let status: unknown = null;
  while (performance.now() < until) {
    await pause(200);
    const noted = stage.journal.entries().length;
    if (noted !== last || !(await isQuiet(stage, places))) since = performance.now();
    last = noted;
    if (performance.now() - since < QUIET_MS) continue;
    // Where a supervisor was killed a moment ago, the next one may not have begun.
    status = await stage.ask('status');
    if (isIdle(status)) break;
    since = performance.now();
  }
  status ??= await stage.ask('status');
  await stage.kill('SIGTERM');
  return findingsOf({ stage, places, wiped, status });
}
