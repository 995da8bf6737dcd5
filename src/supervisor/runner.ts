// Carries one run from `opened` to its end, in the order of writes that survives a crash at every step:
// ledger opened → registry → graph claim → start → ledger finished → graph settle → ledger settled.
// It decides nothing but what an executor's outcome means for the ledger and the graph.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { retryDecision } from '../decide/retry.ts';
import type { Config } from '../domain/config.ts';
import { messageOf } from '../domain/errors.ts';
import { taskKey } from '../domain/ids.ts';
import type { Deferred, Failed, Outcome, Succeeded } from '../domain/outcome.ts';
import type { Plan } from '../domain/plan.ts';
import type { ExecutorType, Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Assignment, Begun, Executor, Handle, RunControl } from '../executors/executor.ts';
import type { GraphDraft } from '../graph/store.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { Bus } from '../seams/bus.ts';
import type { Clock } from '../seams/clock.ts';
import { type Identity, tokenHash } from '../seams/identity.ts';
import type { Log } from '../seams/log.ts';
import { buildAssignment, type CallbackAddress, deadlineOf } from './assignment.ts';
import { LiveRun } from './live-run.ts';
import { claimInGraph, releaseInGraph, settleInGraph } from './settlement.ts';
import type { SupervisedGraph, SupervisedGraphs } from './supervised-graphs.ts';

/** What carrying runs takes. */
export interface RunnerParts {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly executors: ReadonlyMap<ExecutorType, Executor>;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly bus: Bus;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string>>;
  config(): Config;
  /** Where agents report back to; opens TCP when the profile needs it. */
  callback(profile: Profile): Promise<CallbackAddress>;
  /** Judges a task on the fresh bytes with the same predicate as readiness; null: nothing against it. */
  refuseClaim(graph: SupervisedGraph, draft: GraphDraft, task: string): string | null;
  /** Asks for a tick: something came to an end. */
  wake(why: string): void;
}

const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 10 * 60_000;

export class Runner {
  /** Every run that this process attends to, by id. */
  readonly live = new Map<string, LiveRun>();
  readonly #parts: RunnerParts;
  /** How often in a row each paused thing was found unavailable, for a growing pause. */
  readonly #setbacks = new Map<string, number>();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Writes down the intent to run a plan. Nothing has happened outside the ledger when this returns. */
  open(plan: Plan): LiveRun {
    const { ledger, clock, identity, graphs } = this.#parts;
    const now = clock.now();
    const task = graphs.get(plan.graph)?.store.snapshot().tasks.get(plan.task);
    const token = identity.token('wgl_');
    const createdAt = task?.createdAt ?? null;
    const run = ledger.open(
      {
        id: identity.runId(now),
        graph: plan.graph,
        task: plan.task,
        taskCreatedAt: createdAt,
        worktree: plan.worktree,
        repo: plan.repo,
        executor: plan.profile.name,
        type: plan.profile.type,
        because: plan.because,
        attempt: ledger.countedAttempts(plan.graph, plan.task, createdAt) + 1,
        occurrence: plan.occurrence,
      },
      tokenHash(token),
    );
    const live = new LiveRun(run, token, now);
    this.live.set(run.id, live);
    this.#emit('run.opened', live, { because: plan.because });
    return live;
  }

  /** Claims, begins and attends. Resolves when the run's slot is free again; never rejects. */
  async carry(live: LiveRun, plan: Plan): Promise<void> {
    try {
      const graph = this.#parts.graphs.get(plan.graph);
      if (!graph) return this.#abandon(live, 'its worktree is gone');
      if (live.signal.aborted) return this.#abandon(live, 'cancelled before it began');
      if (!(await this.#claim(live, graph, plan.profile))) return;
      const assignment = await this.#assign(live, graph, plan.profile);
      const executor = this.#executor(plan.profile.type);
      const begun = await executor.begin(assignment, this.#control(live));
      await this.#begun(live, graph, assignment, executor, begun);
    } catch (thrown) {
      await this.#broken(live, thrown);
    }
  }

  /** Takes up a run that an earlier supervisor began. Resolves when it is over; never rejects. */
  async adopt(run: Run, profile: Profile): Promise<void> {
    const live = new LiveRun(run, null, this.#parts.clock.now());
    this.live.set(run.id, live);
    try {
      const graph = this.#parts.graphs.get(run.graph);
      if (!graph) return void this.live.delete(run.id);
      const assignment = await this.#assign(live, graph, profile);
      this.#emit('run.adopted', live, { agent: run.agent, pid: run.process?.pid ?? null });
      const handle = { process: run.process, reference: run.reference, adopted: true };
      await this.#attend(live, assignment, this.#executor(profile.type), handle);
    } catch (thrown) {
      await this.#broken(live, thrown);
    }
  }

  /**
   * Takes an outcome that came by another way than the executor. Writes it down and settles it at once; a process
   * that still runs may linger for `lingerMs` and is ended then.
   */
  async declare(run: Run, outcome: Succeeded | Failed): Promise<{ status: string | null; written: boolean }> {
    const live = this.live.get(run.id);
    if (live) {
      live.declared = outcome;
      // Who reported failure has nothing left to tidy up, and the next attempt must not wait for it.
      if (live.run.phase === 'handed-off' || outcome.kind === 'failed') live.stop('completed');
      else live.lingerUntil = this.#parts.clock.now() + this.#parts.config().shutdown.lingerMs;
    }
    return await this.finish(run, outcome);
  }

  /** Ledger finished → graph settled → ledger settled. Also what reconcile asks for after a crash between them. */
  async finish(run: Run, outcome: Succeeded | Failed): Promise<{ status: string | null; written: boolean }> {
    const { ledger, graphs, clock, log } = this.#parts;
    const now = clock.now();
    const finished = ledger.move(run.id, 'finished', { outcome, finishedAt: now });
    this.#emitRun('run.finished', finished, { outcome });
    const graph = graphs.get(run.graph);
    if (!graph) return { status: null, written: false };
    try {
      const retry = outcome.kind === 'failed' ? this.#retry(finished, outcome) : null;
      const write = await settleInGraph(graph.store, finished, outcome, { now, retry });
      if (write.kind === 'kept' && !isSettledBy(write.status, outcome)) {
        ledger.move(run.id, 'overruled');
        const because = `the graph says ${write.status ?? 'that the task is gone'}`;
        this.#emitRun('run.overruled', finished, { because });
      } else {
        const settled = ledger.move(run.id, 'settled');
        this.#emitRun('run.settled', settled, { outcome, status: write.status ?? 'gone' });
        if (retry?.again) this.#emitRun('run.retrying', settled, { at: retry.at, because: retry.because });
      }
      await this.#leaveRegistry(graph, run, outcome.kind === 'succeeded' ? 'done' : 'failed');
      return { status: write.status, written: write.kind === 'written' };
    } catch (thrown) {
      // The outcome is safe in the ledger; the next tick's reconcile asks for the settlement again.
      log.warn('settle.postponed', { run: run.id, task: run.task, because: messageOf(thrown) });
      throw thrown;
    } finally {
      this.#parts.wake('run');
    }
  }

  /** Gives a claimed task back; the attempt does not count. */
  async release(run: Run, because: string, options: { paused?: boolean } = {}): Promise<void> {
    const { ledger, graphs, clock } = this.#parts;
    const graph = graphs.get(run.graph);
    if (graph) {
      await releaseInGraph(graph.store, run, { now: clock.now(), because, ...options });
      await this.#leaveRegistry(graph, run, 'dead');
    }
    ledger.move(run.id, 'interrupted', { finishedAt: clock.now() });
  }

  async #claim(live: LiveRun, graph: SupervisedGraph, profile: Profile): Promise<boolean> {
    const { ledger, clock } = this.#parts;
    const { run } = live;
    const [agent] = await graph.registry.allocate([
      { task_id: run.task, executor: profile.name, worktree_path: run.worktree },
    ]);
    if (agent === undefined) throw new Error('the registry gave no agent id');
    const now = clock.now();
    const facts = { executorName: profile.name, external: profile.type === 'external', now };
    const claim = await claimInGraph(graph.store, run, agent, facts, (draft) =>
      this.#parts.refuseClaim(graph, draft, run.task),
    );
    if (claim.because !== null) {
      this.#abandon(live, claim.because);
      await this.#leaveRegistry(graph, { ...run, agent }, 'dead');
      return false;
    }
    const folder = join(run.graph, 'agents', agent);
    await mkdir(folder, { recursive: true });
    const task = graph.store.snapshot().tasks.get(run.task);
    const deadlineAt = deadlineOf(task ?? {}, profile, now);
    live.run = ledger.move(run.id, 'claimed', { agent, folder, deadlineAt, startedAt: now });
    this.#emit('run.claimed', live, { agent });
    return true;
  }

  async #assign(live: LiveRun, graph: SupervisedGraph, profile: Profile): Promise<Assignment> {
    const { identity, ledger } = this.#parts;
    const { run } = live;
    const task = graph.store.detail(run.task);
    if (!task) throw new Error(`task ${run.task} vanished from ${run.graph}`);
    const previous = ledger
      .runs({ graph: run.graph, task: run.task, limit: 2 })
      .find((earlier) => earlier.id !== run.id && earlier.taskCreatedAt === run.taskCreatedAt);
    return buildAssignment({
      run,
      profile,
      task,
      graph,
      config: this.#parts.config(),
      callback: await this.#parts.callback(profile),
      token: live.token ?? '',
      traceId: identity.traceId(),
      environment: this.#parts.environment,
      previousFailure: previous?.outcome?.kind === 'failed' ? previous.outcome.message : null,
    });
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
    switch (begun.kind) {
      case 'ended':
        if (begun.outcome.kind !== 'deferred') live.run = ledger.move(run.id, 'started');
        return this.#conclude(live, begun.outcome);
      case 'running': {
        live.run = ledger.move(run.id, 'started', { process: begun.process });
        this.#emit('run.started', live, { agent: run.agent, pid: begun.process?.pid ?? null });
        if (begun.process)
          this.#later(
            graph.registry.update([{ agent: run.agent, pid: begun.process.pid, status: 'working' }]),
          );
        return this.#attend(live, assignment, executor, { ...begun, reference: null, adopted: false });
      }
      case 'handed-off': {
        ledger.move(run.id, 'started');
        const deadlineAt = begun.deadlineAt ?? run.deadlineAt;
        live.run = ledger.move(run.id, 'handed-off', { reference: begun.reference, deadlineAt });
        this.#emit('run.handed-off', live, { reference: begun.reference });
        // The slot is free again: the attending goes on without it.
        const handle = { process: null, reference: begun.reference, adopted: false };
        this.#later(this.#attend(live, assignment, executor, handle));
        this.#parts.wake('handed-off');
        return;
      }
    }
  }

  async #attend(live: LiveRun, assignment: Assignment, executor: Executor, handle: Handle): Promise<void> {
    try {
      const outcome = await executor.attend(assignment, handle, this.#control(live));
      await this.#conclude(live, outcome);
    } catch (thrown) {
      await this.#broken(live, thrown);
    }
  }

  /** What an outcome means. The first one counts: a process that ends after its task was declared done changes nothing. */
  async #conclude(live: LiveRun, outcome: Outcome): Promise<void> {
    const { ledger, clock } = this.#parts;
    const { run } = live;
    try {
      if (live.declared) return;
      switch (outcome.kind) {
        case 'succeeded':
        case 'failed':
          if (outcome.kind === 'succeeded') this.#available(live);
          await this.finish(run, outcome);
          return;
        case 'deferred':
          return await this.#defer(live, outcome);
        case 'stopped':
          switch (outcome.reason) {
            case 'detached':
            case 'completed':
              return;
            case 'cancelled':
              return await this.release(run, 'cancelled; it stays paused until it is resumed', {
                paused: true,
              });
            case 'shutdown':
              return await this.release(run, 'the supervisor was told to end its agents');
            case 'overruled':
            case 'lost-claim':
              ledger.move(run.id, outcome.reason === 'overruled' ? 'overruled' : 'superseded', {
                outcome,
                finishedAt: clock.now(),
              });
              return;
            case 'timeout':
            case 'silent':
              await this.finish(run, {
                kind: 'failed',
                failure: outcome.reason,
                message: outcome.reason === 'timeout' ? 'its time ran out' : 'no sign of life',
                retryable: true,
                ...(outcome.usage ? { usage: outcome.usage } : {}),
              });
              return;
          }
      }
    } finally {
      this.live.delete(run.id);
      this.#parts.wake('run');
    }
  }

  /** Not begun or given back: the task opens again, what it lacked pauses with a growing delay. */
  async #defer(live: LiveRun, outcome: Deferred): Promise<void> {
    const { ledger, clock, graphs } = this.#parts;
    const { run } = live;
    const name = this.#pauseName(run, outcome.scope);
    const setbacks = this.#setbacks.get(name) ?? 0;
    this.#setbacks.set(name, setbacks + 1);
    const until =
      outcome.until ?? clock.now() + Math.min(FIRST_PAUSE_MS * 2 ** Math.min(setbacks, 10), LONGEST_PAUSE_MS);
    ledger.setPause({ scope: outcome.scope, name, code: outcome.code, because: outcome.because, until });
    this.#parts.bus.emit('task.held', {
      graph: run.graph,
      task: run.task,
      code: outcome.code,
      because: outcome.because,
    });
    const graph = graphs.get(run.graph);
    if (graph) {
      await releaseInGraph(graph.store, run, { now: clock.now(), because: outcome.because });
      await this.#leaveRegistry(graph, run, 'dead');
    }
    ledger.move(run.id, 'interrupted', { outcome, finishedAt: clock.now() });
  }

  #available(live: LiveRun): void {
    for (const scope of ['task', 'profile', 'account'] as const) {
      const name = this.#pauseName(live.run, scope);
      if (this.#setbacks.delete(name)) this.#parts.ledger.clearPause(scope, name);
    }
  }

  #pauseName(run: Run, scope: 'task' | 'profile' | 'account'): string {
    if (scope === 'task') return taskKey(run.graph, run.task);
    if (scope === 'profile') return run.executor;
    const profile = this.#parts.graphs.get(run.graph)?.profiles.byName.get(run.executor);
    return profile?.type === 'claude' ? profile.account : run.executor;
  }

  #abandon(live: LiveRun, because: string): void {
    this.#parts.ledger.move(live.run.id, 'abandoned', { finishedAt: this.#parts.clock.now() });
    this.live.delete(live.run.id);
    this.#emit('run.abandoned', live, { because });
    this.#parts.wake('abandoned');
  }

  /** Something around the work broke: the run stays in the ledger as it was, reconcile heals it. */
  async #broken(live: LiveRun, thrown: unknown): Promise<void> {
    const { log, ledger, clock } = this.#parts;
    log.error('run.broken', { run: live.run.id, task: live.run.task, because: messageOf(thrown) });
    const until = clock.now() + FIRST_PAUSE_MS;
    const name = taskKey(live.run.graph, live.run.task);
    ledger.setPause({ scope: 'task', name, code: 'run-broken', because: messageOf(thrown), until });
    this.live.delete(live.run.id);
    this.#parts.wake('broken');
  }

  #retry(run: Run, outcome: Failed) {
    const { ledger, clock, identity, graphs } = this.#parts;
    const policy =
      graphs.get(run.graph)?.profiles.byName.get(run.executor)?.retry ?? this.#parts.config().retry;
    const counted = ledger.countedAttempts(run.graph, run.task, run.taskCreatedAt);
    return retryDecision(run, outcome, policy, counted, clock.now(), identity.random());
  }

  #control(live: LiveRun): RunControl {
    return {
      signal: live.signal,
      progress: (message) => {
        live.progressAt = this.#parts.clock.now();
        live.progress = message;
        this.#emit('run.progress', live, { message });
      },
      note: (facts) => {
        this.#parts.ledger.note(live.run.id, facts);
      },
    };
  }

  #executor(type: ExecutorType): Executor {
    const executor = this.#parts.executors.get(type);
    if (!executor) throw new Error(`no executor of type ${type}`);
    return executor;
  }

  async #leaveRegistry(graph: SupervisedGraph, run: Run, status: 'done' | 'failed' | 'dead'): Promise<void> {
    if (run.agent === '') return;
    await graph.registry.update([{ agent: run.agent, status }]).catch((thrown: unknown) => {
      // The registry only shows wg what happened; the graph and the ledger have it already.
      this.#parts.log.warn('registry.unwritten', { agent: run.agent, because: messageOf(thrown) });
    });
  }

  #later(work: Promise<unknown>): void {
    work.catch((thrown) => this.#parts.log.warn('background.failed', { because: messageOf(thrown) }));
  }

  #emit(name: Parameters<Bus['emit']>[0], live: LiveRun, more: object): void {
    this.#emitRun(name, live.run, more);
  }

  #emitRun(name: Parameters<Bus['emit']>[0], run: Run, more: object): void {
    const { id, graph, task, worktree, executor, attempt } = run;
    this.#parts.bus.emit(name, { run: id, graph, task, worktree, executor, attempt, ...more } as never);
  }
}

/** The graph says already what the outcome would have written. */
function isSettledBy(status: string | null, outcome: Succeeded | Failed): boolean {
  if (outcome.kind === 'succeeded')
    return status === 'done' || status === 'pending-eval' || status === 'pending-validation';
  return status === 'failed' || status === 'failed-pending-eval';
}
