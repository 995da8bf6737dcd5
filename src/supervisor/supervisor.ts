// The tick: observe, decide, apply. A wake during a tick is not lost, ticks never overlap, and one timer covers every
// instant that anything waits for.

import { createMemo, type DecideMemo, decide } from '../decide/decide.ts';
import type { GraphHold, World } from '../decide/world.ts';
import type { Config } from '../domain/config.ts';
import { messageOf } from '../domain/errors.ts';
import { type GraphPath, type RunId, taskOfKey } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { Maintenance } from '../graphs/maintenance.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Cancel } from '../platform/clock.ts';
import { nextTurn, type Turn } from '../platform/cooperative.ts';
import type { Service } from '../platform/service.ts';
import { liftOutdatedHolds } from '../run/endpoint-holds.ts';
import type { Decided, LastDecision } from '../run/last-decision.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { Runs } from '../run/runs.ts';
import type { RememberedGraph } from '../runs/graph-book.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { RunFiles } from '../runs/run-file.ts';
import type { ConnectedWorkers } from './connected-workers.ts';
import { Dispatcher } from './dispatcher.ts';
import { LedgerTrouble } from './ledger-trouble.ts';
import { LongJudgements } from './long-judgements.ts';
import { LongReadings } from './long-readings.ts';
import { LostGraphs } from './lost-graphs.ts';
import type { MachineWatch } from './machine-watch.ts';
import { observeWorld } from './observe.ts';
import { ObservedTasks } from './observed-tasks.ts';

export type SupervisorState = 'starting' | 'running' | 'draining' | 'stopping' | 'stopped';

interface SupervisorNeeds extends Base {
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly runs: Runs;
  readonly workers: ConnectedWorkers;
  /** Where each decision is kept for all others. */
  readonly last: LastDecision;
  /** Distinguishes this supervisor's runs from another's. */
  readonly stateDir: string;
  readonly turn: Turn;
  /** The folders of graphs and runs; absent: on the disk. */
  readonly runFiles?: RunFiles;
  readonly folderAt?: (graph: GraphPath) => string | null;
  /** Observe mode: judge and report, change nothing. */
  readonly observeOnly: boolean;
  config(): Config;
  /** Why nothing at all may start though everything else continues: a common requirement is missing. */
  unavailable(): GraphHold | null;
  /** Updates what is watched. */
  watch(graphs: readonly GraphPath[]): void;
  /** The state of the machine; absent: it is not looked at. */
  readonly machine?: MachineWatch;
  /** What is done for graphs besides dispatching; absent: nothing. */
  readonly maintenance?: Maintenance;
  /** Applies completions that waited on the disk while no supervisor could write them. */
  takeSpooled(): Promise<void>;
  /** Done with every full scan: failed watches renewed, the spool drained, orphans stopped. */
  periodicTasks(now: {
    readonly isStarting: boolean;
    readonly attended: () => ReadonlySet<RunId>;
  }): Promise<void>;
}

/** A clock change below this is only its usual correction, ms. */
const CLOCK_JUMP_MS = 30_000;

/** The longest sleep: a changed clock or a suspended laptop is noticed within it. */
const LONGEST_SLEEP_MS = 60_000;

export class Supervisor implements Service {
  readonly name = 'supervisor';
  readonly #dispatcher: Dispatcher;
  readonly #lost: LostGraphs;
  readonly #runs: Runs;
  readonly #parts: SupervisorNeeds;
  readonly #memo: DecideMemo = createMemo();
  readonly #dirty = new Set<GraphPath>();
  readonly #ledgerTrouble: LedgerTrouble;
  readonly #longReadings: LongReadings;
  readonly #longJudgements: LongJudgements;
  readonly #observed: ObservedTasks;
  #state: SupervisorState = 'stopped';
  #ticking: Promise<void> | null = null;
  #again = false;
  #rediscover = false;
  #timer: Cancel = () => {};
  #safetyAt = 0;
  /** Wall clock minus running time at the last check, ms. */
  #drift: number | null = null;
  #relistAt = 0;
  #maintainAt: number | null = null;
  #quiet: (() => void)[] = [];

  constructor(parts: SupervisorNeeds) {
    this.#parts = parts;
    this.#runs = parts.runs;
    this.#ledgerTrouble = new LedgerTrouble(parts);
    this.#longReadings = new LongReadings(parts, () => this.wake());
    this.#longJudgements = new LongJudgements({ ...parts, memo: this.#memo, wake: () => this.wake() });
    this.#dispatcher = new Dispatcher({ ...parts, wake: () => this.wake() });
    this.#lost = new LostGraphs(parts);
    this.#observed = new ObservedTasks(parts.bus);
  }

  get state(): SupervisorState {
    return this.#state;
  }

  /** The last observation and decision; null before the first tick. */
  get decided(): Decided | null {
    return this.#parts.last.made;
  }

  /** What is known of graphs that are gone. */
  get goneGraphs(): readonly RememberedGraph[] {
    return this.#lost.gone();
  }

  /** Starts a run of a plan; its work continues in the background. Throws `conflict` if the task has one. */
  dispatch(plan: Plan): LiveRun {
    return this.#dispatcher.dispatch(plan);
  }

  /** Ends every agent and waits until that is written down. */
  async cancelAll(): Promise<void> {
    await this.#dispatcher.stopAll('shutdown');
  }

  /** Resolves when nothing is being carried, attended in a slot, or written. */
  async idle(): Promise<void> {
    await this.#dispatcher.idle();
  }

  async start(): Promise<void> {
    if (this.#state !== 'stopped') return;
    this.#state = 'starting';
    this.#rediscover = true;
    // First everything is read and the state left from before repaired; then new work may start.
    await this.tick();
    await this.#parts.takeSpooled();
    if (this.#state === 'starting') this.#state = 'running';
    await this.tick();
    this.#parts.bus.emit('supervisor.started', {
      pid: process.pid,
      mode: this.#parts.observeOnly ? 'observe' : 'dispatch',
    });
  }

  /** Stops ticking and closes the graphs; detached agents keep running unless `cancel` stopped them before. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopping';
    this.#timer();
    await this.#ticking;
    const stillRunning = this.#runs.attended().filter((live) => live.run.process).length;
    await this.#longReadings.idle();
    await this.#longJudgements.stop();
    await this.#dispatcher.stopAll('detached');
    await this.#parts.graphs.release();
    this.#state = 'stopped';
    this.#parts.bus.emit('supervisor.stopped', { stillRunning });
  }

  /** Stops dispatching; running work continues. */
  drain(because: string): void {
    if (this.#state !== 'running' && this.#state !== 'starting') return;
    this.#state = 'draining';
    this.#parts.bus.emit('supervisor.draining', { because });
    this.wake();
  }

  /** Dispatches again after `drain`. */
  undrain(): void {
    if (this.#state !== 'draining') return;
    this.#state = 'running';
    this.wake();
  }

  /** Requests a tick soon. Cheap, and never lost. */
  wake(): void {
    if (this.#state === 'stopped' || this.#state === 'stopping') return;
    if (this.#ticking) this.#comeAgain();
    else void this.tick();
  }

  /**
   * A graph or its configuration may have changed; `graph`: only graph.jsonl, and then our own writes are no news.
   */
  markDirty(graph: GraphPath, of: 'graph' | 'any' = 'any'): void {
    if (of === 'graph' && !this.#parts.graphs.mayDiffer(graph)) return;
    this.#dirty.add(graph);
    this.wake();
  }

  /** Worktrees may have appeared or vanished. */
  markWorktreesChanged(): void {
    this.#rediscover = true;
    this.wake();
  }

  /** Everything may have changed: worktrees, every graph, every profile. */
  markEverything(): void {
    this.#safetyAt = 0;
    this.markWorktreesChanged();
  }

  /** One pass of observe, decide, apply; joins the one under way and then makes another. */
  tick(): Promise<void> {
    if (this.#ticking) {
      this.#comeAgain();
      return this.#ticking;
    }
    this.#ticking = this.#passes().finally(() => {
      this.#ticking = null;
      // A wake after the last check of `again` must not be lost.
      if (this.#again) this.wake();
      const waiting = this.#quiet;
      this.#quiet = [];
      for (const look of waiting) look();
    });
    return this.#ticking;
  }

  /** Resolves when nothing runs in a slot, nothing was dispatched by the last tick and none is due. */
  async quiet(): Promise<void> {
    for (;;) {
      await this.tick();
      if (this.#isQuiet()) return;
      await new Promise<void>((resolve) => this.#quiet.push(resolve));
      await nextTurn();
    }
  }

  #isQuiet(): boolean {
    const busy = this.#runs.attended().some((live) => live.run.phase !== 'handed-off');
    // An observer leaves what is due to others.
    const due = this.#parts.observeOnly ? 0 : (this.decided?.decision.actions.length ?? 0);
    const isBehind = this.#longReadings.isBusy || this.#longJudgements.isBusy;
    return !busy && due === 0 && !this.#again && !isBehind && !this.#isUnsure();
  }

  /** Something is missing from a graph, and its consequences are not known yet. */
  #isUnsure(): boolean {
    const now = this.#parts.clock.now();
    const { rewindGraceMs } = this.#parts.config().limits;
    const doubts = this.#parts.observeOnly ? [] : (this.decided?.decision.doubts.values() ?? []);
    return [...doubts].some((since) => now < since + rewindGraceMs);
  }

  /** Events during a pass get one of their own. */
  #comeAgain(): void {
    this.#again = true;
  }

  async #passes(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#pass();
      } catch (thrown) {
        this.#parts.log.error('tick.failed', { because: messageOf(thrown) });
        this.#sleepUntil(this.#ledgerTrouble.look() ?? this.#parts.clock.now() + 1000);
      }
      // A pass without anything to read may have awaited nothing but resolved promises.
      if (this.#again) await nextTurn();
    } while (this.#again && this.#state !== 'stopping');
  }

  async #pass(): Promise<void> {
    const { clock, bus, log } = this.#parts;
    await this.#look();
    if (this.#state === 'stopping') return;
    for (const profile of liftOutdatedHolds(this.#parts)) log.info('endpoint.released', { profile });
    this.#noteClock();
    this.#runs.expire(clock.now());
    const ledgerAt = this.#ledgerTrouble.look();
    // Before anything starts, everything is judged as it is.
    if (this.#state === 'starting') await this.#longJudgements.complete(() => this.#world());
    const decided = (await this.#parts.machine?.judged(() => this.judge())) ?? this.judge();
    this.#parts.last.note(decided);
    const { decision } = decided;
    if (this.#parts.observeOnly) this.#observed.tell(decision.verdicts.values());
    const dispatched = this.#parts.observeOnly ? 0 : this.#dispatcher.apply(decision.actions);
    if (this.#longJudgements.actedOn()) this.#comeAgain();
    this.#sleepUntil(ledgerAt === null ? decision.wakeAt : Math.min(ledgerAt, decision.wakeAt ?? ledgerAt));
    bus.emit('tick.finished', { dispatched, wakeAt: decision.wakeAt });
  }

  /** The world and its verdicts at this very moment. Decides, and applies nothing. */
  judge(): Decided {
    const world = this.#world();
    return { world, decision: decide(world, this.#memo, this.#longJudgements.of(world)) };
  }

  #world(): World {
    const { clock, graphs, ledger, config } = this.#parts;
    return observeWorld({
      now: clock.now(),
      config: config(),
      graphs,
      ledger,
      attended: this.#dispatcher.attended(),
      waiting: new Set([...this.#dispatcher.waiting, ...this.#parts.runs.queued()]),
      endingTasks: this.#runs.endingTasks(),
      ending: this.#runs.stillWriting(),
      peers: new Map(),
      dispatchBlocked: this.#dispatchBlocked(),
      workers: this.#parts.workers.byProfile(clock.now()),
      machine: this.#parts.machine?.view() ?? null,
      ...(this.decided ? { doubts: this.decided.decision.doubts } : {}),
    });
  }

  /**
   * Reads what may have changed; periodically everything, because a file event is a hint and this pass is
   * authoritative.
   */
  async #look(): Promise<void> {
    const { clock, graphs, config, observeOnly } = this.#parts;
    const { limits } = config();
    const now = clock.now();
    // Includes what was written since the last check: this one may find it gone.
    this.#lost.see();
    if (this.#rediscover || now >= this.#relistAt || now < this.#relistAt - limits.relistMs) {
      this.#rediscover = false;
      this.#relistAt = now + limits.relistMs;
      await this.#relist();
    }
    if (now >= this.#safetyAt || now < this.#safetyAt - limits.safetyPassMs) {
      this.#safetyAt = now + limits.safetyPassMs;
      await this.#lookAtEverything();
    }
    const read = await this.#readDirty();
    this.#lost.see();
    if (!observeOnly) {
      if (read.some((path) => graphs.get(path)?.store.snapshot().problem?.code === 'missing'))
        this.#lost.note();
      this.#dispatcher.attendLost();
    }
    await this.#maintain();
    if (observeOnly) return;
    await this.#runs.takeUpUnknown(graphs.all());
    for (const task of this.#runs.unpark()) this.#parts.log.info('task.unparked', { task });
  }

  /** Lists worktrees again, and does what follows for runs whose graphs came, moved or went. */
  async #relist(): Promise<void> {
    const { graphs, config, ledger, observeOnly, watch } = this.#parts;
    await graphs.rediscover(config());
    if (!observeOnly) {
      this.#lost.follow(this.#runs.attended());
      this.#lost.note();
      this.#dispatcher.giveUp((graph) => this.#lost.isGivenUp(graph));
      this.#lost.prune();
      // Before the first sweep, which treats agents unknown to the ledger as orphans.
      await this.#runs.takeUpUnknown(graphs.all());
      for (const run of ledger.openRuns()) if (graphs.isGone(run)) this.#dispatcher.disown(run);
    }
    watch(graphs.all().map((graph) => graph.path));
  }

  async #lookAtEverything(): Promise<void> {
    const { graphs, observeOnly, periodicTasks } = this.#parts;
    for (const path of await graphs.changed()) this.#dirty.add(path);
    await periodicTasks({
      isStarting: this.#state === 'starting',
      attended: () => this.#dispatcher.attended(),
    });
    await graphs.recheckHolds();
    if (!observeOnly) this.#lost.note();
  }

  /** Reads what may have changed; long readings continue beside. Returns what was read. */
  async #readDirty(): Promise<readonly GraphPath[]> {
    const doubtful = this.#doubtful();
    const dirty = new Set([...this.#dirty, ...doubtful]);
    this.#dirty.clear();
    const isLong = (path: GraphPath) =>
      this.#state !== 'starting' && !doubtful.includes(path) && this.#longReadings.isLong(path);
    for (const path of dirty) if (isLong(path)) this.#longReadings.begin(path);
    const short = [...dirty].filter((path) => !isLong(path));
    await this.#parts.graphs.refresh(short);
    return [...short, ...this.#longReadings.takeEnded()];
  }

  /** Graphs from which a claim or result is missing: that has no consequences before they were read once more. */
  #doubtful(): GraphPath[] {
    const { doubts } = this.decided?.decision ?? {};
    if (!doubts || doubts.size === 0) return [];
    const runs = this.#parts.ledger.openRuns();
    return [...doubts.keys()].flatMap((key) => {
      const graph = taskOfKey(key)?.graph ?? runs.find((run) => run.id === key)?.graph;
      return graph === undefined ? [] : [graph];
    });
  }

  async #maintain(): Promise<void> {
    const { maintenance, observeOnly, ledger } = this.#parts;
    if (!maintenance) return;
    await maintenance.look();
    this.#maintainAt = observeOnly ? null : await maintenance.work(ledger.openRuns());
  }

  /** Wall clock against running time: they drift apart when the clock is set or the machine sleeps. */
  #noteClock(): void {
    const { clock, log } = this.#parts;
    const elapsed = clock.elapsed?.();
    if (elapsed === undefined) return;
    const drift = clock.now() - elapsed;
    const jump = this.#drift === null ? 0 : drift - this.#drift;
    this.#drift = drift;
    if (Math.abs(jump) < CLOCK_JUMP_MS) return;
    log.warn('clock.jumped', { ms: Math.round(jump) });
    this.#runs.shiftClock(jump);
  }

  #dispatchBlocked(): GraphHold | null {
    if (this.#parts.observeOnly) return { code: 'observe', because: 'the supervisor only observes' };
    if (this.#state === 'starting')
      return {
        code: 'starting',
        because: 'the supervisor is starting: what is left from before comes first',
      };
    if (this.#state === 'draining' || this.#state === 'stopping')
      return { code: 'draining', because: 'the supervisor is draining: it takes nothing new' };
    return this.#parts.unavailable() ?? this.#ledgerTrouble.hold();
  }

  #sleepUntil(wakeAt: number | null): void {
    const now = this.#parts.clock.now();
    const next = Math.min(
      wakeAt ?? Number.POSITIVE_INFINITY,
      this.#runs.nextEnd(now) ?? Number.POSITIVE_INFINITY,
      this.#safetyAt,
      this.#relistAt,
      this.#maintainAt ?? Number.POSITIVE_INFINITY,
      this.#longJudgements.nextAt ?? Number.POSITIVE_INFINITY,
      now + LONGEST_SLEEP_MS,
    );
    this.#timer();
    this.#timer = this.#parts.clock.after(Math.max(0, next - now), () => this.wake());
  }
}
