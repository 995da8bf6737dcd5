// Judges every task of one graph: its verdict by everything except room and runs, and the plans of those that could
// start. What it found stays valid until something it looked at changes, which it says itself.

import { type GraphPath, type TaskId, type TaskKey, type TaskRef, taskKey } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { Task } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import { lazyBackEdges } from './cycles.ts';
import { isPeerReference } from './dependencies.ts';
import type { Copies } from './identity.ts';
import { parseInstant } from './instant.ts';
import { dependentPriorities, effectivePriority, nextAgingAt } from './priority.ts';
import { assessReadiness } from './readiness.ts';
import type { ReadinessView } from './readiness-view.ts';
import { type Route, routeTask } from './route.ts';
import type { ScheduleCache } from './schedule.ts';
import { judgeSchedule } from './task-schedule.ts';
import { isDueForOneSecond } from './wg-cron.ts';
import type { GraphView, ScheduleMemory, World } from './world.ts';

/** The part of the world that judging a graph looks at besides the graph itself. */
export type Surroundings = Pick<World, 'now' | 'config' | 'schedules' | 'peers'>;

/** One graph, judged. */
export interface JudgedGraph {
  readonly verdicts: ReadonlyMap<TaskId, Verdict>;
  /** What could start, first one first. */
  readonly plans: readonly Plan[];
  /** Schedules that were seen for the first time. */
  readonly notes: readonly (TaskRef & { readonly memory: ScheduleMemory })[];
  /** The earliest instant that a verdict names, ms. */
  readonly nextAt: number | null;
  /** Whether judging again now would give the same. */
  isValid(view: GraphView, world: Surroundings, copies: Copies): boolean;
}

/** Open in wg's sense: it could be started, now or one day. */
export function isStartable(task: Pick<Task, 'status'>): boolean {
  return task.status === 'open' || task.status === 'incomplete';
}

/** The readiness view of one graph among the others. */
export function viewForReadiness(
  view: GraphView,
  world: Pick<World, 'now' | 'peers'>,
  copies: Copies,
): ReadinessView {
  return {
    tasks: view.snapshot.tasks,
    now: world.now,
    peers: world.peers,
    isBackEdge: lazyBackEdges(view.snapshot.tasks),
    statusElsewhere: (id) => copies.statusElsewhere(view.graph, id),
  };
}

/** What keeps every task of a graph from being started, or null. */
export function graphHold(view: GraphView): { readonly code: string; readonly because: string } | null {
  const { problem } = view.snapshot;
  return problem ? { code: problem.code, because: problem.message } : view.hold;
}

/** Judges one graph from scratch. */
export function judgeGraph(
  view: GraphView,
  world: Surroundings,
  copies: Copies,
  cache: ScheduleCache,
): JudgedGraph {
  return new Judging(view, world, copies, cache).judge();
}

interface Candidate {
  readonly plan: Plan;
  readonly task: Task;
}

class Judging {
  readonly #view: GraphView;
  readonly #world: Surroundings;
  readonly #copies: Copies;
  readonly #cache: ScheduleCache;
  readonly #readiness: ReadinessView;
  readonly #hold: { readonly code: string; readonly because: string } | null;
  readonly #candidates: Candidate[] = [];
  readonly #notes: (TaskRef & { readonly memory: ScheduleMemory })[] = [];
  readonly #remembered: (readonly [TaskKey, ScheduleMemory | undefined])[] = [];
  #dependents: ReadonlyMap<TaskId, number> | null = null;
  #validUntil = Number.POSITIVE_INFINITY;
  #nextAt: number | null = null;

  constructor(view: GraphView, world: Surroundings, copies: Copies, cache: ScheduleCache) {
    this.#view = view;
    this.#world = world;
    this.#copies = copies;
    this.#cache = cache;
    this.#readiness = viewForReadiness(view, world, copies);
    this.#hold = graphHold(view);
  }

  judge(): JudgedGraph {
    const { tasks } = this.#view.snapshot;
    const verdicts = new Map<TaskId, Verdict>();
    for (const task of tasks.values()) verdicts.set(task.id, this.#verdict(task));
    this.#candidates.sort(inOrder);
    const asked = this.#inputs();
    return {
      verdicts,
      plans: this.#candidates.map((candidate) => candidate.plan),
      notes: this.#notes,
      nextAt: this.#nextAt,
      isValid: asked,
    };
  }

  #verdict(task: Task): Verdict {
    if (!isStartable(task)) {
      const readiness = assessReadiness(task, this.#readiness);
      if (!readiness.ready) return this.#not(task, null, readiness);
    }
    const hold = this.#hold;
    if (hold) return this.#not(task, null, { state: 'held', ...hold, nextAt: null });
    const copy = this.#copies.holdOf(this.#view, task);
    if (copy) {
      const state = copy.code === 'copy' ? 'copy' : 'held';
      return this.#not(task, null, { state, ...copy, nextAt: null });
    }
    const route = routeTask(task, this.#view.profiles, this.#world.config.retry);
    const executor = route.routed ? route.profile.name : null;
    const readiness = assessReadiness(task, this.#readiness);
    if (isDueForOneSecond(task)) this.#expire(Math.floor(this.#world.now / 1000) * 1000 + 1000);
    if (!readiness.ready) {
      // What a person must put right is said at once, not only when the waiting is over.
      const wrong =
        readiness.state === 'waiting' || readiness.state === 'scheduled' ? wrongRoute(route) : null;
      if (wrong === null) return this.#not(task, executor, readiness);
      // When the gate opens, the next thing against it may be said instead.
      this.#lookAgain(readiness.nextAt);
      return this.#not(task, executor, wrong);
    }
    if (!route.routed) return this.#not(task, null, { state: 'held', ...route, nextAt: null });
    return this.#scheduled(task, route);
  }

  #scheduled(task: Task, route: Route & { readonly routed: true }): Verdict {
    const { now, config, schedules } = this.#world;
    const key = taskKey(this.#view.graph, task.id);
    const memory = schedules.get(key);
    const judged = judgeSchedule(task, route.scheduleProfile, memory, config.timezone, now, this.#cache);
    if (judged.text !== null) this.#remembered.push([key, memory]);
    if (judged.note) {
      this.#notes.push({ graph: this.#view.graph, task: task.id, memory: judged.note });
      this.#expire(now);
    }
    if (judged.hold) return this.#not(task, route.profile.name, judged.hold);
    const { graph, worktree, repo } = this.#view;
    this.#dependents ??= dependentPriorities(this.#view.snapshot.tasks);
    const plan: Plan = {
      graph,
      task: task.id,
      worktree,
      repo,
      profile: route.profile,
      because: route.because,
      priority: effectivePriority(task, now, this.#dependents),
      occurrence: judged.occurrence,
    };
    this.#expire(nextAgingAt(task, now));
    this.#candidates.push({ plan, task });
    return {
      graph,
      task: task.id,
      state: 'ready',
      code: 'dispatched',
      because: route.because,
      nextAt: null,
      executor: route.profile.name,
    };
  }

  #not(
    task: Task,
    executor: string | null,
    reason: Pick<Verdict, 'state' | 'code' | 'because' | 'nextAt'>,
  ): Verdict {
    const { state, code, because, nextAt } = reason;
    this.#lookAgain(nextAt);
    return { graph: this.#view.graph, task: task.id, state, code, because, nextAt, executor };
  }

  #lookAgain(at: number | null): void {
    if (at === null) return;
    this.#nextAt = this.#nextAt === null ? at : Math.min(this.#nextAt, at);
    this.#expire(at);
  }

  #expire(at: number | null): void {
    if (at !== null && at < this.#validUntil) this.#validUntil = at;
  }

  /** Everything that the judgement was made from, so that the next look can tell whether it still stands. */
  #inputs(): JudgedGraph['isValid'] {
    const { graph, worktree, repo, snapshot, profiles } = this.#view;
    const { now: judgedAt, config } = this.#world;
    const hold = this.#hold;
    const version = this.#copies.version(graph);
    const validUntil = this.#validUntil;
    const peers = peerStatuses(this.#view, this.#world);
    const remembered = this.#remembered;
    return (view, world, copies) =>
      view.snapshot === snapshot &&
      view.profiles === profiles &&
      view.worktree === worktree &&
      view.repo === repo &&
      sameHold(graphHold(view), hold) &&
      world.config.timezone === config.timezone &&
      world.config.retry === config.retry &&
      copies.version(graph) === version &&
      (world.now === judgedAt || (world.now > judgedAt && world.now < validUntil)) &&
      peers.every(([id, status]) => world.peers.get(id) === status) &&
      remembered.every(([key, memory]) => sameMemory(world.schedules.get(key), memory));
  }
}

function wrongRoute(route: Route): Pick<Verdict, 'state' | 'code' | 'because' | 'nextAt'> | null {
  return route.routed ? null : { state: 'held', code: route.code, because: route.because, nextAt: null };
}

/** wg's order: priority, then what was started least often; then the oldest, then by id, so that order is stable. */
function inOrder(a: Candidate, b: Candidate): number {
  return (
    b.plan.priority - a.plan.priority ||
    a.task.dispatchCount - b.task.dispatchCount ||
    madeAt(a.task) - madeAt(b.task) ||
    (a.task.id < b.task.id ? -1 : 1)
  );
}

function madeAt(task: Task): number {
  return (task.createdAt === undefined ? null : parseInstant(task.createdAt)) ?? 0;
}

function peerStatuses(view: GraphView, world: Surroundings): (readonly [string, string | undefined])[] {
  const asked = new Set<string>();
  for (const task of view.snapshot.tasks.values())
    if (isStartable(task)) for (const id of task.after) if (isPeerReference(id)) asked.add(id);
  return [...asked].map((id) => [id, world.peers.get(id)] as const);
}

function sameHold(
  a: { readonly code: string; readonly because: string } | null,
  b: { readonly code: string; readonly because: string } | null,
): boolean {
  return a?.code === b?.code && a?.because === b?.because;
}

function sameMemory(a: ScheduleMemory | undefined, b: ScheduleMemory | undefined): boolean {
  return (
    a?.expression === b?.expression &&
    a?.baselineAt === b?.baselineAt &&
    a?.lastNominalAt === b?.lastNominalAt
  );
}

/** Graphs whose judgement is kept. */
export type JudgedGraphs = Map<GraphPath, JudgedGraph>;
