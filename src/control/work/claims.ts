// Tasks claimed by external workers: orchestrators, agents, people. A hold (the graph names an external executor) is
// taken as it is; a hold whose worker fell silent gets a new worker and a new fence; any other ready task is claimed
// like a dispatch. Who gets what is settled before anything is awaited.

import { routeTask } from '../../decide/routes/route.ts';
import type { GraphView } from '../../decide/world.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { Event } from '../../domain/event.ts';
import { type GraphPath, type TaskId, taskKey } from '../../domain/ids.ts';
import type { Plan } from '../../domain/plan.ts';
import { isHold, isOffered, isWorkerProfile, type Profile } from '../../domain/profile.ts';
import { isOpenRun } from '../../domain/run.ts';
import type { Task } from '../../domain/task.ts';
import { dispatchData } from '../../executors/http/payload.ts';
import { workOrder } from '../../executors/work-order.ts';
import type { SupervisedGraphs } from '../../graphs/supervised-graphs.ts';
import type { Base } from '../../platform/base.ts';
import { nextTurn } from '../../platform/cooperative.ts';
import { type Identity, tokenHash } from '../../platform/identity.ts';
import { globalTaskId } from '../../run/assignment.ts';
import type { ClaimCheck } from '../../run/claim-check.ts';
import type { LastDecision } from '../../run/last-decision.ts';
import { isHeld } from '../../run/leases.ts';
import type { LiveRun } from '../../run/live-run.ts';
import type { Runs } from '../../run/runs.ts';
import { newLease } from '../../runs/lease-row.ts';
import type { Ledger } from '../../runs/ledger.ts';
import { HELD_BY } from '../../runs/old-runs.ts';
import type { ConnectedWorkers } from '../../supervisor/connected-workers.ts';
import type { Claimed, ClaimRequest, ClaimTerms } from '../control.ts';
import type { CurrentTasks } from '../current-tasks.ts';
import { type FoundTask, viewsAt } from '../find-task.ts';
import { runReport } from '../reports/reports.ts';
import { alreadyClaimed } from './conflicts.ts';
import { waitFor } from './wait-for.ts';

/** The answer to a worker's claim. */
interface Taking {
  readonly worker: string;
  readonly terms: ClaimTerms;
}

/** A task that might be claimed: a hold by its run's id, a ready task by its key. */
interface Candidate {
  readonly id: string;
  readonly priority: number;
  readonly take: () => Promise<Claimed | null>;
}

/** The task where a request would take it from this executor; null: it would not. */
type Wanted = (
  graph: GraphPath,
  task: TaskId,
  executor: string,
  external: boolean,
) => { readonly view: GraphView; readonly task: Task | undefined } | null;

/**
 * What a request failed to claim. Until there is a new decision the old one still calls it free: trying again would
 * find the same.
 */
class Lost {
  readonly #ids = new Set<string>();
  #decided: unknown = null;

  since(decided: unknown): void {
    if (decided !== this.#decided) this.#ids.clear();
    this.#decided = decided;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Records it as lost unless it was claimed. */
  async unless(id: string, taking: Promise<Claimed | null>): Promise<Claimed | null> {
    const decided = this.#decided;
    const claimed = await taking;
    if (claimed === null && decided === this.#decided) this.#ids.add(id);
    return claimed;
  }
}

interface ClaimNeeds extends Pick<Base, 'bus' | 'clock'> {
  readonly identity: Pick<Identity, 'token'>;
  readonly ledger: Pick<Ledger, 'addToken' | 'openRuns' | 'setMeta'>;
  readonly graphs: Pick<SupervisedGraphs, 'get' | 'require'>;
  readonly runs: Runs;
  readonly claimCheck: ClaimCheck;
  readonly last: LastDecision;
  readonly tasks: CurrentTasks;
  readonly workers: ConnectedWorkers;
  /** Asks for a tick. */
  wake(why: string): void;
}

export class Claims {
  readonly #parts: ClaimNeeds;
  readonly #runs: Runs;

  constructor(parts: ClaimNeeds) {
    this.#parts = parts;
    this.#runs = parts.runs;
  }

  /**
   * Claims one task. Throws `conflict` (`already-claimed`, `not-ready`), `not-running` while nothing new is started.
   */
  async claim(found: FoundTask, worker: string, terms: ClaimTerms): Promise<Claimed> {
    this.#refuseStandstill();
    const key = taskKey(found.view.graph, found.task.id);
    const hold = this.#runs.ofTask(key).find(({ run }) => run.phase === 'handed-off');
    const taking = { worker, terms };
    const claimed = hold ? await this.#takeHold(hold, taking) : null;
    if (claimed) return claimed;
    const verdict = this.#parts.tasks.decided().decision.verdicts.get(key);
    if (hold || verdict?.state === 'running' || this.#runs.isChangingHands(key))
      throw alreadyClaimed(found.task.id, `is claimed already${verdict ? `: ${verdict.because}` : ''}`);
    return await this.#takeReady(found, taking);
  }

  /** Claims what is available, most important first; waits for the first one if requested. */
  async claimMany(wish: ClaimRequest): Promise<readonly Claimed[]> {
    const { ms, signal } = { ms: wish.waitMs, signal: wish.signal };
    const concerns = (event: Event) =>
      event.name === 'run.handed-off' ||
      event.name === 'run.stale' ||
      // What was handed out before a restart can be taken from then on.
      event.name === 'supervisor.started' ||
      (wish.executors !== undefined && event.name === 'tick.finished');
    const lost = new Lost();
    this.#noteAsking(wish);
    const look = () => {
      const { made, dispatchBlocked } = this.#parts.last;
      if (dispatchBlocked) return null;
      lost.since(made);
      const taken = this.#take(wish, lost);
      return taken.length > 0 ? taken : null;
    };
    const until = this.#parts.clock.now() + ms;
    for (;;) {
      const left = until - this.#parts.clock.now();
      const patience = { ms: Math.max(0, left), signal, untilRestart: true };
      const taking = await waitFor(this.#parts, patience, concerns, look);
      if (taking === null) return [];
      const claimed = (await Promise.all(taking)).filter((one) => one !== null);
      // All of them were lost to faster writers of the graph itself: keep waiting for the requested time.
      if (claimed.length > 0 || signal?.aborted || this.#parts.clock.now() >= until) return claimed;
      await nextTurn();
    }
  }

  /** Callers that request profiles by name are workers: `why` names them for their tasks. */
  #noteAsking({ worker, executors, resting }: ClaimRequest): void {
    if (executors === undefined && resting === undefined) return;
    const offer = { name: worker, profiles: executors ?? [], resting: new Map(resting ?? []) };
    if (offer.profiles.length + offer.resting.size === 0) {
      // It signs off.
      if (this.#parts.workers.leave(worker)) this.#parts.wake('worker');
      return;
    }
    if (this.#parts.workers.note(offer, this.#parts.clock.now())) this.#parts.wake('worker');
  }

  /** Starts claiming; the returned task can no longer be claimed by others. */
  #take(wish: ClaimRequest, lost: Lost): Promise<Claimed | null>[] {
    const taking: Taking = { worker: wish.worker, terms: wish };
    const wanted = this.#wanted(wish);
    const chosen = [
      ...(wish.onlyRemote ? [] : this.#holds(wanted, taking)),
      ...(wish.executors === undefined ? [] : this.#offers(wanted, taking)),
      ...(wish.executors === undefined || wish.onlyRemote ? [] : this.#readyTasks(wanted, taking)),
    ];
    return chosen
      .filter(({ id }) => !lost.has(id))
      .sort((a, b) => b.priority - a.priority)
      .slice(0, wish.max)
      .map(({ id, take }) => lost.unless(id, take()));
  }

  /** Finds a task, where a request would take it from this executor. */
  #wanted(wish: ClaimRequest): Wanted {
    const { world } = this.#parts.tasks.decided();
    const views = new Map(world.graphs.map((view) => [view.graph, view]));
    const places = wish.worktrees?.flatMap((path) => viewsAt(world.graphs, path));
    return (graph, id, executor, external) => {
      const view = views.get(graph);
      const task = view?.snapshot.tasks.get(id);
      if (!view) return null;
      const fits =
        (wish.executors === undefined ? external : wish.executors.includes(executor)) &&
        (places === undefined || places.includes(view)) &&
        (wish.tasks === undefined ||
          wish.tasks.includes(id) ||
          wish.tasks.includes(globalTaskId(view.graph, id))) &&
        (wish.topics === undefined || hasTopic(task?.tags ?? [], wish.topics));
      return fits ? { view, task } : null;
    };
  }

  #holds(wanted: Wanted, taking: Taking): Candidate[] {
    return this.#runs.attended().flatMap((live) => {
      const { id, graph, task, executor } = live.run;
      const found = this.#isFree(live) ? wanted(graph, task, executor, true) : null;
      if (!found) return [];
      return [{ id, priority: found.task?.priority ?? 0, take: () => this.#takeHold(live, taking) }];
    });
  }

  #offers(wanted: Wanted, taking: Taking): Candidate[] {
    return this.#parts.tasks.decided().decision.offers.flatMap((plan) => {
      const { view, task } = wanted(plan.graph, plan.task, plan.profile.name, false) ?? {};
      if (!view || !task) return [];
      const take = () => this.#takeOffer(plan, { view, task }, taking).catch(notHad);
      return [{ id: taskKey(view.graph, task.id), priority: plan.priority, take }];
    });
  }

  #readyTasks(wanted: Wanted, taking: Taking): Candidate[] {
    const chosen: Candidate[] = [];
    for (const { graph, task: id, executor, state } of this.#parts.tasks
      .decided()
      .decision.verdicts.values()) {
      if (executor === null || (state !== 'ready' && state !== 'queued')) continue;
      const { view, task } = wanted(graph, id, executor, false) ?? {};
      const profile = view?.profiles.byName.get(executor);
      // Those for workers are offered as decided, and only as many as there is room for.
      if (!view || !task || (profile && isOffered(profile.type))) continue;
      const take = () => this.#takeReady({ view, task }, taking).catch(notHad);
      chosen.push({ id: taskKey(view.graph, task.id), priority: task.priority, take });
    }
    return chosen;
  }

  /** Claims a hold; null if it is not available. */
  async #takeHold(live: LiveRun, taking: Taking): Promise<Claimed | null> {
    if (!this.#isFree(live)) return null;
    const graph = this.#parts.graphs.get(live.run.graph);
    const profile = graph?.profiles.byName.get(live.run.executor) ?? graph?.profiles.byName.get('external');
    if (!graph || !profile) return null;
    if (live.lease?.worker == null) {
      const token = this.#parts.identity.token('wgl_');
      this.#parts.ledger.addToken(live.run.id, tokenHash(token));
      this.#agree(live, 'hold', taking);
      return await this.#handOver(live, profile, token);
    }
    // Its worker fell silent. A new fence locks that one out for good.
    const key = taskKey(live.run.graph, live.run.task);
    const view = this.#parts.tasks.decided().world.graphs.find((one) => one.graph === live.run.graph);
    if (!view) return null;
    return await this.#runs
      .whileChangingHands(key, async () => {
        await this.#runs.takeAway(live, `taken over by ${taking.worker}`);
        const task = graph.store.snapshot().tasks.get(live.run.task);
        if (!task) return null;
        const because = `claimed by ${taking.worker}`;
        return await this.#carry(planOf({ view, task }, profile, because), 'hold', taking);
      })
      .catch(notHad);
  }

  async #takeReady(found: FoundTask, taking: Taking): Promise<Claimed> {
    const profile = found.view.profiles.byName.get('external');
    if (profile?.type !== 'external')
      throw new SupervisorError('config', 'the profile `external` is not of type external here');
    this.#refuseUnready(found);
    const route = routeTask(found.task, found.view.profiles);
    const hold = route.routed && isHold(route.profile.type);
    const plan = planOf(found, hold ? route.profile : profile, `claimed by ${taking.worker}`);
    const key = taskKey(found.view.graph, found.task.id);
    return await this.#runs.whileChangingHands(key, () => this.#carry(plan, hold ? 'hold' : 'claim', taking));
  }

  /** Claims a task that waits for a worker, by the decided plan. */
  async #takeOffer(plan: Plan, found: FoundTask, taking: Taking): Promise<Claimed> {
    this.#refuseUnready(found);
    const { name, maxConcurrent } = plan.profile;
    // Since the decision others may have taken some.
    const under = this.#runs.attended().filter(({ run }) => run.executor === name && isOpenRun(run));
    if (maxConcurrent !== null && under.length >= maxConcurrent)
      throw notReady(plan.task, `executor ${name} has ${maxConcurrent} under way (its max_concurrent)`);
    const key = taskKey(plan.graph, plan.task);
    return await this.#runs.whileChangingHands(key, () =>
      this.#carry({ ...plan, because: `${plan.because}, taken by ${taking.worker}` }, 'claim', taking),
    );
  }

  async #carry(plan: Plan, kind: 'hold' | 'claim', taking: Taking): Promise<Claimed> {
    const live = this.#runs.open(plan);
    // Before it is handed off: other waiting requests must not find it free.
    this.#agree(live, kind, taking);
    await this.#runs.carry(live, plan);
    if (live.run.phase !== 'handed-off')
      throw notReady(plan.task, 'another worker was quicker, or it changed');
    this.#agree(live, kind, taking);
    return await this.#handOver(live, plan.profile, live.token ?? '');
  }

  #agree(live: LiveRun, kind: 'hold' | 'claim', { worker, terms }: Taking): void {
    const now = this.#parts.clock.now();
    const leaseMs = terms.leaseMs ?? null;
    this.#runs.agree(
      live,
      newLease(kind, {
        worker,
        leaseMs,
        expiresAt: leaseMs === null ? null : now + leaseMs,
        heartbeatAt: now,
        externalRef: terms.externalRef ?? null,
      }),
    );
    if (terms.holder !== undefined) this.#parts.ledger.setMeta(`${HELD_BY}${live.run.id}`, terms.holder);
    // A lease runs now: the shared timer must know.
    this.#parts.wake('lease');
  }

  async #handOver(live: LiveRun, profile: Profile, token: string): Promise<Claimed> {
    const graph = this.#parts.graphs.require(live.run.graph);
    const assignment = await this.#runs.assign(live, graph, profile);
    const { callback } = assignment;
    const here = `/api/task/${encodeURIComponent(assignment.globalTaskId)}`;
    // Without TCP the URLs are paths, relative to the address the worker used.
    const reachable = { ...assignment, callback: { ...callback, token, url: callback.url ?? here } };
    const now = this.#parts.clock.now();
    const data = isWorkerProfile(profile) ? workOrder(reachable, profile, now) : dispatchData(reachable, now);
    return { run: runReport(live.run, live.progress, live.lease), token, data };
  }

  #isFree(live: LiveRun): boolean {
    const { run, signal, declared, lease } = live;
    if (!isHold(run.type) || run.phase !== 'handed-off' || signal.aborted || declared) return false;
    if (lease?.kind === 'claim' || this.#runs.isChangingHands(taskKey(run.graph, run.task))) return false;
    return !isHeld(lease, this.#parts.clock.now());
  }

  /** Throws `not-ready` if the fresh graph does not allow it. */
  #refuseUnready({ view, task }: FoundTask): void {
    const because = this.#parts.claimCheck.refuse(this.#parts.graphs.require(view.graph), task.id);
    if (because !== null) throw notReady(task.id, because);
    if (this.#parts.ledger.openRuns().some((run) => run.graph === view.graph && run.task === task.id))
      throw alreadyClaimed(task.id, 'has a run already');
  }

  #refuseStandstill(): void {
    const { dispatchBlocked } = this.#parts.tasks.decided().world;
    if (dispatchBlocked)
      throw new SupervisorError('not-running', dispatchBlocked.because, { hint: 'try again later' });
  }
}

/** The plan made for a request rather than by a decision. */
export function planOf({ view, task }: FoundTask, profile: Profile, because: string): Plan {
  return {
    graph: view.graph,
    task: task.id,
    worktree: view.worktree,
    repo: view.repo,
    profile,
    because,
    priority: task.priority,
    occurrence: null,
  };
}

/** The refusal of a task that may not start. */
export function notReady(task: string, because: string): SupervisorError {
  return new SupervisorError('conflict', `${task} cannot be claimed: ${because}`, {
    hint: `\`supervisor why ${task}\` says what it waits for`,
    details: { code: 'not-ready', task_id: task },
  });
}

/** Losing one of many to another worker does not fail the whole request. */
function notHad(thrown: unknown): null {
  if (thrown instanceof SupervisorError) return null;
  throw thrown;
}

function hasTopic(tags: readonly string[], topics: readonly string[]): boolean {
  return topics.some((topic) => tags.includes(topic) || tags.includes(`topic:${topic}`));
}
