// Carries one run from `opened` to its end, in an order of writes that survives crashes (outcomes: end-run.ts):
// ledger opened → registry → graph claim → start → ledger finished → graph settle → ledger settled.

import { join } from 'node:path';
import type { Config } from '../domain/config.ts';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import { taskKey } from '../domain/ids.ts';
import type { Deferred } from '../domain/outcome.ts';
import type { Plan } from '../domain/plan.ts';
import { type ExecutorType, isDelivered, isHold, type Profile, waitsInQueue } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Worktree } from '../domain/worktree.ts';
import type { Assignment, Begun, Executor, Handle, RunControl } from '../executors/executor.ts';
import { stopReason } from '../executors/executor.ts';
import type { CompletionGate } from '../graphs/completion-gate.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Bus } from '../platform/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Identity, RunTokens } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';
import { resultKey } from '../runs/result-book.ts';
import type { Standing } from '../worktrees/standing.ts';
import {
  type AssignedGraph,
  assignRun,
  type CallbackAddress,
  deadlineOf,
  vanishedGraph,
} from './assignment.ts';
import type { Availability } from './availability.ts';
import type { Background } from './background.ts';
import { callbackFor } from './callback-for.ts';
import type { ClaimCheck } from './claim-check.ts';
import type { Conclusions } from './conclude.ts';
import { controlOfElsewhere } from './elsewhere.ts';
import { claimTask } from './gated-writes.ts';
import type { RunHooks } from './hooks.ts';
import { type Leases, notePromises, withTimeToCall } from './leases.ts';
import { LiveRun } from './live-run.ts';
import { attendAgain, openRuns, signedTokenOf } from './opening.ts';
import type { OwnPlaces } from './own-places.ts';
import type { Recovery } from './recovery.ts';
import type { Releases } from './release.ts';
import type { RunEvents } from './run-events.ts';

export interface RunnerNeeds extends Base {
  /** The runs that this process attends to, by id. */
  readonly live: Map<string, LiveRun>;
  readonly identity: Identity;
  readonly tokens: RunTokens;
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly executors: ReadonlyMap<ExecutorType, Executor>;
  /** The supervisor's own variables, as agents may inherit them. */
  readonly environment: Readonly<Record<string, string>>;
  readonly conclusions: Conclusions;
  readonly releases: Releases;
  readonly events: RunEvents;
  readonly availability: Availability;
  readonly recovery: Recovery;
  readonly leases: Leases;
  /** Work that is not awaited while the supervisor runs: notes, and attending to hand-offs. */
  readonly background: Background;
  readonly claimCheck: ClaimCheck;
  readonly hooks: RunHooks;
  readonly places: Pick<OwnPlaces, 'enter'>;
  /** What claims where only wg may. */
  readonly gate: CompletionGate;
  config(): Config;
  /** The address agents report to; opens TCP if the profile needs it. */
  callback(profile: Profile): Promise<CallbackAddress>;
  /** The commit and branch that a worktree is at now. */
  standing(worktree: Pick<Worktree, 'path' | 'head' | 'branch'>): Promise<Standing>;
  /** Requests a tick: a run finished. */
  wake(why: string): void;
}

export class Runner {
  readonly #parts: RunnerNeeds;
  readonly #live: Map<string, LiveRun>;
  readonly #recovery: Recovery;
  readonly #availability: Availability;
  readonly #background: Background;

  constructor(parts: RunnerNeeds) {
    this.#parts = parts;
    this.#live = parts.live;
    this.#recovery = parts.recovery;
    this.#availability = parts.availability;
    this.#background = parts.background;
  }

  /**
   * Records the intent to run each of these plans, all in one write. Nothing has happened outside the ledger when
   * this returns. For each the run, or why it was refused; throws if nothing could be written.
   */
  openAll(plans: readonly Plan[]): (LiveRun | SupervisorError)[] {
    const opened = openRuns(this.#parts, plans);
    for (const live of opened) {
      if (live instanceof SupervisorError) continue;
      this.#live.set(live.run.id, live);
      this.#emit('run.opened', live, { because: live.run.because });
    }
    return opened;
  }

  /** The same for one plan; throws the refusal, `conflict` if the task has an open run. */
  open(plan: Plan): LiveRun {
    const [live] = this.openAll([plan]);
    if (live instanceof LiveRun) return live;
    throw live;
  }

  /** Claims, starts and attends. Resolves when the run's slot is free again; never rejects. */
  async carry(live: LiveRun, plan: Plan): Promise<void> {
    let isBegun = false;
    live.budgetsLeft = plan.budgetsLeft ?? [];
    try {
      const graph = this.#parts.graphs.get(plan.graph);
      if (!graph) return void this.#abandon(live, 'its worktree is gone');
      // Before the claim: an agent that could not report back is not started at all.
      const callback = await callbackFor(this.#parts, plan.profile);
      if ('kind' in callback) return this.#hold(live, callback);
      const place = { worktree: plan.worktree, environment: this.#parts.environment };
      const lack = await this.#parts.executors.get(plan.profile.type)?.lacks?.(plan.profile, place);
      if (lack) return this.#hold(live, lack);
      if (live.signal.aborted) return void this.#abandon(live, 'cancelled before it began');
      if (!(await this.#claim(live, graph, plan.profile))) return;
      const noPlace = await this.#parts.places.enter(live, graph, plan.profile);
      if (noPlace) return await this.#parts.conclusions.conclude(live, noPlace);
      const assignment = await this.assign(live, graph, plan.profile, callback);
      const executor = this.#executor(plan.profile.type);
      const refused = await this.#parts.hooks.before(live, graph, assignment);
      if (refused) return await this.#parts.conclusions.conclude(live, refused);
      isBegun = true;
      const begun = await this.#begin(live, assignment, executor);
      await this.#begun(live, graph, assignment, executor, begun);
    } catch (thrown) {
      if (isBegun) return this.#broken(live, thrown);
      // It stays attended until it is released, so that no tick judges it in between.
      restAfterBreak(this.#parts, live.run, thrown);
      const isFree = await giveBackUnbegun(this.#parts, live.run, thrown);
      this.#live.delete(live.run.id);
      if (isFree) this.#parts.wake('run');
    }
  }

  /** A requirement is missing: nothing was claimed, and its profile pauses. */
  #hold(live: LiveRun, lack: Deferred): void {
    const { graph, task } = live.run;
    const { code, because } = lack;
    this.#availability.reportUnavailable(live.run, lack);
    this.#parts.bus.emit('task.held', { graph, task, code, because });
    this.#abandon(live, because);
  }

  /** Reattaches to a run that an earlier supervisor began. Resolves when it finishes; never rejects. */
  async adopt(run: Run, profile: Profile): Promise<void> {
    const live = attendAgain(this.#parts, run);
    live.lease = withTimeToCall(this.#parts.ledger.lease(run.id), run, this.#parts.clock.now());
    this.#live.set(run.id, live);
    try {
      const graph = this.#parts.graphs.get(run.graph) ?? vanishedGraph(run, this.#parts.config());
      const callback = await callbackFor(this.#parts, profile);
      // A running agent is attended to all the same: it can be polled, and its time runs out.
      const address = 'kind' in callback ? { url: null, socket: null } : callback;
      const assignment = await this.assign(live, graph, profile, address);
      this.#emit('run.adopted', live, { agent: run.agent, pid: run.process?.pid ?? null });
      const handle = { process: run.process, reference: run.reference, adopted: true };
      await this.#attend(live, graph, assignment, this.#executor(profile.type), handle);
    } catch (thrown) {
      this.#broken(live, thrown);
    }
  }

  /** Reattaches to a claimed run whose supervisor died during its delivery; `resume` continues it. */
  reclaimInterrupted(run: Run): LiveRun {
    const live = attendAgain(this.#parts, run);
    live.signedToken = signedTokenOf(this.#parts, run);
    this.#live.set(run.id, live);
    return live;
  }

  /** Starts a reattached run once more: the same run, message id and fence. Never rejects. */
  async resume(live: LiveRun, profile: Profile): Promise<void> {
    try {
      const graph = this.#parts.graphs.get(live.run.graph);
      if (graph && live.signal.aborted && stopReason(live.signal) === 'cancelled')
        return await this.#parts.conclusions.conclude(live, { kind: 'stopped', reason: 'cancelled' });
      if (!graph || live.signal.aborted) return this.#leave(live);
      const callback = await callbackFor(this.#parts, profile);
      // Its agent cannot report any more: nothing would ever finish it.
      if ('kind' in callback) return await this.#parts.conclusions.conclude(live, callback);
      const assignment = await this.assign(live, graph, profile, callback);
      this.#emit('run.adopted', live, { agent: live.run.agent, pid: null });
      const executor = this.#executor(profile.type);
      const begun = await this.#begin(live, assignment, executor);
      await this.#begun(live, graph, assignment, executor, begun);
    } catch (thrown) {
      this.#broken(live, thrown);
    }
  }

  async #claim(live: LiveRun, graph: SupervisedGraph, profile: Profile): Promise<boolean> {
    const { ledger, clock } = this.#parts;
    const { run } = live;
    // A wg daemon started since the last check would ignore our claim.
    const competingDispatcher = await this.#parts.graphs.recheckHold(run.graph);
    if (competingDispatcher) return this.#abandon(live, competingDispatcher.because);
    const [agent] = await graph.registry.allocate([
      { task_id: run.task, executor: profile.name, worktree_path: run.worktree },
    ]);
    if (agent === undefined) throw new Error('the registry gave no agent id');
    const folder = join(run.graph, 'agents', agent);
    // Before the graph says so: after a crash in between, the ledger knows whose claim it is.
    live.run = await ledger.advance(run.id, 'opened', { agent, folder });
    const now = clock.now();
    const facts = { executorName: profile.name, external: isHold(profile.type), now };
    const because = await claimTask(this.#parts.gate, graph.store, run, agent, facts, (draft) =>
      this.#parts.claimCheck.refuse(graph, run.task, draft),
    );
    if (because !== null) {
      this.#abandon(live, because);
      this.#parts.events.leaveRegistry(graph, live.run, 'dead');
      return false;
    }
    const task = graph.store.snapshot().tasks.get(run.task);
    const deadlineAt = deadlineAtClaim(task ?? {}, profile, now);
    const claimed = { deadlineAt, startedAt: now };
    // What is sent outlives a power cut here: the ledger must not forget that it may have been.
    live.run = isDelivered(profile.type)
      ? await ledger.advance(run.id, 'claimed', claimed)
      : ledger.move(run.id, 'claimed', claimed);
    // It may start again, so earlier results are void.
    ledger.forgetResult(resultKey(run));
    await this.#recovery.remember(live);
    this.#emit('run.claimed', live, { agent });
    // The next check was set before it had a deadline, and may come after it.
    if (deadlineAt !== null) this.#parts.wake('deadline');
    return true;
  }

  /** Everything the run's worker needs to know. Without `callback` the address is looked up. */
  async assign(
    live: LiveRun,
    graph: AssignedGraph,
    profile: Profile,
    callback?: CallbackAddress,
  ): Promise<Assignment> {
    const address = callback ?? (await this.#parts.callback(profile));
    // The listing is older; the commit an agent is asked to work on is read now.
    const { place } = live.run;
    const at = place === undefined ? graph.worktree : { path: place, branch: null, head: null };
    const standing = await this.#parts.standing(at);
    return assignRun(this.#parts, live, graph, profile, { callback: address, standing });
  }

  /** Begins the work, unless it was reported as finished while its place was prepared and its hook ran. */
  async #begin(live: LiveRun, assignment: Assignment, executor: Executor): Promise<Begun> {
    if (live.declared) return { kind: 'ended', outcome: { kind: 'stopped', reason: 'completed' } };
    return await executor.begin(assignment, this.#control(live, assignment));
  }

  async #begun(
    live: LiveRun,
    graph: SupervisedGraph,
    assignment: Assignment,
    executor: Executor,
    begun: Begun,
  ): Promise<void> {
    const { ledger } = this.#parts;
    const { run } = live;
    if (live.declared) {
      // Reported as finished before its start returned, by an agent that calls back before it responds.
      if (begun.kind !== 'running') {
        const completed = { kind: 'stopped', reason: 'completed' } as const;
        await this.#parts.hooks.after(live, graph, assignment, completed);
        return this.#parts.conclusions.conclude(live, completed);
      }
      return this.#attend(live, graph, assignment, executor, { ...begun, reference: null, adopted: false });
    }
    switch (begun.kind) {
      case 'ended':
        // Left during a delivery: as claimed, the next supervisor delivers it again.
        if (begun.outcome.kind === 'stopped' && begun.outcome.reason === 'detached')
          return void this.#leave(live);
        // Stopped before it started: claimed until it is released, if necessary by the next supervisor.
        if (begun.outcome.kind === 'succeeded' || begun.outcome.kind === 'failed') {
          live.run = ledger.move(run.id, 'started');
          // Listeners hear that it began before they hear that it ended.
          this.#emit('run.started', live, { agent: run.agent, pid: null });
        }
        await this.#parts.hooks.after(live, graph, assignment, begun.outcome);
        return this.#parts.conclusions.conclude(live, begun.outcome);
      case 'running': {
        live.run = ledger.move(run.id, 'started', { process: begun.process });
        await this.#recovery.remember(live);
        this.#emit('run.started', live, { agent: run.agent, pid: begun.process?.pid ?? null });
        if (begun.process)
          // Written with the next change of the registry, and at the latest when its graph is closed.
          void graph.registry
            .update([{ agent: run.agent, pid: begun.process.pid, status: 'working' }], { lazily: true })
            .catch((thrown: unknown) => {
              this.#parts.log.warn('registry.unwritten', { agent: run.agent, because: messageOf(thrown) });
            });
        return this.#attend(live, graph, assignment, executor, { ...begun, reference: null, adopted: false });
      }
      case 'handed-off': {
        // In one move: as `started` no worker could ever claim it.
        const deadlineAt = begun.deadlineAt ?? run.deadlineAt;
        live.run = ledger.move(run.id, 'handed-off', { reference: begun.reference, deadlineAt });
        notePromises(ledger, live, begun, this.#parts.clock.now());
        this.#background.later(this.#recovery.remember(live));
        this.#emit('run.handed-off', live, { reference: begun.reference });
        this.#availability.takes(live.run);
        // The slot is free again: attending continues without it.
        const handle = { ...begun, process: null, adopted: false };
        this.#background.later(this.#attend(live, graph, assignment, executor, handle));
        this.#parts.wake('handed-off');
        return;
      }
    }
  }

  async #attend(
    live: LiveRun,
    graph: AssignedGraph,
    assignment: Assignment,
    executor: Executor,
    handle: Handle,
  ): Promise<void> {
    try {
      const outcome = await executor.attend(assignment, handle, this.#control(live, assignment));
      await this.#parts.hooks.after(live, graph, assignment, outcome);
      await this.#parts.conclusions.conclude(live, outcome);
    } catch (thrown) {
      this.#broken(live, thrown);
    }
  }

  #leave(live: LiveRun): void {
    this.#live.delete(live.run.id);
    this.#parts.wake('detached');
  }

  #abandon(live: LiveRun, because: string): false {
    this.#parts.ledger.move(live.run.id, 'abandoned', { finishedAt: this.#parts.clock.now() });
    this.#live.delete(live.run.id);
    this.#emit('run.abandoned', live, { because });
    this.#parts.wake('abandoned');
    return false;
  }

  /** Something around the work failed: the run stays in the ledger as it was, reconcile repairs it. */
  #broken(live: LiveRun, thrown: unknown): void {
    this.#live.delete(live.run.id);
    restAfterBreak(this.#parts, live.run, thrown);
    // No wake: what just failed would fail again at once. The next pass handles it.
  }

  #control(live: LiveRun, { timeoutMs }: Pick<Assignment, 'timeoutMs'>): RunControl {
    return {
      ...runControl(live, this.#parts, (message) => this.#emit('run.progress', live, { message })),
      ...controlOfElsewhere(live, timeoutMs ?? null, this.#parts),
      works: () => this.#availability.works(live.run),
      waits: () => {
        live.releaseSlot();
        this.#parts.wake('waiting');
      },
    };
  }

  #executor(type: ExecutorType): Executor {
    const executor = this.#parts.executors.get(type);
    if (!executor) throw new Error(`no executor of type ${type}`);
    return executor;
  }

  #emit(name: Parameters<Bus['emit']>[0], live: LiveRun, more: object): void {
    this.#parts.events.emit(name, live.run, more);
  }
}

/** When an attempt that is claimed now ends, ms; one that a worker begins later has its time from then. */
function deadlineAtClaim(task: { readonly timeout?: string }, profile: Profile, now: number): number | null {
  return waitsInQueue(profile.type) ? null : deadlineOf(task, profile, now);
}

/** The control of one run. `hear` receives every progress report. */
function runControl(
  live: LiveRun,
  parts: { readonly ledger: Ledger; readonly clock: Clock },
  hear: (message: string) => void,
): RunControl {
  const { ledger, clock } = parts;
  const { id } = live.run;
  return {
    signal: live.signal,
    progress(message) {
      live.progressAt = clock.now();
      live.progress = message;
      hear(message);
    },
    note: (facts) => ledger.note(id, facts),
    deliveries: {
      begin: (message, target) => ledger.deliveries.beginDispatch(message, id, target),
      end: (message, state, because) => ledger.deliveries.noteDispatch(message, state, because),
    },
  };
}

/** Backoff of a task after something around its run failed, ms. */
const BROKEN_PAUSE_MS = 30_000;

type BreakParts = Pick<RunnerNeeds, 'ledger' | 'log' | 'clock'>;

/** Reports a broken run and backs its task off. The run stays in the ledger as it was. */
function restAfterBreak({ log, ledger, clock }: BreakParts, run: Run, thrown: unknown): void {
  const because = messageOf(thrown);
  log.error('run.broken', { run: run.id, task: run.task, because });
  const until = clock.now() + BROKEN_PAUSE_MS;
  const name = taskKey(run.graph, run.task);
  try {
    ledger.setPause({ scope: 'task', name, code: 'run-broken', because, until });
  } catch (again) {
    // The ledger itself fails (a full disk): nothing new can be opened then either.
    log.error('pause.unwritten', { task: run.task, because: messageOf(again) });
  }
}

/**
 * Releases the claim of a run whose agent was never started: others would wait in vain. Returns whether that could be
 * written; if not, the run stays as it was and reconcile repairs it.
 */
async function giveBackUnbegun(
  parts: BreakParts & Pick<RunnerNeeds, 'releases'>,
  run: Run,
  thrown: unknown,
): Promise<boolean> {
  // Without an agent nothing was written into the graph yet.
  if (run.agent === '') return false;
  try {
    await parts.releases.giveBack(run, `it broke before its agent was started: ${messageOf(thrown)}`);
    return true;
  } catch (again) {
    parts.log.warn('release.postponed', { run: run.id, task: run.task, because: messageOf(again) });
    return false;
  }
}
