// One walk: a world, hours of trouble, hours of calm, and what must hold then.

import type { Run } from '../../src/domain/run.ts';
import { isOpenRun } from '../../src/domain/run.ts';
import type { Word } from '../model/life.ts';
import { Chance } from './chance.ts';
import type { Fault } from './journal.ts';
import { FAULTS, type FaultName, People, tasksFor } from './people.ts';
import { World } from './world.ts';

const HOUR_MS = 3_600_000;

export interface WalkOptions {
  readonly seed: number;
  /** Hours of trouble; absent: the seed's. */
  readonly hours?: number;
  /** Absent: those that the seed chose. */
  readonly faults?: readonly FaultName[];
  /** Keep what happened, and each event. */
  readonly keepsStory?: boolean;
}

export interface Walk {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** Of every event, log line and the number of operations. */
  readonly digest: string;
  readonly story: readonly string[];
  readonly events: readonly string[];
  /** Moves of the ledgers and words of the agents, as test/model replays them. */
  readonly words: readonly Word[];
  readonly steps: number;
  readonly starts: number;
  readonly simulatedMs: number;
}

/** How long everything gets to come to its end, hours. */
const CALM_HOURS = 3;

/** They bring older states of a graph, or hide one. */
const REWINDING: readonly FaultName[] = ['rewind', 'away', 'careless edit', 'torn edit'];

/** Lets one seed happen. */
export async function walk(options: WalkOptions): Promise<Walk> {
  const { seed, keepsStory = false } = options;
  const chance = new Chance(`plan ${seed}`);
  const homes = chance.is(0.15) ? 2 : 1;
  const chosen = FAULTS.filter((name) => chance.is(name === 'kill' ? 0.75 : 0.4));
  // What one supervisor knows of finished work no other one does: only then an older graph is believed.
  const faults = options.faults ?? chosen.filter((name) => homes === 1 || !REWINDING.includes(name));
  const hours = options.hours ?? chance.between(1, 3);
  const world = new World(
    {
      seed,
      hasCopies: homes === 1 && chance.is(0.4),
      losesPower: faults.includes('reboot'),
      homes,
    },
    keepsStory,
  );
  const restore = takeOver(world);
  try {
    const people = new People(world);
    lay(world, chance);
    for (const home of world.homes) world.begin(home);
    people.begin(faults, chance.between(1, 2));
    try {
      await world.scheduler.run(hours * HOUR_MS);
      await calmDown(world, people);
    } catch (thrown) {
      world.journal.fault('busy', String(thrown));
    }
    if (world.journal.faults.length === 0) judge(world);
    const { scheduler, story, events, words } = world;
    return {
      ...{ seed, faults: world.journal.faults, digest: world.digest, story, events, words },
      ...{ steps: scheduler.steps, starts: world.journal.starts, simulatedMs: scheduler.elapsed },
    };
  } finally {
    restore();
    world.close();
  }
}

function lay(world: World, chance: Chance): void {
  const text = (prefix: string, count: number) =>
    Buffer.from(
      tasksFor(chance, prefix, count)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    );
  const shop = text('s', chance.between(4, 9));
  for (const graph of world.graphs())
    world.disk.folder(graph).replace(graph.startsWith('/shop') ? shop : text('b', chance.between(2, 6)));
  for (const line of linesOf(world))
    if (line.verify) world.verified.set(world.keyOf(line.graph, line.id), false);
}

/** Faults end, everyone is back; a person takes care of what waits for one. */
async function calmDown(world: World, people: People): Promise<void> {
  const { scheduler } = world;
  world.isCalm = true;
  world.tell('from here on all is calm');
  const until = scheduler.elapsed + CALM_HOURS * HOUR_MS;
  void (async () => {
    // What was begun before ends first: a disk that is full, a graph that is away.
    await world.pass(HOUR_MS / 3);
    world.losesEvents = false;
    world.throttled.clear();
    for (const home of world.homes) world.begin(home);
    for (const target of [null, 'shop', 'shell']) await people.resume(target);
    for (let n = 0; n < 2; n++) {
      await world.pass((2 * HOUR_MS) / 3);
      for (const { graph, id } of waiting(world)) await people.retry(graph, id);
    }
  })();
  await scheduler.run(until);
}

interface Line {
  readonly id: string;
  readonly status: string;
  readonly graph: string;
  readonly paused?: boolean;
  readonly verify?: string;
  readonly after?: readonly string[];
}

function linesOf(world: World): Line[] {
  return world.graphs().flatMap((graph) =>
    (world.disk.folder(graph).text ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ({ ...(JSON.parse(line) as Omit<Line, 'graph'>), graph })),
  );
}

/** Tasks that a person cancelled, or that are parked until one says retry. */
function waiting(world: World): Line[] {
  const parked = new Set(
    world.homes.flatMap(({ instance }) =>
      (instance?.supervisor.decided?.decision.verdicts ?? new Map()).size === 0
        ? []
        : [...(instance?.supervisor.decided?.decision.verdicts.values() ?? [])]
            .filter(({ code }) => code === 'parked')
            .map(({ graph, task }) => `${graph} ${task}`),
    ),
  );
  return linesOf(world).filter((line) => line.paused === true || parked.has(`${line.graph} ${line.id}`));
}

/** What must hold when all is calm. */
function judge(world: World): void {
  const { journal } = world;
  const lines = linesOf(world);
  const statuses = new Map<string, string[]>();
  for (const { id, graph, status } of lines) {
    const key = world.keyOf(graph, id);
    statuses.set(key, [...(statuses.get(key) ?? []), status]);
  }
  for (const { instance, name } of world.homes)
    for (const run of openRunsOf(instance?.ledger.openRuns() ?? []))
      journal.fault('unsettled', `${name}: ${run.id} of ${run.task} is still ${run.phase}`);
  for (const { key, run } of world.agents.working())
    journal.fault('stranded', `${run} still works on ${key}`);
  for (const line of lines) {
    const key = world.keyOf(line.graph, line.id);
    const all = statuses.get(key) ?? [];
    const { good } = journal.known(key);
    // A report that was kept while its graph was away passes the gate later or, after a kill, once more: it may fail there.
    const isRefused = line.status === 'failed' && Boolean(line.verify);
    if (good !== null && !all.includes('done') && !isRefused && !isHeld(world, line, ['rewound']))
      journal.fault('lost', `${key} was done by ${good} and is ${all.join(', ')}: ${why(world, line)}`);
    if (line.status === 'done' && line.verify && world.verified.get(key) !== true)
      journal.fault('unverified', `${key} is done, and its verify command has not passed`);
    if (line.status === 'done' || line.status === 'failed' || line.status === 'abandoned') continue;
    if (isWaiting(world, line, statuses)) continue;
    journal.fault('stranded', `${line.id} in ${line.graph} is ${line.status}: ${why(world, line)}`);
  }
}

const openRunsOf = (runs: readonly Run[]) =>
  runs.filter((run) => isOpenRun(run) && !(run.type === 'external' && run.phase === 'handed-off'));

/** Whether it rightly waits: for a task that failed, for its twin, or for a person after a rewind. */
function isWaiting(world: World, line: Line, statuses: ReadonlyMap<string, readonly string[]>): boolean {
  // Of copies the one that is to run is judged.
  if (isHeld(world, line, ['rewound', 'copy'])) return true;
  const twins = statuses.get(world.keyOf(line.graph, line.id)) ?? [];
  // A claim that git brought from another branch is not this graph's.
  if (line.status !== 'open') return twins.length > 1 && twins.includes('done');
  if (twins.length > 1 && twins.some((status) => status === 'done' || status === 'failed')) return true;
  const blocking = (line.after ?? []).some((id) => {
    const found = linesOf(world).find((other) => other.graph === line.graph && other.id === id);
    return found !== undefined && found.status !== 'done';
  });
  return blocking;
}

function verdictOf(world: World, { graph, id }: Line) {
  for (const { instance } of world.homes) {
    const decision = instance?.supervisor.decided?.decision;
    for (const verdict of decision?.verdicts.values() ?? [])
      if (verdict.graph === graph && verdict.task === id && verdict.code !== 'other-supervisor')
        return verdict;
  }
  return null;
}

const isHeld = (world: World, line: Line, codes: readonly string[]) =>
  codes.includes(verdictOf(world, line)?.code ?? '');

function why(world: World, line: Line): string {
  const verdict = verdictOf(world, line);
  return verdict ? `${verdict.state} (${verdict.code}), ${verdict.because}` : 'nothing is said of it';
}

/** Turns of the event loop and the time that they took are the scheduler's, for as long as the walk lasts. */
function takeOver(world: World): () => void {
  const { setImmediate: real, performance: time } = globalThis;
  const put = (name: 'setImmediate' | 'performance', value: unknown) =>
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  put('setImmediate', (act: () => void) => world.scheduler.turn(act));
  put('performance', { now: () => world.scheduler.elapsed });
  // Most errors here are expected, and none of their stacks is read.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  return () => {
    Error.stackTraceLimit = stackTraceLimit;
    put('setImmediate', real);
    put('performance', time);
  };
}
