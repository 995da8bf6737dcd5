// Judges every task of one graph: its verdict by everything except capacity and runs, and the plans of those that
// could start. The result also says what it depends on, and is valid until that changes.

import type { GraphPath, TaskId } from '../domain/ids.ts';
import { modelOfTask, projectModel } from '../domain/model-route.ts';
import type { Plan } from '../domain/plan.ts';
import { isAgentProfile, type Profile, type ProfileSet } from '../domain/profile.ts';
import { isTerminal, type Task } from '../domain/task.ts';
import type { Verdict } from '../domain/verdict.ts';
import { type PlanQueue, queuesOf } from './admit.ts';
import { tierRoute } from './asked-route.ts';
import { graphHold, isStartable, isStillValid, type ProcessIo, type Standing } from './cache-validity.ts';
import { lazyBackEdges } from './cycles.ts';
import { isPeerReference } from './dependencies.ts';
import { GraphVerdicts, type Reason, verdictOf } from './graph-verdicts.ts';
import type { Copies } from './identity.ts';
import { GraphSchedules } from './judge-schedules.ts';
import type { Situation } from './occurrences.ts';
import {
  byRank,
  dependentPriorities,
  effectivePriority,
  madeAt,
  nextAgingAt,
  type Ranked,
} from './priority.ts';
import { assessReadiness, overBecause } from './readiness.ts';
import type { NotReady, ReadinessView } from './readiness-view.ts';
import { runKey, untilReopened, whileFailed } from './recur.ts';
import { type Judged, type Rejudge, toJudgeAgain } from './rejudge.ts';
import { type Route, type Routed, routeTask } from './route.ts';
import type { ScheduleCache } from './schedule.ts';
import type { ScheduleJudgement } from './task-schedule.ts';
import { isDueForOneSecond } from './wg-cron.ts';
import type { GraphView, World } from './world.ts';

/** One graph, judged. */
export interface JudgedGraph extends Judged, Standing {
  /** What could start. */
  readonly queues: readonly PlanQueue[];
  readonly ready: ReadonlyMap<TaskId, Ready>;
  readonly schedules: Pick<GraphSchedules, 'notes' | 'states' | 'reopenings' | 'replaced'>;
  /** The earliest instant named by a verdict, ms. */
  readonly nextAt: number | null;
}

/** A task that could start. */
export interface Ready {
  readonly plan: Plan;
  /** When its age raises its priority next, ms. */
  readonly agingAt: number | null;
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
    peers: view.peers ?? world.peers,
    wgOnPath: view.wgOnPath ?? false,
    ...(view.wgCan === undefined ? {} : { wgCan: view.wgCan }),
    isBackEdge: lazyBackEdges(view.snapshot.tasks),
    statusElsewhere: (id) => copies.statusElsewhere(view.graph, id),
  };
}

/** Judges one graph. Tasks whose earlier judgement is still valid are not judged again. */
export function judgeGraph(
  view: GraphView,
  world: ProcessIo,
  copies: Copies,
  cache: ScheduleCache,
  earlier?: JudgedGraph,
): JudgedGraph {
  const before = earlier?.holdsForTasks(view, world, copies) ? earlier : null;
  return new Judging(view, world, copies, cache, before).judge();
}

type Candidate = Ready & Ranked;

class Judging {
  readonly #view: GraphView;
  readonly #world: ProcessIo;
  readonly #copies: Copies;
  readonly #readiness: ReadinessView;
  readonly #hold: { readonly code: string; readonly because: string } | null;
  /** The part of an earlier judgement that may be kept; null: judge everything. */
  readonly #before: Judged | null;
  readonly #again: Rejudge | null;
  readonly #peers = new Map<string, string | undefined>();
  readonly #passing = new Set<TaskId>();
  /** The current task must be judged again next time even if it does not change. */
  #isPassing = false;
  readonly #candidates: Candidate[] = [];
  readonly #schedules: GraphSchedules;
  #dependents: ReadonlyMap<TaskId, number> | null = null;
  #plainRoute: Route | null = null;
  #validUntil = Number.POSITIVE_INFINITY;
  #nextAt: number | null = null;

  constructor(
    view: GraphView,
    world: ProcessIo,
    copies: Copies,
    cache: ScheduleCache,
    before: Judged | null,
  ) {
    this.#view = view;
    this.#world = world;
    this.#copies = copies;
    this.#schedules = new GraphSchedules(view, world, cache);
    this.#before = before;
    this.#again = before && toJudgeAgain(before, view.snapshot.tasks);
    const readiness = viewForReadiness(view, world, copies);
    this.#readiness =
      before && this.#again?.sameBackEdges ? { ...readiness, isBackEdge: before.isBackEdge } : readiness;
    this.#hold = graphHold(view);
  }

  judge(): JudgedGraph {
    const { graph, snapshot } = this.#view;
    const { tasks } = snapshot;
    const fresh = new Map<TaskId, Verdict>();
    for (const task of this.#again?.tasks ?? this.#all()) fresh.set(task.id, this.#judged(task));
    const ofOver = (task: Task) => verdictOf(graph, task, null, overBecause(task));
    const verdicts = this.#before?.verdicts.with(tasks, fresh) ?? GraphVerdicts.of(tasks, fresh, ofOver);
    this.#schedules.sort();
    this.#candidates.sort(byRank);
    return {
      tasks,
      verdicts,
      passing: this.#passing,
      isBackEdge: this.#readiness.isBackEdge,
      queues: queuesOf(this.#candidates.map((candidate) => candidate.plan)),
      ready: new Map(this.#candidates.map((candidate) => [candidate.task.id, candidate])),
      schedules: this.#schedules,
      nextAt: this.#nextAt,
      ...isStillValid({
        view: this.#view,
        world: this.#world,
        copies: this.#copies,
        validUntil: this.#validUntil,
        remembered: this.#schedules.remembered,
        peers: this.#peers,
      }),
    };
  }

  /** Every task except those that are simply finished. */
  *#all(): Iterable<Task> {
    for (const task of this.#view.snapshot.tasks.values())
      if (!isTerminal(task.status) || this.#schedules.mayRecur(task)) yield task;
  }

  #judged(task: Task): Verdict {
    this.#isPassing = false;
    for (const id of task.after) if (isPeerReference(id)) this.#askedPeer(id);
    const verdict = this.#verdict(task);
    if (this.#isPassing || verdict.state === 'ready') this.#passing.add(task.id);
    return verdict;
  }

  #askedPeer(id: TaskId): void {
    this.#peers.set(id, this.#readiness.peers.get(id));
    this.#isPassing = true;
  }

  #verdict(task: Task): Verdict {
    if (!isStartable(task)) {
      const readiness = assessReadiness(task, this.#readiness);
      if (!readiness.ready) return this.#resting(task, readiness);
    }
    const hold = this.#hold;
    if (hold) return this.#not(task, null, { state: 'held', ...hold, nextAt: null });
    const copy = this.#copies.holdOf(this.#view, task);
    if (copy) {
      const state = copy.code === 'copy' ? 'copy' : 'held';
      return this.#not(task, null, { state, ...copy, nextAt: null });
    }
    const route = this.#route(task);
    const executor = route.routed ? route.profile.name : null;
    const readiness = assessReadiness(task, this.#readiness);
    if (isDueForOneSecond(task)) this.#expire(Math.floor(this.#world.now / 1000) * 1000 + 1000);
    const schedule = this.#schedule(task, route, task.paused ? 'paused' : 'open');
    if (!readiness.ready) {
      // What a person must fix is reported at once, not only after the wait.
      const wrong =
        readiness.state === 'waiting' || readiness.state === 'scheduled'
          ? (wrongRoute(route) ?? wrongSchedule(schedule))
          : null;
      if (wrong === null) return this.#not(task, executor, readiness);
      // When the gate opens, the next obstacle may become the reason.
      this.#lookAgain(readiness.nextAt);
      return this.#not(task, executor, wrong);
    }
    if (!route.routed) return this.#not(task, null, { state: 'held', ...route, nextAt: null });
    if (schedule?.hold) return this.#not(task, executor, schedule.hold);
    return this.#ready(task, route, schedule);
  }

  /** A task that cannot start as it is; a recurring one keeps its schedule all the same. */
  #resting(task: Task, reason: NotReady): Verdict {
    const { status } = task;
    const isAside = this.#hold !== null || status === 'abandoned' || !this.#schedules.mayRecur(task);
    if (isAside || this.#copies.holdOf(this.#view, task)) return this.#not(task, null, reason);
    this.#isPassing = true;
    const route = this.#route(task);
    if (status !== 'done' && status !== 'failed') {
      this.#schedule(task, route, 'busy');
      return this.#not(task, null, reason);
    }
    const next = this.#schedules.next(task, route);
    if (!next) return this.#not(task, null, reason);
    if (status === 'failed') return this.#not(task, null, whileFailed(task, reason));
    this.#schedules.reopenings.push({ graph: this.#view.graph, task: task.id, ...next });
    // Its next instant is counted from now, and it is about to be reopened: not worth caching.
    this.#expire(this.#world.now);
    return this.#not(task, null, untilReopened(reason, next.nextAt, this.#world.now));
  }

  /** Tasks that say nothing about executors are all routed alike. */
  #route(task: Task): Route {
    const { profiles } = this.#view;
    const { retry } = this.#world.config;
    const says = task.executor ?? task.exec ?? task.agent ?? task.model ?? task.provider ?? task.execMode;
    const more = task.wgProfile ?? task.tier ?? task.verify;
    if (says !== undefined || more !== undefined || task.tags.length > 0)
      return routeTask(task, profiles, retry);
    this.#plainRoute ??= routeTask(task, profiles, retry);
    return this.#plainRoute;
  }

  #schedule(task: Task, route: Route, situation: Situation): ScheduleJudgement | null {
    const judged = this.#schedules.judge(task, route, situation);
    if (judged) this.#isPassing = true;
    if (judged?.note) this.#expire(this.#world.now);
    this.#lookAgain(judged?.lookAt ?? null);
    return judged;
  }

  #ready(task: Task, route: Routed, schedule: ScheduleJudgement | null): Verdict {
    const occurrence = schedule?.occurrence ?? null;
    const because =
      occurrence === null ? route.because : `${route.because}, for ${runKey(task.id, occurrence)}`;
    const { now } = this.#world;
    const { graph, worktree, repo } = this.#view;
    const made = madeAt(task);
    this.#dependents ??= dependentPriorities(this.#view.snapshot.tasks);
    const plan: Plan = {
      graph,
      task: task.id,
      worktree,
      repo,
      profile: route.profile,
      because,
      priority: effectivePriority(task, made, now, this.#dependents),
      occurrence,
      ...modelOfPlan(task, route.profile, this.#view.profiles),
    };
    const agingAt = nextAgingAt(task.priority, made, now);
    // An idle task waits for other work, or for its age.
    if (plan.priority <= 0) this.#lookAgain(agingAt);
    else this.#expire(agingAt);
    this.#candidates.push({ plan, task, made, agingAt });
    const reason = { state: 'ready', code: 'dispatched', because, nextAt: null } as const;
    return verdictOf(graph, task, route.profile.name, reason);
  }

  #not(task: Task, executor: string | null, reason: Reason): Verdict {
    this.#lookAgain(reason.nextAt);
    return verdictOf(this.#view.graph, task, executor, reason);
  }

  #lookAgain(at: number | null): void {
    if (at === null) return;
    this.#nextAt = this.#nextAt === null ? at : Math.min(this.#nextAt, at);
    this.#expire(at);
  }

  #expire(at: number | null): void {
    if (at === null) return;
    this.#isPassing = true;
    if (at < this.#validUntil) this.#validUntil = at;
  }
}

/** The model that a plan would work with, where it names one. */
export function modelOfPlan(task: Task, profile: Profile, profiles: ProfileSet): Pick<Plan, 'model'> {
  if (!isAgentProfile(profile)) return {};
  const model =
    modelOfTask(task.model) ??
    profile.model ??
    projectModel(tierRoute(task, profiles) ?? profiles.project, profile);
  return model === null ? {} : { model };
}

function wrongRoute(route: Route): Reason | null {
  return route.routed ? null : { state: 'held', code: route.code, because: route.because, nextAt: null };
}

function wrongSchedule(judged: ScheduleJudgement | null): ScheduleJudgement['hold'] {
  return judged?.hold?.state === 'held' ? judged.hold : null;
}

/** Graphs whose judgement is kept. */
export type JudgedGraphs = Map<GraphPath, JudgedGraph>;
