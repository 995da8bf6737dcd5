// What was recorded, as a course: the arrivals, durations and ends of a while, to be decided again by whatever
// configuration. Pure.

import { profileNamed } from '../decide/routes/route.ts';
import type { GraphView, Pause, World } from '../decide/world.ts';
import { type GraphPath, type TaskId, type TaskKey, taskKey } from '../domain/ids.ts';
import type { Outcome } from '../domain/outcome.ts';
import { accountOf } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import { bareTask, type Task } from '../domain/task.ts';
import type { Course, CourseEvent, Script } from './course.ts';
import { PaperSpending } from './paper-spending.ts';
import { workerPlaces } from './worker-places.ts';

/** A verdict that stood, ms; `to` null: it still stands. */
export interface StoodVerdict {
  readonly state: string;
  readonly code: string;
  readonly because: string;
  readonly from: number;
  readonly to: number | null;
}

/** What was recorded, in any order. */
export interface Recorded {
  /** From when to when it is replayed, ms. */
  readonly from: number;
  readonly to: number;
  /** The runs that were opened by then; those before `from` count for budgets only. */
  readonly runs: readonly Run[];
  /** What was said of a task within the time. */
  verdictsOf(graph: GraphPath, task: TaskId): readonly StoodVerdict[];
  /** The times in which a supervisor was running, ms. */
  readonly watched: readonly { readonly from: number; readonly to: number }[];
}

/** A run as it was, and when it could have started but for limits. Instants in ms. */
export interface RecordedRun {
  readonly run: Run;
  readonly key: TaskKey;
  /** Which of its task's, from 0. */
  readonly n: number;
  readonly readyAt: number;
  readonly endedAt: number | null;
  /** How long after its end the run that took its place was started: what the program takes for that, ms. */
  readonly turnMs: number;
}

/** A course that repeats what was recorded. */
export interface Replay {
  readonly world: World;
  readonly script: Script;
  readonly events: readonly CourseEvent[];
  readonly runs: readonly RecordedRun[];
  /** Runs of graphs that are not served any more. */
  readonly leftOut: number;
}

/** A dependent that became ready this soon after its dependency ended was released by it, ms. */
const RELEASED_WITHIN_MS = 2000;
/** A supervisor that was silent this long was not running, ms. */
const GAP_MS = 3000;

/** Pauses of a profile or an account; a task that waits for one is ready but for it. */
const PAUSE_CODES: ReadonlySet<string> = new Set([
  ...['quota', 'provider', 'executor-unavailable', 'circuit-open'],
  ...['endpoint-rate', 'endpoint-gone', 'endpoint-disabled'],
]);
const CAPACITY_CODES: ReadonlySet<string> = new Set([...PAUSE_CODES, 'not-running', 'budget']);

/** The replay of a record in a world: its graphs, profiles and limits hold, its tasks begin as the record says. */
export function replayOf(world: World, recorded: Recorded): Replay {
  const graphs = new Map(world.graphs.map((view) => [view.graph, view]));
  const inTime = recorded.runs.filter(({ openedAt }) => openedAt >= recorded.from && openedAt <= recorded.to);
  const known = inTime.filter(({ graph }) => graphs.has(graph));
  const byTask = new Map<TaskKey, Run[]>();
  for (const run of [...known].sort((a, b) => a.openedAt - b.openedAt)) {
    const key = taskKey(run.graph, run.task);
    byTask.set(key, [...(byTask.get(key) ?? []), run]);
  }
  const runs = new Map<TaskKey, Noted[]>();
  const spans = new Map<TaskKey, readonly StoodVerdict[]>();
  for (const [key, ofTask] of byTask) {
    const [first] = ofTask;
    const stood = first ? recorded.verdictsOf(first.graph, first.task) : [];
    spans.set(key, stood);
    runs.set(
      key,
      ofTask.map((run, n) => ({
        run,
        key,
        n,
        readyAt: readyAt(run, stood),
        endedAt: run.finishedAt,
        turnMs: 0,
      })),
    );
  }
  noteTurns(runs);
  const spending = new PaperSpending();
  for (const run of recorded.runs)
    if (run.finishedAt !== null && run.openedAt < recorded.from && run.usage)
      spending.add(run, run.usage, run.finishedAt);
  return {
    world: {
      ...world,
      now: recorded.from,
      graphs: world.graphs.map((view) => asItBegan(view, runs)),
      ...{ runs: [], attended: new Set(), endingTasks: new Set(), ending: [], schedules: new Map() },
      ...{ pauses: [], dispatchBlocked: null, spending },
    },
    script: scriptOf(runs),
    events: [...arrivals(runs, graphs), ...pauses(runs, spans, world), ...gaps(recorded)],
    runs: [...runs.values()].flat(),
    leftOut: inTime.length - known.length,
  };
}

/** When a run could have started, had there been capacity. */
function readyAt({ openedAt }: Run, stood: readonly StoodVerdict[]): number {
  let at = openedAt;
  for (const { state, code, from, to } of [...stood].reverse()) {
    if (from >= at) continue;
    const reaches = (to ?? Number.POSITIVE_INFINITY) >= at - GAP_MS;
    if (!reaches || (state !== 'queued' && !CAPACITY_CODES.has(code))) break;
    at = from;
  }
  return at;
}

/** A recorded run while its turn is still to be found. */
type Noted = Omit<RecordedRun, 'turnMs'> & { turnMs: number };

/** Longer than this, a place was free because nothing asked for it, ms. */
const LONGEST_TURN_MS = 2000;

/** Each run that waited took the place of one that had just ended: the time between them belongs to that place. */
function noteTurns(runs: ReadonlyMap<TaskKey, readonly Noted[]>): void {
  const all = [...runs.values()].flat();
  const ended = all
    .filter(({ endedAt }) => endedAt !== null)
    .sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
  const waited = all
    .filter(({ run, readyAt }) => readyAt < run.openedAt)
    .sort((a, b) => a.run.openedAt - b.run.openedAt);
  let next = 0;
  for (const one of ended) {
    const at = one.endedAt ?? 0;
    while ((waited[next]?.run.openedAt ?? Number.POSITIVE_INFINITY) < at) next++;
    const turn = (waited[next]?.run.openedAt ?? Number.POSITIVE_INFINITY) - at;
    if (turn > LONGEST_TURN_MS) continue;
    one.turnMs = turn;
    next++;
  }
}

/** A graph before any of the recorded runs: their tasks wait for their arrival. */
function asItBegan(view: GraphView, runs: ReadonlyMap<TaskKey, readonly RecordedRun[]>): GraphView {
  const tasks = new Map<TaskId, Task>();
  const named = new Set<TaskId>();
  const mine = [...runs.values()].flatMap(([first]) => (first?.run.graph === view.graph ? [first.run] : []));
  for (const { task, executor, type } of mine) {
    const known = view.snapshot.tasks.get(task) ?? { ...bareTask(task), priority: 10, executor };
    const { assigned: _, readyAfter: __, notBefore: ___, ...rest } = known;
    tasks.set(task, waiting(rest, executor, type));
    for (const other of known.after) named.add(other);
  }
  // What they waited for and was not run in this time is there, done.
  for (const id of named) {
    const known = view.snapshot.tasks.get(id);
    if (known && !tasks.has(id)) tasks.set(id, { ...known, status: 'done' });
  }
  return { ...view, hold: null, tracked: false, snapshot: { ...view.snapshot, problem: null, tasks } };
}

/** A task that has not come yet. Its schedule is spent: the record says when it was due. */
function waiting(task: Task, executor: string, type: string): Task {
  const { schedule, cronSchedule, ...rest } = task;
  const isTimed = schedule !== undefined || cronSchedule !== undefined || type === 'schedule';
  const tags = rest.tags.filter((tag) => !/^(?:schedule|timezone):/.test(tag));
  return {
    ...rest,
    ...{ tags, status: 'open', paused: true, recentDeaths: [], spawnFailures: 0 },
    ...(isTimed ? { executor } : {}),
  };
}

/** The first run of each task arrives at its time; one that a dependency released is there from the beginning. */
function* arrivals(
  runs: ReadonlyMap<TaskKey, readonly RecordedRun[]>,
  graphs: ReadonlyMap<GraphPath, GraphView>,
): Generator<CourseEvent> {
  for (const [, [first]] of runs) {
    if (!first) continue;
    const { graph, task } = first.run;
    const after = graphs.get(graph)?.snapshot.tasks.get(task)?.after ?? [];
    const ends = after.flatMap((id) => runs.get(taskKey(graph, id))?.at(-1)?.endedAt ?? []);
    const released = Math.max(...ends, 0);
    const isReleased = Math.abs(first.readyAt - released) <= RELEASED_WITHIN_MS;
    // Released at once if its dependency ended at once: the rules of readiness say when.
    const at = isReleased ? Math.min(released, first.readyAt) - RELEASED_WITHIN_MS : first.readyAt;
    yield { at, change: { kind: 'edit', graph, task, to: { paused: false } } };
  }
}

/** The times in which an account or a profile was paused, as its tasks were told. */
function* pauses(
  runs: ReadonlyMap<TaskKey, readonly RecordedRun[]>,
  spans: ReadonlyMap<TaskKey, readonly StoodVerdict[]>,
  { graphs }: World,
): Generator<CourseEvent> {
  const seen = new Set<string>();
  for (const [key, ofTask] of runs)
    for (const { state, code, because, from, to } of spans.get(key) ?? []) {
      const run = ofTask.find(({ run }) => run.openedAt >= from)?.run;
      if (state !== 'held' || !PAUSE_CODES.has(code) || to === null || !run) continue;
      const view = graphs.find(({ graph }) => graph === run.graph);
      const profile = view && profileNamed(run.executor, view.profiles);
      const account = code === 'quota' ? accountOf(profile ?? null) : null;
      const pause: Pause = account
        ? { scope: 'account', name: account, code, because, until: to }
        : { scope: 'profile', name: run.executor, code, because, until: to };
      const is = `${pause.scope} ${pause.name} ${to}`;
      if (!seen.has(is)) yield { at: from, change: { kind: 'pause', pause } };
      seen.add(is);
    }
}

const NOT_RUNNING = { code: 'not-running', because: 'no supervisor was running' };

/** The times in which nothing was dispatched because no supervisor ran. */
function* gaps({ watched, from, to }: Recorded): Generator<CourseEvent> {
  if (watched.length === 0) return;
  let last = from;
  for (const span of [...watched].sort((a, b) => a.from - b.from)) {
    if (span.from - last > GAP_MS) {
      yield { at: last, change: { kind: 'block', blocked: NOT_RUNNING } };
      yield { at: span.from, change: { kind: 'block', blocked: null } };
    }
    last = Math.max(last, span.to);
  }
  if (to - last > GAP_MS) yield { at: last, change: { kind: 'block', blocked: NOT_RUNNING } };
}

/** Each task's runs end as they did, one after the other, and are due again as they were. */
function scriptOf(runs: ReadonlyMap<TaskKey, readonly RecordedRun[]>): Script {
  const ofTask = (graph: GraphPath, task: TaskId) => runs.get(taskKey(graph, task)) ?? [];
  return {
    random: () => 0,
    places: workerPlaces([...runs.values()].flatMap((ofTask) => ofTask.map(({ run }) => run))),
    endOf({ graph, task }, n) {
      const recorded = ofTask(graph, task);
      const one = recorded[Math.min(n, recorded.length - 1)];
      const took = one && one.endedAt !== null ? one.endedAt + one.turnMs - one.run.openedAt : null;
      const outcome = outcomeOf(one?.run);
      const next = recorded[n + 1];
      if (!next || one?.endedAt == null || outcome.kind === 'succeeded')
        return { afterMs: took, outcome: last(outcome, next !== undefined) };
      return { afterMs: took, outcome, againAfterMs: Math.max(0, next.readyAt - one.endedAt - one.turnMs) };
    },
    // A task that was done and ran again did so at its time: a schedule, a cycle or a person opened it.
    after({ graph, task, n, outcome, endedAt }) {
      const next = ofTask(graph, task)[n + 1];
      if (!next || outcome.kind !== 'succeeded') return [];
      const to = { status: 'open', drop: ['assigned'] } as const;
      return [{ at: Math.max(endedAt, next.readyAt), change: { kind: 'edit', graph, task, to } }];
    },
  };
}

/** What a run came to, with what it used. */
function outcomeOf(run: Run | undefined): Outcome {
  const outcome: Outcome = run?.outcome ?? { kind: 'succeeded' };
  return run?.usage === undefined || outcome.kind === 'deferred' ? outcome : { ...outcome, usage: run.usage };
}

/** A run that was the last of its task ended it, whatever the policy would say. */
function last(outcome: Outcome, isFollowed: boolean): Outcome {
  if (isFollowed || outcome.kind !== 'failed') return outcome;
  return { ...outcome, retryable: false };
}

/** How a course compares with what was recorded: the share of starts within a second of their own. */
export function reproduction(
  replay: Replay,
  course: Course,
  withinMs = 1000,
): { readonly runs: number; readonly same: number } {
  const starts = new Map(
    course.runs.map((run) => [`${taskKey(run.graph, run.task)} ${run.n}`, run.startedAt]),
  );
  const ended = replay.runs.filter(({ endedAt }) => endedAt !== null);
  const same = ended.filter(({ key, n, run }) => {
    const at = starts.get(`${key} ${n}`);
    return at !== undefined && Math.abs(at - run.openedAt) <= withinMs;
  });
  return { runs: ended.length, same: same.length };
}
