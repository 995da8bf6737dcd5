// Carries one run from `opened` to its end, in the order of writes that survives a crash at every step:
// ledger opened → registry → graph claim → start → ledger finished → graph settle → ledger settled.
// What its outcome means is run-ending.ts.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import { taskKey } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { ExecutorType, Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { Assignment, Begun, Executor, Handle, RunControl } from '../executors/executor.ts';
import type { Bus } from '../seams/bus.ts';
import { tokenHash } from '../seams/identity.ts';
import { buildAssignment, deadlineOf } from './assignment.ts';
import { claimTask } from './gated-end.ts';
import { LiveRun } from './live-run.ts';
import { Recovery } from './recovery.ts';
import { runControl } from './run-control.ts';
import { RunEnding } from './run-ending.ts';
import type { RunnerParts } from './runner-parts.ts';
import type { SupervisedGraph } from './supervised-graphs.ts';
import { vanishedTask } from './vanished-task.ts';

/** How long a task rests after something around its run broke, ms. */
const BROKEN_PAUSE_MS = 30_000;

export class Runner {
  /** Every run that this process attends to, by id. */
  readonly live = new Map<string, LiveRun>();
  readonly ending: RunEnding;
  readonly recovery: Recovery;
  readonly #parts: RunnerParts;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.ending = new RunEnding(parts, this.live);
    this.recovery = new Recovery(parts);
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
    this.#sign(live);
    this.live.set(run.id, live);
    this.#emit('run.opened', live, { because: plan.because });
    return live;
  }

  /** Claims, begins and attends. Resolves when the run's slot is free again; never rejects. */
  async carry(live: LiveRun, plan: Plan): Promise<void> {
    try {
      const graph = this.#parts.graphs.get(plan.graph);
      if (!graph) return void this.#abandon(live, 'its worktree is gone');
      if (live.signal.aborted) return void this.#abandon(live, 'cancelled before it began');
      if (!(await this.#claim(live, graph, plan.profile))) return;
      const assignment = await this.assign(live, graph, plan.profile);
      const executor = this.#executor(plan.profile.type);
      const begun = await executor.begin(assignment, this.#control(live));
      await this.#begun(live, graph, assignment, executor, begun);
    } catch (thrown) {
      this.#broken(live, thrown);
    }
  }

  /** Takes up a run that an earlier supervisor began. Resolves when it is over; never rejects. */
  async adopt(run: Run, profile: Profile): Promise<void> {
    const live = new LiveRun(run, null, this.#parts.clock.now());
    live.lease = this.#parts.ledger.lease(run.id);
    this.live.set(run.id, live);
    try {
      const graph = this.#parts.graphs.get(run.graph);
      if (!graph) return void this.live.delete(run.id);
      const assignment = await this.assign(live, graph, profile);
      this.#emit('run.adopted', live, { agent: run.agent, pid: run.process?.pid ?? null });
      const handle = { process: run.process, reference: run.reference, adopted: true };
      await this.#attend(live, assignment, this.#executor(profile.type), handle);
    } catch (thrown) {
      this.#broken(live, thrown);
    }
  }

  /** Takes up a claimed run whose supervisor died before it knew whether the far side has it; `resume` carries it on. */
  retake(run: Run): LiveRun {
    const { identity, ledger, clock } = this.#parts;
    // A further token: of the first one only the hash was kept.
    const token = identity.token('wgl_');
    ledger.addToken(run.id, tokenHash(token));
    const live = new LiveRun(run, token, clock.now());
    this.#sign(live);
    this.live.set(run.id, live);
    return live;
  }

  /** Gives work that goes elsewhere a token for the pre-signed URL. */
  #sign(live: LiveRun): void {
    if (live.run.type !== 'http' && live.run.type !== 'external') return;
    live.signedToken = this.#parts.identity.token('wgc_');
    this.#parts.ledger.addToken(live.run.id, tokenHash(live.signedToken));
  }

  /** Begins a retaken run once more: the same run, message id and fence. Never rejects. */
  async resume(live: LiveRun, profile: Profile): Promise<void> {
    try {
      const graph = this.#parts.graphs.get(live.run.graph);
      if (!graph || live.signal.aborted) return this.#leave(live);
      const assignment = await this.assign(live, graph, profile);
      this.#emit('run.adopted', live, { agent: live.run.agent, pid: null });
      const executor = this.#executor(profile.type);
      const begun = await executor.begin(assignment, this.#control(live));
      await this.#begun(live, graph, assignment, executor, begun);
    } catch (thrown) {
      this.#broken(live, thrown);
    }
  }

  async #claim(live: LiveRun, graph: SupervisedGraph, profile: Profile): Promise<boolean> {
    const { ledger, clock } = this.#parts;
    const { run } = live;
    // A daemon that was started since the last look would take no notice of our claim.
    const rival = await this.#parts.graphs.recheckHold(run.graph);
    if (rival) return this.#abandon(live, rival.because);
    const [agent] = await graph.registry.allocate([
      { task_id: run.task, executor: profile.name, worktree_path: run.worktree },
    ]);
    if (agent === undefined) throw new Error('the registry gave no agent id');
    const folder = join(run.graph, 'agents', agent);
    // Before the graph says so: a crash in between leaves a claim that the ledger knows whose it is.
    live.run = ledger.move(run.id, 'opened', { agent, folder });
    const now = clock.now();
    const facts = { executorName: profile.name, external: profile.type === 'external', now };
    const because = await claimTask(this.#parts.gate, graph.store, run, agent, facts, (draft) =>
      this.#parts.refuseClaim(graph, draft, run.task),
    );
    if (because !== null) {
      this.#abandon(live, because);
      await this.ending.leaveRegistry(graph, live.run, 'dead');
      return false;
    }
    await mkdir(folder, { recursive: true });
    const task = graph.store.snapshot().tasks.get(run.task);
    const deadlineAt = deadlineOf(task ?? {}, profile, now);
    live.run = ledger.move(run.id, 'claimed', { deadlineAt, startedAt: now });
    this.recovery.remember(live);
    this.#emit('run.claimed', live, { agent });
    return true;
  }

  /** Everything that whoever works on the run needs to know. */
  async assign(live: LiveRun, graph: SupervisedGraph, profile: Profile): Promise<Assignment> {
    const { identity, ledger } = this.#parts;
    const { run } = live;
    const task = graph.store.detail(run.task) ?? vanishedTask(run);
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
      signedToken: live.signedToken,
      leaseUntil: live.lease?.expiresAt ?? null,
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
    if (live.declared) {
      // Reported as over before it had begun here, by an agent that calls back before it answers.
      if (begun.kind !== 'running')
        return this.ending.conclude(live, { kind: 'stopped', reason: 'completed' });
      return this.#attend(live, assignment, executor, { ...begun, reference: null, adopted: false });
    }
    switch (begun.kind) {
      case 'ended':
        // Left in the middle of a delivery: as claimed it is delivered again by the next supervisor.
        if (begun.outcome.kind === 'stopped' && begun.outcome.reason === 'detached')
          return void this.#leave(live);
        if (begun.outcome.kind !== 'deferred') live.run = ledger.move(run.id, 'started');
        return this.ending.conclude(live, begun.outcome);
      case 'running': {
        live.run = ledger.move(run.id, 'started', { process: begun.process });
        this.recovery.remember(live);
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
        this.recovery.remember(live);
        this.#emit('run.handed-off', live, { reference: begun.reference });
        this.ending.availability.works(live.run);
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
      await this.ending.conclude(live, outcome);
    } catch (thrown) {
      this.#broken(live, thrown);
    }
  }

  #leave(live: LiveRun): void {
    this.live.delete(live.run.id);
    this.#parts.wake('detached');
  }

  #abandon(live: LiveRun, because: string): false {
    this.#parts.ledger.move(live.run.id, 'abandoned', { finishedAt: this.#parts.clock.now() });
    this.live.delete(live.run.id);
    this.#emit('run.abandoned', live, { because });
    this.#parts.wake('abandoned');
    return false;
  }

  /** Something around the work broke: the run stays in the ledger as it was, reconcile heals it. */
  #broken(live: LiveRun, thrown: unknown): void {
    const { log, ledger, clock } = this.#parts;
    log.error('run.broken', { run: live.run.id, task: live.run.task, because: messageOf(thrown) });
    this.live.delete(live.run.id);
    const until = clock.now() + BROKEN_PAUSE_MS;
    const name = taskKey(live.run.graph, live.run.task);
    try {
      ledger.setPause({ scope: 'task', name, code: 'run-broken', because: messageOf(thrown), until });
    } catch (again) {
      // The ledger itself is in the way (a full disk): nothing new can be opened then either.
      log.error('pause.unwritten', { task: live.run.task, because: messageOf(again) });
    }
    // No wake: what broke just now would break again at once. The next pass looks at it.
  }

  #control(live: LiveRun): RunControl {
    return {
      ...runControl(live, this.#parts, (message) => this.#emit('run.progress', live, { message })),
      works: () => this.ending.availability.works(live.run),
    };
  }

  #executor(type: ExecutorType): Executor {
    const executor = this.#parts.executors.get(type);
    if (!executor) throw new Error(`no executor of type ${type}`);
    return executor;
  }

  #later(work: Promise<unknown>): void {
    work.catch((thrown) => this.#parts.log.warn('background.failed', { because: messageOf(thrown) }));
  }

  #emit(name: Parameters<Bus['emit']>[0], live: LiveRun, more: object): void {
    this.ending.emit(name, live.run, more);
  }
}
