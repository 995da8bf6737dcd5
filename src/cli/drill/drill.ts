// The drill: a supervisor over working agents; beside it kills, git operations and another writer, all chosen by a
// seed; then everyone may finish, and what must always hold is asked.

import { existsSync, readFileSync } from 'node:fs';
import { cp, lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../platform/clock.ts';
import type { Environment } from '../../platform/environment.ts';
import type { Locker } from '../../platform/flock.ts';
import { type Chance, chanceOf } from './chance.ts';
import { type Edit, editGraph } from './editor.ts';
import { createJournal, type Entry, type Journal } from './journal.ts';
import { makeDrillFolder } from './leftovers.ts';
import { createMoments, type Moments } from './moments.ts';
import { graphOf, OPERATIONS, type Operation, type Site, tidyUp } from './operations.ts';
import { alreadyWrong, type Finding, findingsOf } from './oracle.ts';
import { groupOf, kill, markedProcesses } from './processes.ts';
import { buildStage, type DrillWorktree, freePort, placeIn, runGit, type Stage } from './stage.ts';
import { supervisorUnderFire, type UnderFire } from './under-fire.ts';
import { startWorkers, type Workers } from './workers.ts';

const WORKTREES = 10;
/** Tasks in a drill of a minute. */
const TASKS = 200;
const FEWEST_TASKS = 20;
/** Nothing has changed for this long: it will not, ms. Longer than a lease, a pause and a rewind's grace. */
const QUIET_MS = 25_000;
/** How long everything may take to come to an end after the last kill, ms. */
const SETTLE_MS = 180_000;
/** What `stat` counts in, bytes. */
const BLOCK_BYTES = 512;
/** How long what was waited for before a kill may take, ms. */
const PATIENCE_MS = 2000;

export interface DrillOptions {
  readonly seconds: number;
  /** How many; absent: as many as the time is good for. */
  readonly tasks?: number;
  readonly seed: number;
  readonly environment: Environment;
  readonly clock: Clock;
  readonly locker: Locker;
  readonly signal: AbortSignal;
  /** Where the folder is copied at the end, for finding a cause; null: nowhere. */
  readonly keep: string | null;
  /** Ends with what is found while it fires, instead of going to the end with it. Absent: no. */
  readonly stopAtFirst?: boolean;
  /** Another program to drill; absent: this one. */
  readonly build?: string;
  progress(now: Progress): void;
  /** Called when the world stands and nothing runs yet. */
  prepare?(stage: Stage): Promise<void>;
  /** Called when nothing runs any more and everything is still there. */
  finish?(stage: Stage, entries: readonly Entry[]): Promise<void>;
}

export interface Progress {
  readonly phase: 'fire' | 'settling';
  readonly elapsedMs: number;
  readonly kills: number;
  readonly done: number;
  readonly tasks: number;
}

/** What a drill did and found. */
export interface Drilled {
  readonly seed: number;
  readonly seconds: number;
  readonly worktrees: number;
  readonly tasks: number;
  readonly done: number;
  /** Kills of the supervisor without warning, and orderly stops. */
  readonly kills: number;
  readonly stops: number;
  readonly agentKills: number;
  readonly gitOperations: number;
  readonly edits: number;
  readonly runs: number;
  /** From the start of the program until everything is read and repaired, ms. */
  readonly restarts: readonly number[];
  /** Disk that the folder took at the end, bytes. */
  readonly diskBytes: number;
  readonly findings: readonly Finding[];
}

/** Kinds of moments at which the supervisor dies: after an event, a delivery, a while, or while it starts. */
const MOMENTS = [
  ...['run.opened', 'run.claimed', 'run.started', 'run.finished', 'run.settled', 'run.handed-off'],
  ...['request', 'report', 'run.finished', 'run.claimed', 'start', 'while'],
];

/** What works on graph files beside git; only where git brings the graph again. */
const ON_GRAPHS = /graph|lines|touch/;
/** What takes evidence away, needs branches with a common graph, or makes worktrees that stay. */
const LEFT_OUT = new Set([
  ...['stash --all', 'clean -fdx', 'worktree remove --force', 'worktree move', 'mv and worktree repair'],
  ...['worktree add', 'the graph of another branch', 'rebase', 'rebase that stops', 'cherry-pick', 'push'],
  ...['pull', 'pull --rebase --autostash', 'merge', 'merge --abort', 'merge -X theirs', 'rm --cached'],
  ...['merge with the union driver', 'update-index --skip-worktree'],
  // All worktrees share their stashes: one with a graph in it replaces the graph of the worktree where it is popped.
  ...['stash pop', 'stash apply', 'stash and pop', 'stash drop'],
]);
const DRILLED = OPERATIONS.filter(({ name }) => !LEFT_OUT.has(name));

/** Runs one. Throws only what keeps it from being run at all; nothing is left behind, whatever happens. */
export async function runDrill(options: DrillOptions): Promise<Drilled> {
  const folder = await makeDrillFolder(options.locker);
  try {
    const drill = await setUp(folder.path, options);
    try {
      return await carryOut(drill, options);
    } finally {
      await drill.supervisor.end('SIGKILL');
      await drill.workers.stop();
    }
  } finally {
    try {
      if (options.keep !== null)
        await cp(folder.path, options.keep, { recursive: true, errorOnExist: false, verbatimSymlinks: true });
    } finally {
      await folder.remove();
    }
  }
}

/** What the parts of one drill share. */
interface Drill extends Pick<DrillOptions, 'clock' | 'locker' | 'signal'> {
  readonly stage: Stage;
  readonly journal: Journal;
  readonly workers: Workers;
  readonly supervisor: UnderFire;
  readonly moments: Moments;
  /** When the fire ends, ms. */
  readonly until: number;
  readonly count: { kills: number; stops: number; agentKills: number; gitOperations: number };
  readonly edits: Edit[];
  /** What was found before the end, where that ends it. */
  readonly found: Finding[];
}

async function setUp(folder: string, options: DrillOptions): Promise<Drill> {
  const { clock, locker, signal, seconds, seed, environment } = options;
  const place = placeIn(folder, environment);
  const journal = createJournal(place.journal, clock);
  const tasks = options.tasks ?? Math.max(FEWEST_TASKS, Math.round((TASKS * seconds) / 60));
  // Ten at once have work for most of the time.
  const workS = (seconds * 8.8) / tasks;
  const port = await freePort();
  const moments = createMoments(clock, signal);
  const workers = await startWorkers({
    ...{ journal, clock, stateDir: place.stateDir, api: `http://127.0.0.1:${port}` },
    workMs: workS * 1000,
    // Long enough for a kill between what was sent and what was answered.
    answerMs: 80,
    hear: moments.happened,
  });
  try {
    const chance = chanceOf(seed);
    const of = { place, port, tasks, workS, chance, web: workers.url, worktrees: WORKTREES };
    const stage = await buildStage({ ...of, forMs: seconds * 800, now: clock.now() });
    await options.prepare?.(stage);
    const supervisor = supervisorUnderFire(place, clock, moments.happened, options.build);
    const count = { kills: 0, stops: 0, agentKills: 0, gitOperations: 0 };
    const until = clock.now() + seconds * 1000;
    return {
      clock,
      locker,
      signal,
      stage,
      journal,
      workers,
      supervisor,
      moments,
      until,
      count,
      edits: [],
      found: [],
    };
  } catch (thrown) {
    await workers.stop();
    throw thrown;
  }
}

async function carryOut(drill: Drill, options: DrillOptions): Promise<Drilled> {
  const { clock, stage, supervisor, count, journal, signal } = drill;
  const { seed, seconds } = options;
  const begunAt = clock.now();
  const told = new AbortController();
  const tell = (phase: Progress['phase']) =>
    options.progress({
      ...{ phase, elapsedMs: clock.now() - begunAt, kills: count.kills, tasks: stage.tasks.length },
      done: doneOf(stage),
    });
  const telling = (async () => {
    while (!signal.aborted && !told.signal.aborted) {
      tell(clock.now() < drill.until ? 'fire' : 'settling');
      if (options.stopAtFirst && drill.found.length === 0)
        drill.found.push(...alreadyWrong(stage.tasks, journal.entries()));
      await clock.sleep(500, told.signal);
    }
  })();
  try {
    // A stream of chance for each, so that the speed of one changes no choice of another.
    const ends = await Promise.allSettled([
      fire(drill, chanceOf(seed + 1)),
      operate(drill, chanceOf(seed + 2)),
      shootAgents(drill, chanceOf(seed + 3)),
      edit(drill, chanceOf(seed + 4)),
    ]);
    // Only when all of them have ended: none may start anything in a folder that is being removed.
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    const found = signal.aborted || drill.found.length > 0 ? drill.found : await settle(drill);
    await options.finish?.(stage, journal.entries());
    const runs = new Set(journal.entries().map(({ run }) => run)).size;
    return {
      ...{ seed, seconds, worktrees: stage.worktrees.length, tasks: stage.tasks.length, done: doneOf(stage) },
      ...count,
      edits: drill.edits.length,
      runs,
      restarts: supervisor.restarts,
      diskBytes: (await blocksBelow(stage.place.folder)) * BLOCK_BYTES,
      findings: found,
    };
  } finally {
    told.abort();
    await telling;
  }
}

const continues = ({ clock, until, signal, found }: Drill) =>
  clock.now() < until && !signal.aborted && found.length === 0;

/** Starts the supervisor, kills it, and again. */
async function fire(drill: Drill, chance: Chance): Promise<void> {
  const { clock, signal, supervisor, moments, count } = drill;
  while (continues(drill)) {
    const moment = chance.pick(MOMENTS);
    const [waitMs, delayMs, pauseMs] = [chance.below(700), chance.below(40), chance.below(150)];
    const isOrderly = chance.below(10) === 0;
    supervisor.start();
    if (moment === 'start') await clock.sleep(60 + waitMs, signal);
    else {
      await moments.next('supervisor.started', 15_000);
      await clock.sleep(waitMs, signal);
      if (moment !== 'while') await moments.next(moment, PATIENCE_MS);
      // Half of the kills come at once.
      await clock.sleep(delayMs < 20 ? 0 : delayMs - 20, signal);
    }
    if (await supervisor.end(isOrderly ? 'SIGTERM' : 'SIGKILL')) isOrderly ? count.stops++ : count.kills++;
    await clock.sleep(pauseMs, signal);
  }
}

/** Git and file operations in the worktrees. */
async function operate(drill: Drill, chance: Chance): Promise<void> {
  const { clock, signal, stage, count } = drill;
  await clock.sleep(1000, signal);
  for (let n = 1; continues(drill); n++) {
    const operation = chance.pick(DRILLED);
    const [at, next, gapMs] = [chance.below(WORKTREES), chance.below(WORKTREES), chance.below(300)];
    const worktree = stage.worktrees[ON_GRAPHS.test(operation.name) ? at - (at % 2) + 1 : at];
    const other = stage.worktrees[next];
    if (worktree === undefined || other === undefined) throw new Error('there are ten');
    await act(operation, siteOf(drill, worktree, other, n));
    count.gitOperations++;
    await clock.sleep(gapMs, signal);
  }
}

function siteOf({ stage, clock }: Drill, at: DrillWorktree, other: DrillWorktree, n: number): Site {
  const { place } = stage;
  return {
    ...{ repo: place.repo, folder: place.folder, at: at.path, other: other.path, n },
    git: (cwd, ...args) => runGit(place, cwd, ...args),
    moved: () => {},
    wiped: () => {},
    pause: (ms) => clock.sleep(ms),
  };
}

async function act(operation: Operation, site: Site): Promise<void> {
  try {
    await operation.act(site);
  } catch {
    // A file that git has just taken away: an operation that does nothing.
  }
}

/** Kills agents without warning: the program, or with it all that would say how it ended. */
async function shootAgents(drill: Drill, chance: Chance): Promise<void> {
  const { clock, signal, journal, count, until } = drill;
  const gapMs = (until - clock.now()) / 20;
  const shot = new Set<string>();
  while (continues(drill)) {
    await clock.sleep(gapMs / 2 + chance.below(gapMs), signal);
    const [which, isWhole] = [chance.below(1000), chance.below(2) === 0];
    const running = runningAgents(journal.entries()).filter(({ task }) => !shot.has(task));
    const victim = running[which % Math.max(1, running.length)];
    if (victim === undefined || !continues(drill)) continue;
    const group = isWhole ? await groupOf(victim.pid) : null;
    shot.add(victim.task);
    journal.note('shot', victim.run, victim.task);
    kill(group === null ? victim.pid : -group);
    count.agentKills++;
  }
}

/** Those with a process of their own that have not ended. */
function runningAgents(entries: readonly Entry[]): Entry[] {
  const ended = new Set(entries.filter(({ word }) => word !== 'start').map(({ run }) => run));
  return entries.filter(({ word, run, pid }) => word === 'start' && pid > 0 && !ended.has(run));
}

/** Another program edits the graphs that git does not touch. */
async function edit(drill: Drill, chance: Chance): Promise<void> {
  const { clock, signal, stage, locker, edits } = drill;
  const ignored = stage.worktrees.filter(({ tracked }) => !tracked);
  for (let n = 1; continues(drill); n++) {
    const { path } = chance.pick(ignored);
    const written = await editGraph(path, n, locker, signal);
    if (written !== null) edits.push(written);
    await clock.sleep(20 + chance.below(80), signal);
  }
}

/** Everyone may finish: waits until all is done or nothing changes any more, and says what is wrong. */
async function settle(drill: Drill): Promise<readonly Finding[]> {
  const { clock, signal, stage, supervisor, workers, journal } = drill;
  for (const worktree of stage.worktrees) await mend(drill, worktree);
  supervisor.start();
  const until = clock.now() + SETTLE_MS;
  let last = '';
  let since = clock.now();
  while (clock.now() < until && clock.now() - since < QUIET_MS && !signal.aborted) {
    const done = doneOf(stage);
    if (done === stage.tasks.length && workers.busy() === 0 && runningAgents(journal.entries()).length === 0)
      break;
    const seen = `${done} ${journal.entries().length}`;
    if (seen !== last) since = clock.now();
    last = seen;
    await clock.sleep(200, signal);
  }
  // What tasks left behind is ended a moment after its task.
  let left = await markedProcesses(stage.place);
  for (const end = clock.now() + 10_000; clock.now() < end && left.some(({ isAgent }) => isAgent); ) {
    await clock.sleep(200, signal);
    left = await markedProcesses(stage.place);
  }
  await supervisor.end('SIGTERM');
  return findingsOf({
    tasks: stage.tasks,
    entries: journal.entries(),
    graphs: new Map(
      stage.worktrees.map(({ path }) => {
        const tasks = readGraph(path);
        return [path, tasks && new Map([...tasks].map(([id, { status }]) => [id, status]))];
      }),
    ),
    refusals: workers.refusals,
    missingEdits: missing(drill.edits),
    crashes: supervisor.crashes,
    left: await markedProcesses(stage.place),
  });
}

/** Ends what git was left in the middle of, as a person would, so that what is then wrong is not git's. */
async function mend(drill: Drill, worktree: DrillWorktree): Promise<void> {
  const { stage } = drill;
  const site = siteOf(drill, worktree, worktree, 0);
  await moveBack(worktree.path);
  await tidyUp(site).catch(() => {});
  const planted = stage.tasks.filter((task) => task.worktree === worktree.path);
  const isWhole = () => {
    const tasks = readGraph(worktree.path);
    return tasks !== null && planted.every(({ id }) => tasks.has(id));
  };
  for (const args of [
    ['reset', '-q', '--hard'],
    ['checkout', '-q', '-f', worktree.branch],
    ['checkout', '-q', '-f', '--detach', `drill-${worktree.branch}`],
  ])
    if (worktree.tracked && !isWhole()) await runGit(stage.place, worktree.path, ...args);
}

/** A worktree that was moved away stays there if a program made a folder in its place meanwhile. */
async function moveBack(path: string): Promise<void> {
  if (!existsSync(`${path}-away`)) return;
  await rm(path, { recursive: true, force: true });
  await rename(`${path}-away`, path);
}

interface Line {
  readonly status: string;
  readonly tags: readonly string[];
}

/** null: it cannot be read. */
function readGraph(worktree: string): Map<string, Line> | null {
  try {
    const lines = readFileSync(graphOf(worktree), 'utf8').split('\n').filter(Boolean);
    return new Map(
      lines.map((line) => {
        const { id, status, tags } = JSON.parse(line) as { id: string; status: string; tags?: string[] };
        return [id, { status, tags: tags ?? [] }];
      }),
    );
  } catch {
    return null;
  }
}

function doneOf({ tasks, worktrees }: Stage): number {
  const graphs = new Map(worktrees.map(({ path }) => [path, readGraph(path)]));
  return tasks.filter(({ id, worktree }) => graphs.get(worktree)?.get(id)?.status === 'done').length;
}

function missing(edits: readonly Edit[]): string[] {
  const graphs = new Map(
    [...new Set(edits.map(({ worktree }) => worktree))].map((at) => [at, readGraph(at)]),
  );
  return edits
    .filter(({ worktree, task, tag }) => !graphs.get(worktree)?.get(task)?.tags.includes(tag))
    .map(({ task, tag }) => `${tag} of ${task}`);
}

/** What lies below a folder, in blocks of the system call. */
async function blocksBelow(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sum += await blocksBelow(path);
    else sum += (await lstat(path).catch(() => null))?.blocks ?? 0;
  }
  return sum;
}
