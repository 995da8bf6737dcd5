// Lets time pass on paper: the program's own `decide` over graphs in memory, with runs whose ends a script says. Pure;
// the same script gives the same course. What-if and forecast are both courses.

import { createMemo, decide } from '../decide/decide.ts';
import { graphTime } from '../decide/instant.ts';
import { verdictOf } from '../decide/judge/verdicts.ts';
import { retryDecision } from '../decide/retry.ts';
import { profileNamed } from '../decide/routes/route.ts';
import type { Decision, GraphView, Pause, ScheduleMemory, World } from '../decide/world.ts';
import { type GraphPath, type TaskId, type TaskKey, taskKey } from '../domain/ids.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Plan } from '../domain/plan.ts';
import { goesElsewhere, isAgentProfile, type Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import { satisfiesDependents } from '../domain/task.ts';
import { Board, type TaskChange } from './board.ts';
import { PaperSpending } from './paper-spending.ts';

/** The end of a run on paper. */
export interface ScriptedEnd {
  /** How long after its start, ms; null: it does not end within the course. */
  readonly afterMs: number | null;
  readonly outcome: Outcome;
  /** When the task is due again, ms after the end, instead of what the retry policy says. */
  readonly againAfterMs?: number;
}

/** Something that happens at an instant whatever else happens. */
export interface CourseEvent {
  /** ms. */
  readonly at: number;
  readonly change:
    | {
        readonly kind: 'edit';
        readonly graph: GraphPath;
        readonly task: TaskId;
        readonly to: TaskChange;
      }
    | { readonly kind: 'pause'; readonly pause: Pause }
    | { readonly kind: 'block'; readonly blocked: World['dispatchBlocked'] };
}

export interface Script {
  /** What happens to a run that starts; `n` counts the task's runs from 0. */
  endOf(plan: Plan, n: number, now: number): ScriptedEnd;
  /** Open runs of the world that the course continues. */
  restOf?(run: Run, now: number): ScriptedEnd;
  /** What follows from an end beyond the rules; times in ms. */
  after?(ended: CourseRun): readonly CourseEvent[];
  /** By executor, how many runs its workers elsewhere carry out at once; without an entry: as many as may start. */
  readonly places?: ReadonlyMap<string, number>;
  /** In [0, 1), for the jitter of backoffs. */
  random(): number;
  /** Tasks that recur run once only. */
  readonly once?: boolean;
}

/** A run of the course. Instants in ms. */
export interface CourseRun {
  readonly graph: GraphPath;
  readonly task: TaskId;
  readonly repo: string;
  readonly executor: string;
  /** Which of the task's runs, from 0. */
  readonly n: number;
  /** Since when it could have started but for limits. */
  readonly readyAt: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: Outcome;
  /** What its task became by it; null: it is due again. */
  readonly settled: 'done' | 'failed' | null;
  /** What kept it between `readyAt` and `startedAt`; null: nothing did. */
  readonly kept: { readonly code: string; readonly because: string } | null;
}

/** How a task came out. */
export interface TaskEnd {
  readonly graph: GraphPath;
  readonly task: TaskId;
  /** ms. */
  readonly at: number;
  readonly status: 'done' | 'failed';
}

export interface Course {
  readonly runs: readonly CourseRun[];
  readonly ends: readonly TaskEnd[];
  /** Runs that had not ended. */
  readonly open: number;
  /** Times in which an account or a profile was paused, ms. */
  readonly pauses: readonly (Pause & { readonly from: number })[];
}

interface OpenRun {
  readonly run: Run;
  readonly n: number;
  readonly readyAt: number;
  readonly kept: CourseRun['kept'];
  readonly endsAt: number;
  readonly end: ScriptedEnd;
}

/** A step that starts nothing new moves the time at least this much, so that no course stays where it is, ms. */
const LEAST_STEP_MS = 1;

/** The course of a world from its `now` until an instant (ms), or until nothing more can happen. */
export function courseOf(
  world: World,
  script: Script,
  events: readonly CourseEvent[],
  until: number,
): Course {
  return new Walk(world, script, events).until(until);
}

class Walk {
  readonly #script: Script;
  readonly #memo = createMemo();
  readonly #boards: ReadonlyMap<GraphPath, Board>;
  readonly #base: World;
  readonly #spending: PaperSpending | null;
  #views: readonly GraphView[];
  /** Graphs that were edited since their view was made. */
  readonly #edited = new Set<GraphPath>();
  #blocked: World['dispatchBlocked'];
  #now: number;
  #open: OpenRun[] = [];
  #pauses: Pause[];
  /** Ascending by time. */
  readonly #events: CourseEvent[];
  #next = 0;
  readonly #schedules: Map<TaskKey, ScheduleMemory>;
  readonly #runs: CourseRun[] = [];
  readonly #ends: TaskEnd[] = [];
  readonly #paused: (Pause & { readonly from: number })[] = [];
  /** How often each task ran, and how many of its runs failed in a way that counts. */
  readonly #counts = new Map<TaskKey, { runs: number; counted: number }>();
  /** Tasks that may have become startable since the last decision. */
  #candidates = new Map<TaskKey, { readonly graph: GraphPath; readonly task: TaskId }>();
  /** Startable tasks that wait for room. */
  readonly #waiting = new Map<
    TaskKey,
    { readonly since: number; readonly kept: NonNullable<CourseRun['kept']> }
  >();
  /** When a backoff ends: the task is a candidate then. */
  #due: { readonly at: number; readonly graph: GraphPath; readonly task: TaskId }[] = [];
  #made = 0;

  constructor(world: World, script: Script, events: readonly CourseEvent[]) {
    this.#base = world;
    this.#script = script;
    this.#now = world.now;
    this.#blocked = world.dispatchBlocked;
    this.#boards = new Map(world.graphs.map((view) => [view.graph, new Board(view.snapshot.tasks)]));
    this.#views = world.graphs.map((view) => this.#viewOf(view));
    this.#pauses = [...world.pauses];
    this.#schedules = new Map(world.schedules);
    this.#events = [...events].sort((a, b) => a.at - b.at);
    this.#spending = world.spending ? new PaperSpending(world.spending) : null;
    for (const run of world.runs) this.#continue(run);
    for (const { graph, snapshot } of world.graphs)
      for (const { id, status } of snapshot.tasks.values()) if (status === 'open') this.#mayStart(graph, id);
  }

  until(last: number): Course {
    for (;;) {
      const { wakeAt, isChanged } = this.#decide();
      if (isChanged) continue;
      const next = this.#nextInstant(wakeAt);
      if (next === null || next > last) break;
      this.#now = next;
      this.#happen();
    }
    const open = this.#open.length;
    return { runs: this.#runs, ends: this.#ends, open, pauses: this.#paused };
  }

  /** One decision, carried out. Changed: what was done may allow more at the same instant. */
  #decide(): { readonly wakeAt: number | null; readonly isChanged: boolean } {
    const decision = decide(this.#world(), this.#memo);
    const started = this.#withPlaces([
      ...decision.actions.flatMap((action) => (action.kind === 'dispatch' ? [action.plan] : [])),
      ...decision.offers,
    ]);
    this.#noteWaiting(decision, new Set(started.map(({ graph, task }) => taskKey(graph, task))));
    for (const plan of started) this.#start(plan);
    let isChanged = false;
    for (const action of decision.actions) {
      if (action.kind === 'note-schedule') {
        const key = taskKey(action.graph, action.task);
        isChanged ||= this.#schedules.get(key) !== action.memory;
        this.#schedules.set(key, action.memory);
      } else if (action.kind === 'reopen' && !this.#script.once) {
        this.#edit(action.graph, action.task, { status: 'open', drop: ['assigned'] });
        isChanged = true;
      } else if (action.kind === 'stop') {
        this.#stop(action.run, { kind: 'stopped', reason: action.reason });
        isChanged = true;
      }
    }
    return { wakeAt: decision.wakeAt, isChanged };
  }

  /** Those that workers elsewhere have a place for, or that need none there; the others wait for one. */
  #withPlaces(plans: readonly Plan[]): readonly Plan[] {
    const { places } = this.#script;
    if (!places || places.size === 0) return plans;
    const under = new Map<string, number>();
    for (const { run } of this.#open) under.set(run.executor, (under.get(run.executor) ?? 0) + 1);
    return plans.filter(({ graph, task, profile: { name } }) => {
      const taken = under.get(name) ?? 0;
      if (taken < (places.get(name) ?? Number.POSITIVE_INFINITY)) {
        under.set(name, taken + 1);
        return true;
      }
      const key = taskKey(graph, task);
      const because = `all ${places.get(name)} places of the workers with profile ${name} are taken`;
      if (!this.#waiting.has(key))
        this.#waiting.set(key, { since: this.#now, kept: { code: 'worker-places', because } });
      return false;
    });
  }

  /** What keeps the tasks that could start but did not. */
  #noteWaiting(decision: Decision, started: ReadonlySet<TaskKey>): void {
    for (const [key, { graph, task }] of this.#candidates) {
      if (started.has(key)) continue;
      const verdict = verdictOf(decision.verdicts, graph, task);
      // Other held tasks wait for a person, a time or a task, not for capacity: they become candidates when that has come.
      const isKept =
        verdict?.state === 'queued' || (verdict?.state === 'held' && this.#isForRoom(verdict.code));
      if (!verdict || !isKept) continue;
      const { code, because } = verdict;
      if (!this.#waiting.has(key)) this.#waiting.set(key, { since: this.#now, kept: { code, because } });
    }
    this.#candidates = new Map();
  }

  /** Whether a code holds everything of a profile, an account or the machine, as opposed to one task. */
  #isForRoom(code: string): boolean {
    return (
      code === 'budget' ||
      code === this.#blocked?.code ||
      this.#pauses.some((pause) => pause.scope !== 'task' && pause.code === code)
    );
  }

  #world(): World {
    const runs = this.#open.map(({ run }) => run);
    return {
      now: this.#now,
      config: this.#base.config,
      graphs: this.#viewsNow(),
      runs,
      attended: new Set(runs.map(({ id }) => id)),
      endingTasks: new Set(),
      schedules: this.#schedules,
      // One that has passed has no task try first: that takes seconds, and the course knows no seconds.
      pauses: this.#pauses.filter(({ until }) => until === null || until > this.#now),
      peers: this.#base.peers,
      dispatchBlocked: this.#blocked,
      ...(this.#spending ? { spending: this.#spending } : {}),
    };
  }

  #nextInstant(wakeAt: number | null): number | null {
    let next = Number.POSITIVE_INFINITY;
    for (const { endsAt } of this.#open) next = Math.min(next, endsAt);
    for (const { at } of this.#due) next = Math.min(next, at);
    next = Math.min(next, this.#events[this.#next]?.at ?? next);
    if (wakeAt !== null) next = Math.min(next, wakeAt);
    return Number.isFinite(next) ? Math.max(next, this.#now + LEAST_STEP_MS) : null;
  }

  /** Everything that is due by now. */
  #happen(): void {
    const ended = this.#open.filter(({ endsAt }) => endsAt <= this.#now);
    if (ended.length > 0) this.#open = this.#open.filter(({ endsAt }) => endsAt > this.#now);
    for (const one of ended) this.#end(one, one.end);
    for (
      let event = this.#events[this.#next];
      event && event.at <= this.#now;
      event = this.#events[++this.#next]
    )
      this.#apply(event);
    const due = this.#due.filter(({ at }) => at <= this.#now);
    if (due.length > 0) this.#due = this.#due.filter(({ at }) => at > this.#now);
    for (const { graph, task } of due) this.#mayStart(graph, task);
  }

  #apply({ change }: CourseEvent): void {
    if (change.kind === 'block') this.#blocked = change.blocked;
    else if (change.kind === 'pause') this.#pause(change.pause);
    else {
      const { graph, task, to } = change;
      this.#edit(graph, task, to);
      this.#mayStart(graph, task);
    }
  }

  #pause(pause: Pause): void {
    const { scope, name } = pause;
    this.#pauses = [...this.#pauses.filter((one) => one.scope !== scope || one.name !== name), pause];
    this.#paused.push({ ...pause, from: this.#now });
  }

  #start(plan: Plan): void {
    const { graph, task, profile } = plan;
    const key = taskKey(graph, task);
    const known = this.#boards.get(graph)?.get(task);
    const waited = this.#waiting.get(key);
    this.#waiting.delete(key);
    const counts = this.#counts.get(key) ?? { runs: 0, counted: 0 };
    const n = counts.runs;
    this.#counts.set(key, { ...counts, runs: n + 1 });
    const agent = `agent-${++this.#made}`;
    const end = this.#script.endOf(plan, n, this.#now);
    const run: Run = {
      id: `run_${this.#made}`,
      ...{ graph, task, taskCreatedAt: known?.createdAt ?? null, worktree: plan.worktree, repo: plan.repo },
      ...{ executor: profile.name, type: profile.type, because: plan.because, occurrence: plan.occurrence },
      ...{ attempt: counts.counted + 1, fence: n + 1, agent },
      phase: goesElsewhere(profile.type) ? 'handed-off' : 'started',
      ...{ process: null, folder: null, reference: null, deadlineAt: null },
      ...{ openedAt: this.#now, startedAt: this.#now, finishedAt: null, outcome: null },
      ...(plan.model ? { model: plan.model } : {}),
    };
    this.#edit(graph, task, { status: 'in-progress', assigned: agent, drop: ['readyAfter'] });
    this.#attend(run, n, end, waited?.since ?? this.#now, waited?.kept ?? null);
  }

  #continue(run: Run): void {
    const end = this.#script.restOf?.(run, this.#now);
    if (!end) return;
    const key = taskKey(run.graph, run.task);
    this.#counts.set(key, { runs: 1, counted: run.attempt - 1 });
    this.#attend(run, 0, end, run.startedAt ?? run.openedAt, null);
  }

  #attend(run: Run, n: number, end: ScriptedEnd, readyAt: number, kept: CourseRun['kept']): void {
    const endsAt = end.afterMs === null ? Number.POSITIVE_INFINITY : this.#now + Math.max(1, end.afterMs);
    this.#open.push({ run, n, readyAt, kept, endsAt, end });
  }

  #stop(run: Run, outcome: Outcome): void {
    const one = this.#open.find((open) => open.run.id === run.id);
    if (!one) return;
    this.#open = this.#open.filter((open) => open !== one);
    this.#end(one, { afterMs: 0, outcome });
  }

  #end({ run, n, readyAt, kept }: OpenRun, { outcome, againAfterMs }: ScriptedEnd): void {
    const { graph, task } = run;
    const counts = this.#counts.get(taskKey(graph, task)) ?? { runs: 1, counted: 0 };
    if (outcome.kind === 'failed') counts.counted++;
    if ('usage' in outcome && outcome.usage) this.#spending?.add(run, outcome.usage, this.#now);
    if (outcome.kind === 'deferred') this.#defer(run, outcome);
    const again = againAfterMs ?? this.#again(run, outcome, counts.counted);
    const settled = outcome.kind === 'succeeded' ? 'done' : again === null ? 'failed' : null;
    if (settled !== null) this.#settle(run, settled);
    else this.#reopen(run, again ?? 0);
    const ended: CourseRun = {
      ...{ graph, task, repo: run.repo, executor: run.executor, n, readyAt, kept, outcome, settled },
      ...{ startedAt: run.startedAt ?? run.openedAt, endedAt: this.#now },
    };
    this.#runs.push(ended);
    for (const event of this.#script.after?.(ended) ?? []) this.#insert(event);
  }

  /** How long until the task is due again by the policy, ms; null: never. */
  #again(run: Run, outcome: Outcome, counted: number): number | null {
    const policy = this.#profileOf(run)?.retry ?? this.#base.config.retry;
    const retry = retryDecision(run, outcome, policy, counted, this.#now, this.#script.random());
    return retry.again ? Math.max(0, retry.at - this.#now) : null;
  }

  #profileOf({ graph, executor }: Run): Profile | null {
    const view = this.#views.find((one) => one.graph === graph);
    return view ? profileNamed(executor, view.profiles) : null;
  }

  #reopen({ graph, task }: Run, afterMs: number): void {
    const at = this.#now + afterMs;
    const later = afterMs > 0 ? { readyAfter: graphTime(at) } : {};
    this.#edit(graph, task, { status: 'open', ...later, drop: ['assigned'] });
    if (afterMs > 0) this.#due.push({ at, graph, task });
    else this.#mayStart(graph, task);
  }

  /** A deferred run pauses what it lacked, until the instant that was told. */
  #defer(run: Run, { scope, code, because, until }: Extract<Outcome, { kind: 'deferred' }>): void {
    if (scope === 'task') return;
    const profile = this.#base.config.profiles.get(run.executor);
    const name =
      scope === 'profile' ? run.executor : profile && isAgentProfile(profile) ? profile.account : null;
    if (name !== null) this.#pause({ scope, name, code, because, until: until ?? this.#now + 60_000 });
  }

  #settle({ graph, task }: Run, status: 'done' | 'failed'): void {
    this.#edit(graph, task, { status, completedAt: graphTime(this.#now) });
    this.#ends.push({ graph, task, at: this.#now, status });
    if (status === 'done') this.#release(graph, task);
  }

  /** Tasks that waited for this one. */
  #release(graph: GraphPath, task: TaskId): void {
    const board = this.#boards.get(graph);
    for (const id of board?.dependentsOf(task) ?? []) {
      const waits = board?.get(id)?.after.some((other) => {
        const status = board.get(other)?.status;
        return status !== undefined && !satisfiesDependents(status);
      });
      if (!waits) this.#mayStart(graph, id);
    }
  }

  #mayStart(graph: GraphPath, task: TaskId): void {
    this.#candidates.set(taskKey(graph, task), { graph, task });
  }

  #insert(event: CourseEvent): void {
    let at = this.#events.length;
    while (at > this.#next && (this.#events[at - 1]?.at ?? 0) > event.at) at--;
    this.#events.splice(at, 0, event);
  }

  #edit(graph: GraphPath, task: TaskId, to: TaskChange): void {
    if (this.#boards.get(graph)?.edit(task, to)) this.#edited.add(graph);
  }

  /** The graphs as they are now. */
  #viewsNow(): readonly GraphView[] {
    if (this.#edited.size > 0)
      this.#views = this.#views.map((view) => (this.#edited.has(view.graph) ? this.#viewOf(view) : view));
    this.#edited.clear();
    return this.#views;
  }

  #viewOf(view: GraphView): GraphView {
    const board = this.#boards.get(view.graph);
    const { detail: _, ...rest } = view;
    if (!board) return rest;
    const snapshot = { ...view.snapshot, revision: `course-${board.version}`, tasks: board.tasks() };
    return { ...rest, snapshot };
  }
}
