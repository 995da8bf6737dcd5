// The runs of this process, and everything other rooms may do with them: start, attend, finish, renew, release.
// The tick and the API use runs through these verbs alone.

import { profileNamed } from '../decide/routes/route.ts';
import type { KnownResult } from '../decide/world.ts';
import type { SupervisorError } from '../domain/errors.ts';
import { type GraphPath, type TaskKey, taskKey } from '../domain/ids.ts';
import type { AccountLack, Failed, Stopped, StopReason, Succeeded } from '../domain/outcome.ts';
import type { Plan } from '../domain/plan.ts';
import { accountOf, type Profile } from '../domain/profile.ts';
import type { ReportedProblem } from '../domain/report.ts';
import { isOpenRun, type Run, type RunNotes } from '../domain/run.ts';
import type { Assignment } from '../executors/executor.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Bus } from '../platform/bus.ts';
import type { Lease } from '../runs/lease-row.ts';
import type { Ledger } from '../runs/ledger.ts';
import { CANCELLED } from '../runs/old-runs.ts';
import type { AssignedGraph } from './assignment.ts';
import type { Availability } from './availability.ts';
import type { Background } from './background.ts';
import type { Ended, EndedBy, RunEnds } from './end-run.ts';
import type { RunHooks } from './hooks.ts';
import type { HeartbeatAnswer, HeartbeatFields, Leases } from './leases.ts';
import type { LiveRun } from './live-run.ts';
import type { OwnPlaces } from './own-places.ts';
import type { Parking } from './parking.ts';
import { type AnsweredQuestion, answerQuestion, askQuestion, type Question } from './questions.ts';
import type { Recovery } from './recovery.ts';
import type { Releases } from './release.ts';
import type { Rewound } from './rewound.ts';
import { nameOf, type RunEvents } from './run-events.ts';
import type { Runner } from './runner.ts';
import { nextSilenceAt, silenceLevel, silenceText } from './silence.ts';
import type { Unanswered } from './unanswered.ts';

interface RunsNeeds extends Pick<Base, 'bus' | 'clock'> {
  readonly live: Map<string, LiveRun>;
  readonly ledger: Pick<Ledger, 'move' | 'note' | 'run' | 'setPause' | 'setMeta'>;
  readonly graphs: Pick<SupervisedGraphs, 'get'>;
  readonly runner: Runner;
  readonly hooks: Pick<RunHooks, 'unfinished'>;
  readonly places: Pick<OwnPlaces, 'tidy' | 'tidyIfDue' | 'kept'>;
  readonly ends: RunEnds;
  readonly releases: Releases;
  readonly rewound: Rewound;
  readonly events: RunEvents;
  readonly leases: Leases;
  readonly recovery: Recovery;
  readonly availability: Availability;
  readonly parking: Parking;
  /** Runs whose result is unknown for now. */
  readonly unanswered: Unanswered;
  readonly background: Background;
}

export class Runs {
  readonly #parts: RunsNeeds;
  readonly #live: Map<string, LiveRun>;
  readonly #runner: Runner;
  readonly #ends: RunEnds;
  readonly #releases: Releases;
  readonly #leases: Leases;
  /** Tasks that an external worker is claiming now: no tick may dispatch them in between. */
  readonly #changingHands = new Set<TaskKey>();

  constructor(parts: RunsNeeds) {
    this.#parts = parts;
    this.#live = parts.live;
    this.#runner = parts.runner;
    this.#ends = parts.ends;
    this.#releases = parts.releases;
    this.#leases = parts.leases;
  }

  // Which there are.

  /** Every run that this process attends to, as they are now. */
  attended(): readonly LiveRun[] {
    return [...this.#live.values()];
  }

  /** A run that this process attends to. */
  find(run: string): LiveRun | undefined {
    return this.#live.get(run);
  }

  /** Those that lie in a queue, where no worker has begun them. */
  queued(): ReadonlySet<string> {
    return new Set(this.attended().flatMap(({ isQueued, run }) => (isQueued ? [run.id] : [])));
  }

  /** Those of a task: the next one may begin while the process of the last one still ends. */
  ofTask(key: TaskKey): readonly LiveRun[] {
    return this.attended().filter(({ run }) => taskKey(run.graph, run.task) === key);
  }

  /** Tasks that a tick leaves alone: just changing hands, or settled while their process still ends. */
  endingTasks(): ReadonlySet<TaskKey> {
    const declared = this.attended().filter((live) => live.declared);
    return new Set([...this.#changingHands, ...declared.map(({ run }) => taskKey(run.graph, run.task))]);
  }

  /**
   * Runs reported as finished while their process keeps running: it may write to its worktree as long as it lives.
   */
  stillWriting(): readonly Run[] {
    return this.attended().flatMap(({ declared, run }) =>
      declared !== null && run.process !== null ? [{ ...run, phase: 'started' as const }] : [],
    );
  }

  /** Removes worktrees of finished tasks that would lose nothing. Never rejects. */
  tidyPlaces(): Promise<void> {
    return this.#parts.places.tidy();
  }

  /** The same, if a run in one has ended since. */
  tidyPlacesIfDue(): Promise<void> {
    return this.#parts.places.tidyIfDue();
  }

  /** Why worktrees of tasks are kept, by path, each with the command that removes it. */
  keptPlaces(): ReadonlyMap<string, string> {
    return this.#parts.places.kept();
  }

  /** Reports the silence of running agents, and tasks that are missing from their graphs. */
  problems(now: number): ReportedProblem[] {
    return this.attended().flatMap((live) => {
      const gone = this.#goneText(live.run);
      if (gone !== null) return [{ code: 'rewound', message: gone }];
      const silence = silenceText(live, now);
      const { task, agent, process } = live.run;
      if (silence === null) return [];
      return [{ code: 'silent-run', message: `${task} (${agent}, pid ${process?.pid}): ${silence}` }];
    });
  }

  /** The notice about an agent whose task is missing from its graph. */
  #goneText({ graph, task, agent, phase }: Run): string | null {
    const snapshot = this.#parts.graphs.get(graph)?.store.snapshot();
    if (!snapshot || snapshot.problem || phase === 'opened' || snapshot.tasks.has(task)) return null;
    return `${agent} works on ${task}, which is gone from ${graph} (git?); its result is kept, \`supervisor runs\` shows it`;
  }

  // How one begins.

  /** Opens a run for each plan, all in one write: the run, or why it was refused. Throws if nothing was written. */
  openAll(plans: readonly Plan[]): (LiveRun | SupervisorError)[] {
    return this.#runner.openAll(plans);
  }

  /** The same for one plan; throws the refusal, `conflict` if the task has an open run. */
  open(plan: Plan): LiveRun {
    return this.#runner.open(plan);
  }

  /** Claims, starts and attends. Resolves when the run's slot is free again; never rejects. */
  carry(live: LiveRun, plan: Plan): Promise<void> {
    return this.#runner.carry(live, plan);
  }

  /** Everything the run's worker needs to know. */
  assign(live: LiveRun, graph: AssignedGraph, profile: Profile): Promise<Assignment> {
    return this.#runner.assign(live, graph, profile);
  }

  /** Attends to a run that an earlier supervisor began. Resolves when it has finished; never rejects. */
  adopt(run: Run, profile: Profile): Promise<void> {
    return this.#runner.adopt(run, profile);
  }

  /** Whether it makes sense to attend to a run that ended: one that gave no answer is asked less and less often. */
  mayAsk(run: string): boolean {
    return this.#parts.unanswered.mayAsk(run, this.#parts.clock.now());
  }

  /** Attends to a claimed run whose supervisor died before it knew whether the far side has it; `resume` carries it on. */
  reclaimInterrupted(run: Run): LiveRun {
    return this.#runner.reclaimInterrupted(run);
  }

  /** Begins such a run once more: the same run, message id and fence. Never rejects. */
  resume(live: LiveRun, profile: Profile): Promise<void> {
    return this.#runner.resume(live, profile);
  }

  /** Keeps ticks away from a task while an external worker claims it. */
  async whileChangingHands<T>(key: TaskKey, act: () => Promise<T>): Promise<T> {
    this.#changingHands.add(key);
    try {
      return await act();
    } finally {
      this.#changingHands.delete(key);
    }
  }

  isChangingHands(key: TaskKey): boolean {
    return this.#changingHands.has(key);
  }

  // How one ends.

  /** Ends a run with an outcome. Throws `failed` for a report that the gate refuses, and what cannot be written. */
  end(run: Run, outcome: Succeeded | Failed, by: EndedBy): Promise<Ended> {
    return this.#ends.end(run, outcome, by);
  }

  /** Attends to the process of a run that has an outcome until it ends: the next attempt must not meet it. */
  windUp(run: Run, outcome: Succeeded | Failed, profile: Profile): Promise<void> {
    const attending = this.#runner.adopt(run, profile);
    this.#ends.letEnd(run, outcome);
    return attending;
  }

  /** Records the result of a run whose outcome is in its graph already, unless it is known. */
  recallWritten(run: Run): void {
    this.#ends.recallWritten(run);
  }

  /** Whether the outcome of this run is being written now. */
  isFinishing(run: string): boolean {
    return this.#ends.isWriting(run);
  }

  /** The graph's outcome of a task that its own agent finished directly; null if another one did. */
  saidInGraph(run: Run): Succeeded | Failed | null {
    return this.#ends.saidInGraph(run);
  }

  /** Closes a run whose task was changed by a decision. */
  overrule(run: Run, phase: 'overruled' | 'superseded', because: string): void {
    this.#releases.overrule(run, phase, because);
  }

  /** Closes a run whose worktree is gone. A task that moved with its worktree is released there. */
  disown(run: Run): Promise<void> {
    return this.#releases.disown(run);
  }

  /** Releases a claimed task; the attempt does not count. */
  release(run: Run, because: string, options?: { paused?: boolean; outcome?: Stopped }): Promise<void> {
    return this.#releases.release(run, because, options);
  }

  /** The account that the run's profile names for its workers lacks something; without one each worker rests alone. */
  accountLacks(run: Run, lack: AccountLack, because: string): void {
    const profiles = this.#parts.graphs.get(run.graph)?.profiles;
    if (accountOf((profiles && profileNamed(run.executor, profiles)) ?? null) === null) return;
    this.#parts.availability.reportUnavailable(run, { kind: 'deferred', ...lack, because, scope: 'account' });
  }

  /** A release of the run in progress, if there is one: reports that arrive meanwhile must wait and check again. */
  releaseOf(run: string): Promise<void> | undefined {
    return this.#releases.releaseOf(run);
  }

  /** Releases the task of a run that never started; one time too many parks it. */
  async giveBack(run: Run, because: string): Promise<void> {
    await this.#releases.giveBack(run, `${because}${await this.#parts.hooks.unfinished(run)}`);
  }

  /** Stops a run on request: its task stays paused until it is resumed. */
  async cancel(run: Run, because: string): Promise<void> {
    const live = this.#live.get(run.id);
    live?.stop('cancelled', because);
    // A caller that is told so may rely on it, also if this supervisor is killed before the task is released.
    this.#parts.ledger.setMeta(`${CANCELLED}${run.id}`, because);
    if (live) return;
    const outcome: Stopped = { kind: 'stopped', reason: 'cancelled', because };
    await this.release(run, because, { paused: true, outcome });
  }

  /** Releases a run that another worker takes over, and stops attending to it. */
  async takeAway(live: LiveRun, because: string): Promise<void> {
    await this.release(live.run, because);
    live.stop('completed');
    this.#live.delete(live.run.id);
  }

  /** Writes the claim of a run again whose task is on an older line now. */
  reclaim(run: Run): Promise<void> {
    return this.#parts.rewound.reclaim(run);
  }

  /** Writes a known result again into its task's line, which is an older one now. */
  restore(known: KnownResult, graph: GraphPath): Promise<void> {
    return this.#parts.rewound.restore(known, graph);
  }

  // External work.

  /** Records the lease of a run. */
  agree(live: LiveRun, lease: Lease): void {
    this.#leases.set(live, lease);
  }

  /** A heartbeat: extends the lease. `message`: the worker's progress. */
  heartbeat(live: LiveRun, message: string | undefined, facts: HeartbeatFields): HeartbeatAnswer {
    if (message !== undefined) live.progress = message;
    const answer = this.#leases.renew(live, facts);
    if (message !== undefined) this.tell('run.progress', live.run, { message });
    return answer;
  }

  /** What a worker elsewhere says that its run used so far. */
  noteUse({ run }: LiveRun, used: Partial<Pick<RunNotes, 'usage' | 'model'>>): void {
    this.#parts.ledger.note(run.id, used);
    if ((used.usage?.outputTokens ?? 0) > 0) this.#parts.availability.works(run);
  }

  /** The worker waits for a person: its clock is stopped. A repeated question is the same question. */
  ask(live: LiveRun, asked: Question, facts: HeartbeatFields): HeartbeatAnswer {
    return askQuestion(live, asked, facts, {
      leases: this.#leases,
      events: this.#parts.events,
      now: this.#parts.clock.now(),
    });
  }

  /** Answers the open question of a run. Throws `conflict`: `nothing-asked`, `already-answered`. */
  answer(live: LiveRun, said: Parameters<typeof answerQuestion>[1]): AnsweredQuestion {
    return answerQuestion(live, said, { leases: this.#leases, events: this.#parts.events });
  }

  // The passing of time.

  /** Stops runs whose time has run out, and reports silence. */
  expire(now: number): void {
    for (const live of this.attended()) {
      const at = live.endsAt;
      if (at === null || at > now) continue;
      live.stop(live.lingerUntil === null ? 'timeout' : 'completed');
    }
    for (const live of this.attended()) {
      this.#leases.expire(live, now);
      const level = silenceLevel(live, now);
      if (level === live.silence) continue;
      live.silence = level;
      const silentMs = now - live.progressAt;
      if (level) this.#parts.bus.emit('run.silent', { ...nameOf(live.run), silentMs, level });
    }
  }

  /** When time alone stops the next run, or one is polled again, ms. */
  nextEnd(now: number): number | null {
    let next = this.#parts.unanswered.nextAt(now);
    for (const live of this.#live.values()) {
      for (const at of [live.endsAt, this.#leases.nextAt(live), nextSilenceAt(live, now)])
        if (at !== null && (next === null || at < next)) next = at;
    }
    return next;
  }

  /** The clock was set, or the machine slept, by this many ms: time in which no agent could work is not counted. */
  shiftClock(ms: number): void {
    for (const live of this.#live.values()) {
      if (!live.run.process) continue;
      live.shift(ms);
      const known = this.#parts.ledger.run(live.run.id);
      // One that is reported as finished may have been settled while its process still ends.
      if (known && isOpenRun(known))
        this.#parts.ledger.move(known.id, known.phase, { deadlineAt: live.run.deadlineAt });
    }
  }

  // Their surrounding services.

  /** What was missing may exist now: every profile that lacked a program may try again. */
  retryMissing(): void {
    this.#parts.availability.retryMissing();
  }

  /** A person says that the profiles of a name work again, wherever they are written. */
  resumeProfile(name: string): void {
    this.#parts.availability.resume(name);
  }

  /** Unparks tasks that were changed since, or no longer exist. Returns them. */
  unpark(): readonly TaskKey[] {
    return this.#parts.parking.release();
  }

  /** Restores what the ledger does not know of graphs that are served for the first time, or again. Returns how many. */
  takeUpUnknown(graphs: readonly SupervisedGraph[]): Promise<number> {
    return this.#parts.recovery.takeUpUnknown(graphs);
  }

  /** Whether the agent of a run that was claimed when its supervisor died was started all the same; then it is `started`. */
  async findAgent(run: Run): Promise<'begun' | 'never' | 'away'> {
    return run.phase === 'claimed' ? await this.#parts.recovery.findAgent(run) : 'never';
  }

  /** The same for one whose graph cannot be read: where there is no agent nothing follows from that, and it is asked again. */
  async seekAgent(run: Run): Promise<void> {
    const { unanswered, clock } = this.#parts;
    if ((await this.findAgent(run)) === 'begun') unanswered.forget(run.id);
    else unanswered.note(run.id, clock.now());
  }

  /** Emits an event of a run. */
  tell(name: Parameters<Bus['emit']>[0], run: Run, more: object): void {
    this.#parts.events.emit(name, run, more);
  }

  /** Stops every run with this reason. */
  stopAll(reason: StopReason): void {
    for (const live of this.attended()) live.stop(reason);
  }

  /** No background work (notes, attending) is in progress. */
  get isIdle(): boolean {
    return this.#parts.background.isIdle;
  }

  /** Resolves when that is so. */
  idle(): Promise<void> {
    return this.#parts.background.idle();
  }
}
