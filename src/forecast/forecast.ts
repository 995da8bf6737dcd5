// When open tasks end, as ranges: many courses of the world as it is, each with ends drawn from what earlier runs came
// to. Pure; `random` decides what is drawn.

import { parseInstant } from '../decide/instant.ts';
import type { GraphView, World } from '../decide/world.ts';
import { type GraphPath, type TaskId, type TaskKey, taskKey } from '../domain/ids.ts';
import { isTerminal, type Task } from '../domain/task.ts';
import { type Course, type CourseEvent, type CourseRun, courseOf, type Script } from './course.ts';
import type { Draws, Experience } from './experience.ts';
import { average, quantile } from './statistics.ts';

/** Instants in ms; null: in that many courses it has not ended within the time that is looked at. */
export interface EndRange {
  readonly p10: number | null;
  readonly p50: number | null;
  readonly p80: number | null;
  readonly p90: number | null;
  readonly p95: number | null;
}

/** Where the spread of an end comes from: shares that add up to 1. */
export interface SpreadShares {
  /** How long the work takes, and whether it fails. */
  readonly work: number;
  /** Waiting for room: places, and limits of every kind. */
  readonly places: number;
  readonly quota: number;
  /** Waiting for people, and for what others work on. */
  readonly people: number;
}

export interface TaskForecast extends EndRange {
  readonly graph: GraphPath;
  readonly task: TaskId;
  /** The share of courses in which it ended. */
  readonly ends: number;
}

/** The forecast of one task in full. */
export interface TargetForecast extends TaskForecast {
  /** What its part of the graph costs from now on, US dollars; null: no run told what it cost. */
  readonly costUsd: { readonly p10: number; readonly p90: number } | null;
  /** How often each task was on the longest way to the end, most often first. */
  readonly path: readonly { readonly task: TaskId; readonly share: number }[];
  readonly spread: SpreadShares | null;
}

export interface ForecastAsked {
  readonly world: World;
  readonly experience: Experience;
  /** The task to tell of in full. */
  readonly target?: { readonly graph: GraphPath; readonly task: TaskId };
  random(): number;
}

/** As far as is looked, ms. */
export const HORIZON_MS = 60 * 86_400_000;

const PARTS = ['work', 'places', 'quota', 'people'] as const;
type Part = (typeof PARTS)[number];

/** Collects courses and says what they come to. */
export class Forecasts {
  readonly #asked: ForecastAsked;
  readonly #world: World;
  readonly #open: readonly { readonly graph: GraphPath; readonly task: TaskId; readonly key: TaskKey }[];
  readonly #ends = new Map<TaskKey, number[]>();
  readonly #costs: number[] = [];
  readonly #path = new Map<TaskId, number>();
  readonly #parts: Record<Part, number>[] = [];
  readonly #upstream: ReadonlySet<TaskKey>;
  #tellsCost = false;
  #draws = 0;

  constructor(asked: ForecastAsked) {
    this.#asked = asked;
    const { world, target } = asked;
    this.#upstream = target ? upstreamOf(world, target) : new Set();
    this.#world = { ...world, dispatchBlocked: null, graphs: world.graphs.map(onlyOpen) };
    this.#open = this.#world.graphs.flatMap(({ graph, snapshot }) =>
      [...snapshot.tasks.values()]
        .filter(({ status }) => status !== 'done' && status !== 'abandoned')
        .map(({ id }) => ({ graph, task: id, key: taskKey(graph, id) })),
    );
  }

  /** How many courses were drawn. */
  get draws(): number {
    return this.#draws;
  }

  /** Draws one more course. */
  draw(): void {
    const { target } = this.#asked;
    const draws = this.#asked.experience.draws(this.#asked.random);
    const events = [...this.#fromPeople(draws)];
    const course = courseOf(this.#world, this.#script(draws), events, this.#world.now + HORIZON_MS);
    this.#draws++;
    for (const { graph, task, at, status } of course.ends) {
      if (status !== 'done') continue;
      const key = taskKey(graph, task);
      const known = this.#ends.get(key);
      if (known) known.push(at);
      else this.#ends.set(key, [at]);
    }
    if (target) this.#noteTarget(course, target);
  }

  /** The tasks that are not done, those that end last at the end. */
  tasks(): readonly TaskForecast[] {
    return this.#open
      .map(({ graph, task, key }) => ({ graph, task, ...this.#rangeOf(key) }))
      .sort((a, b) => (a.p50 ?? Number.POSITIVE_INFINITY) - (b.p50 ?? Number.POSITIVE_INFINITY));
  }

  /** The task that was asked for in full; null: none was. */
  target(): TargetForecast | null {
    const { target } = this.#asked;
    if (!target) return null;
    const costs = [...this.#costs].sort((a, b) => a - b);
    return {
      ...target,
      ...this.#rangeOf(taskKey(target.graph, target.task)),
      costUsd: this.#tellsCost ? { p10: quantile(costs, 0.1), p90: quantile(costs, 0.9) } : null,
      path: [...this.#path]
        .map(([task, times]) => ({ task, share: times / Math.max(1, this.#parts.length) }))
        .sort((a, b) => b.share - a.share),
      spread: spreadOf(this.#parts),
    };
  }

  #rangeOf(key: TaskKey): EndRange & { readonly ends: number } {
    const ends = [...(this.#ends.get(key) ?? [])].sort((a, b) => a - b);
    const at = (share: number) => {
      // Courses in which it did not end come last.
      const index = Math.ceil(share * this.#draws) - 1;
      return index < ends.length ? (ends[Math.max(0, index)] ?? null) : null;
    };
    return {
      ...{ p10: at(0.1), p50: at(0.5), p80: at(0.8), p90: at(0.9), p95: at(0.95) },
      ends: this.#draws === 0 ? 0 : ends.length / this.#draws,
    };
  }

  #script(draws: Draws): Script {
    return {
      random: this.#asked.random,
      places: this.#asked.experience.places,
      once: true,
      endOf: ({ repo, profile }, _n, now) => draws.end({ repo, executor: profile.name }, 0, now),
      restOf: (run, now) => draws.end(run, now - run.openedAt, now),
      after: ({ graph, task, settled, endedAt }) => {
        if (settled !== 'failed') return [];
        const wait = draws.wait('failed', 0);
        if (wait === null) return [];
        const to = { status: 'open', drop: ['assigned'] } as const;
        return [{ at: endedAt + wait, change: { kind: 'edit', graph, task, to } }];
      },
    };
  }

  /** What people and other programs do to the tasks that wait for them. */
  *#fromPeople(draws: Draws): Generator<CourseEvent> {
    const { now, graphs, runs } = this.#world;
    const ours = new Set(runs.map((run) => taskKey(run.graph, run.task)));
    for (const { graph, snapshot } of graphs)
      for (const task of snapshot.tasks.values()) {
        const change = changeByPeople(task, ours.has(taskKey(graph, task.id)));
        if (change === null) continue;
        const since = change.since === undefined ? null : parseInstant(change.since);
        const wait = draws.wait(change.kind, since === null ? 0 : Math.max(0, now - since));
        if (wait !== null)
          yield { at: now + wait, change: { kind: 'edit', graph, task: task.id, to: change.to } };
      }
  }

  #noteTarget(course: Course, target: { readonly graph: GraphPath; readonly task: TaskId }): void {
    let cost = 0;
    for (const { graph, task, outcome } of course.runs) {
      const usd = 'usage' in outcome ? outcome.usage?.costUsd : undefined;
      if (usd === undefined || !this.#upstream.has(taskKey(graph, task))) continue;
      cost += usd;
      this.#tellsCost = true;
    }
    this.#costs.push(cost);
    const way = wayTo(course, target, this.#world);
    if (way === null) return;
    this.#parts.push(way.parts);
    for (const task of way.tasks) this.#path.set(task, (this.#path.get(task) ?? 0) + 1);
  }
}

/** Unfinished tasks, and the finished ones that they name: nothing else matters to what comes. */
function onlyOpen(view: GraphView): GraphView {
  const all = view.snapshot.tasks;
  const tasks = new Map<TaskId, Task>();
  for (const task of all.values()) if (!isTerminal(task.status)) tasks.set(task.id, task);
  for (const { after } of [...tasks.values()])
    for (const id of after) {
      const known = all.get(id);
      if (known) tasks.set(id, known);
    }
  return { ...view, snapshot: { ...view.snapshot, tasks } };
}

/** What a person, or another program, is expected to do to a task; null: nothing. */
function changeByPeople(task: Task, isOurs: boolean) {
  if (task.status === 'failed')
    return { kind: 'failed', since: task.completedAt, to: { status: 'open', drop: ['assigned'] } } as const;
  if (task.paused && task.status === 'open')
    return { kind: 'paused', since: task.lastInteractionAt, to: { paused: false } } as const;
  if (task.status === 'in-progress' && !isOurs)
    return { kind: 'others', since: task.startedAt, to: { status: 'done' } } as const;
  return null;
}

/** A task and everything it waits for. */
function upstreamOf(
  { graphs }: World,
  { graph, task }: { readonly graph: GraphPath; readonly task: TaskId },
): ReadonlySet<TaskKey> {
  const tasks = graphs.find((view) => view.graph === graph)?.snapshot.tasks;
  const found = new Set<TaskKey>();
  const asked = [task];
  for (let id = asked.pop(); id !== undefined; id = asked.pop()) {
    if (found.has(taskKey(graph, id))) continue;
    found.add(taskKey(graph, id));
    asked.push(...(tasks?.get(id)?.after ?? []));
  }
  return found;
}

/** The longest way to the end of a task: which tasks are on it, and what its time went into, ms. */
function wayTo(
  course: Course,
  target: { readonly graph: GraphPath; readonly task: TaskId },
  { graphs, now }: World,
): { readonly tasks: ReadonlySet<TaskId>; readonly parts: Record<Part, number> } | null {
  const tasks = graphs.find(({ graph }) => graph === target.graph)?.snapshot.tasks;
  const runs = new Map<TaskId, CourseRun[]>();
  for (const run of course.runs)
    if (run.graph === target.graph) runs.set(run.task, [...(runs.get(run.task) ?? []), run]);
  const last = runs.get(target.task)?.at(-1);
  if (last?.settled !== 'done') return null;
  const way = { tasks: new Set<TaskId>(), parts: { work: 0, places: 0, quota: 0, people: 0 } };
  for (let run: CourseRun | undefined = last; run; ) {
    way.tasks.add(run.task);
    way.parts.work += run.endedAt - Math.max(now, run.startedAt);
    const before: CourseRun | undefined = runs.get(run.task)?.[run.n - 1];
    const released: CourseRun | undefined = before ?? latestOf(tasks?.get(run.task)?.after ?? [], runs);
    const readyAt = Math.max(now, run.readyAt);
    way.parts[run.kept?.code === 'quota' ? 'quota' : 'places'] += Math.max(0, run.startedAt - readyAt);
    // From the end before it until it could start: a backoff, or a person.
    const gap = readyAt - Math.max(now, released?.endedAt ?? now);
    way.parts[isBackoff(before) ? 'work' : 'people'] += Math.max(0, gap);
    run = released;
  }
  return way;
}

function isBackoff(before: CourseRun | undefined): boolean {
  return before !== undefined && before.settled === null;
}

/** The last of several tasks to end. */
function latestOf(
  ids: readonly TaskId[],
  runs: ReadonlyMap<TaskId, readonly CourseRun[]>,
): CourseRun | undefined {
  let latest: CourseRun | undefined;
  for (const id of ids) {
    const run = runs.get(id)?.at(-1);
    if (run && run.endedAt > (latest?.endedAt ?? 0)) latest = run;
  }
  return latest;
}

/** How much of the variance of the whole each part explains; null: there is none. */
function spreadOf(draws: readonly Record<Part, number>[]): SpreadShares | null {
  if (draws.length < 2) return null;
  const totals = draws.map((parts) => PARTS.reduce((all, part) => all + parts[part], 0));
  const mean = average(totals);
  const variance = average(totals.map((total) => (total - mean) ** 2));
  if (variance === 0) return null;
  const shareOf = (part: Part) => {
    const ofPart = average(draws.map((parts) => parts[part]));
    return average(draws.map((parts, n) => (parts[part] - ofPart) * ((totals[n] ?? 0) - mean))) / variance;
  };
  return {
    ...{
      work: shareOf('work'),
      places: shareOf('places'),
      quota: shareOf('quota'),
      people: shareOf('people'),
    },
  };
}
