// Judges every task of one graph: its verdict by everything except capacity and runs, and the plans of those that
// could start. The result also says what it depends on, and is valid until that changes.

import type { GraphPath, TaskId } from '../../domain/ids.ts';
import { modelOfTask, projectModel } from '../../domain/model-route.ts';
import type { Plan } from '../../domain/plan.ts';
import { isAgentProfile, type Profile, type ProfileSet } from '../../domain/profile.ts';
import { atOnce, type Steps, sortedSteps } from '../../domain/steps.ts';
import { isTerminal, type Task } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { type PlanQueue, queuesOf } from '../capacity/admit.ts';
import {
  byRank,
  dependentPriorities,
  effectivePriority,
  madeAt,
  nextAgingAt,
  type Ranked,
} from '../capacity/priority.ts';
import { backEdgeSteps, isBackEdgeOf, lazyBackEdges } from '../readiness/cycles.ts';
import { isPeerReference } from '../readiness/dependencies.ts';
import { assessReadiness, overBecause } from '../readiness/readiness.ts';
import type { NotReady, ReadinessView } from '../readiness/readiness-view.ts';
import type { Copies } from '../reconcile/identity.ts';
import { tierRoute } from '../routes/asked-route.ts';
import { type Route, type Routed, routeTask } from '../routes/route.ts';
import { GraphSchedules } from '../schedules/judge-schedules.ts';
import type { Situation } from '../schedules/occurrences.ts';
import type { ScheduleCache } from '../schedules/schedule.ts';
import type { ScheduleJudgement } from '../schedules/task-schedule.ts';
import { isDueForOneSecond } from '../schedules/wg-cron.ts';
import { runKey, untilReopened, whileFailed } from '../transitions/recur.ts';
import type { GraphView, World } from '../world.ts';
import {
  graphHold,
  isStartable,
  isStillValid,
  type ProcessIo,
  type Standing,
  type Versions,
  versionsAt,
} from './cache-validity.ts';
import { GraphVerdicts, type Reason, verdictOf } from './graph-verdicts.ts';
import { type Judged, type Rejudge, toJudgeAgain } from './rejudge.ts';

/** One graph, judged. */
export interface JudgedGraph extends Judged, Standing {
  /** What could start. */
  readonly queues: readonly PlanQueue[];
  readonly ready: ReadonlyMap<TaskId, Ready>;
  readonly schedules: Pick<GraphSchedules, 'notes' | 'states' | 'reopenings' | 'replaced'>;
  /** The earliest instant named by a verdict, ms. */
  readonly nextAt: number | null;
}

/** What a decision needs of it. */
export type Judgement = Pick<JudgedGraph, 'verdicts' | 'queues' | 'ready' | 'schedules' | 'nextAt'>;

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
    statusElsewhere: (id) => copies.statusElsewhere(view, id),
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
  return atOnce(judgeSteps(view, world, copies, cache, earlier));
}

/** The same, in steps. The result does not cover what changes meanwhile. */
export function* judgeSteps(
  view: GraphView,
  world: ProcessIo,
  copies: Copies,
  cache: ScheduleCache,
  earlier?: JudgedGraph,
): Steps<JudgedGraph> {
  const before = earlier?.holdsForTasks(view, world, copies) ? earlier : null;
  const again = before && (yield* toJudgeAgain(before, view.snapshot.tasks));
  const kept = before && again && { before, again };
  return yield* new Judging(view, world, copies, cache, kept).judge();
}

/** In a graph of this many tasks back-edges are found beforehand, since that takes long; else when first asked for. */
const MANY_EDGES = 5000;
/** Tasks judged, and tasks passed over, between two pauses. */
const JUDGED_A_STEP = 32;
const PASSED_A_STEP = 2048;

type Candidate = Ready & Ranked;

interface Kept {
  readonly before: Judged;
  readonly again: Rejudge;
}

class Judging {
  readonly #view: GraphView;
  readonly #world: ProcessIo;
  readonly #copies: Copies;
  #readiness: ReadinessView;
  readonly #hold: { readonly code: string; readonly because: string } | null;
  /** The earlier judgement that may be kept but for some tasks; null: judge everything. */
  readonly #kept: Kept | null;
  readonly #versions: Versions;
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

  constructor(view: GraphView, world: ProcessIo, copies: Copies, cache: ScheduleCache, kept: Kept | null) {
    this.#view = view;
    this.#world = world;
    this.#copies = copies;
    this.#schedules = new GraphSchedules(view, world, cache);
    this.#kept = kept;
    this.#versions = versionsAt(view.graph, copies, world);
    const readiness = viewForReadiness(view, world, copies);
    this.#readiness = kept?.again.sameBackEdges
      ? { ...readiness, isBackEdge: kept.before.isBackEdge }
      : readiness;
    this.#hold = graphHold(view);
  }

  *judge(): Steps<JudgedGraph> {
    const { graph, snapshot } = this.#view;
    const { tasks } = snapshot;
    if (!this.#kept?.again.sameBackEdges && tasks.size >= MANY_EDGES)
      this.#readiness = {
        ...this.#readiness,
        isBackEdge: isBackEdgeOf(yield* backEdgeSteps(tasks.values())),
      };
    const fresh = new Map<TaskId, Verdict>();
    let passed = 0;
    for (const task of this.#kept?.again.tasks ?? tasks.values()) {
      if (++passed % PASSED_A_STEP === 0) yield;
      if (!this.#kept && this.#isSimplyFinished(task)) continue;
      fresh.set(task.id, this.#judged(task));
      if (fresh.size % JUDGED_A_STEP === 0) yield;
    }
    const ofOver = (task: Task) => verdictOf(graph, task, null, overBecause(task));
    const verdicts = this.#kept?.before.verdicts.with(tasks, fresh) ?? GraphVerdicts.of(tasks, fresh, ofOver);
    this.#schedules.sort();
    yield;
    const ranked = yield* sortedSteps(this.#candidates, byRank);
    const queues = queuesOf(ranked.map((candidate) => candidate.plan));
    yield;
    return {
      tasks,
      verdicts,
      passing: this.#passing,
      isBackEdge: this.#readiness.isBackEdge,
      queues,
      ready: new Map(ranked.map((candidate) => [candidate.task.id, candidate])),
      schedules: this.#schedules,
      nextAt: this.#nextAt,
      ...isStillValid({
        view: this.#view,
        world: this.#world,
        versions: this.#versions,
        validUntil: this.#validUntil,
        remembered: this.#schedules.remembered,
        peers: this.#peers,
      }),
    };
  }

  #isSimplyFinished(task: Task): boolean {
    return isTerminal(task.status) && !this.#schedules.mayRecur(task);
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
