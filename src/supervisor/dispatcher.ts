// Carries out decisions and makes none itself. What enters its slots has been admitted, so that work never waits for
// capacity there.

import { profileOfRun } from '../decide/routes/route.ts';
import type { Action } from '../decide/world.ts';
import type { Config } from '../domain/config.ts';
import { SupervisorError } from '../domain/errors.ts';
import { type GraphPath, type RunId, type TaskKey, taskKey } from '../domain/ids.ts';
import type { Outcome, StopReason } from '../domain/outcome.ts';
import type { Plan } from '../domain/plan.ts';
import { goesElsewhere, type Profile } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Cancel } from '../platform/clock.ts';
import { vanishedGraph } from '../run/assignment.ts';
import { Background } from '../run/background.ts';
import { LiveRun } from '../run/live-run.ts';
import { nameOf } from '../run/run-events.ts';
import type { Runs } from '../run/runs.ts';
import type { Ledger } from '../runs/ledger.ts';
import { noteSchedules, reopenRecurring } from './recurring.ts';
import { Slots } from './slots.ts';

/** From a failed write to the next attempt, ms; doubled while it fails. */
const FIRST_AGAIN_MS = 1000;
const LAST_AGAIN_MS = 30_000;

/** How long to remember that something was written again, ms. */
const WRITTEN_KEPT_MS = 3_600_000;

interface DispatcherNeeds extends Base {
  readonly runs: Runs;
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  config(): Config;
  /** Asks for a tick. */
  wake(why: string): void;
}

export class Dispatcher {
  readonly #parts: DispatcherNeeds;
  readonly #runs: Runs;
  readonly #slots: Slots;
  /** Runs being settled, released or reattached, so that a tick in between does not ask twice. */
  readonly #busy = new Set<string>();
  /** Carrying, attending in a slot, and writing. */
  readonly #work: Background;
  /** When claims and results were last written again, by run id or task key. */
  readonly #written = new Map<string, number>();
  /** Recurring tasks being reopened, and those whose result is being written again. */
  readonly #reopening = new Set<TaskKey>();
  /** Consecutive rounds of writing with a failure. */
  #failures = 0;
  /** When the last attempt to write about a run failed, ms. */
  readonly #failedAt = new Map<RunId, number>();
  #isStopping = false;
  #wakesLater: Cancel | null = null;

  constructor(parts: DispatcherNeeds) {
    this.#parts = parts;
    this.#runs = parts.runs;
    this.#work = new Background(parts.log, 'action.failed');
    this.#slots = new Slots(parts.config().maxConcurrent);
  }

  /** Unfinished runs that yielded their slot. */
  get waiting(): ReadonlySet<RunId> {
    return this.#slots.waiting;
  }

  /** Runs that this process attends to or is writing about. */
  attended(): ReadonlySet<string> {
    return new Set([...this.#runs.attended().map(({ run }) => run.id), ...this.#busy]);
  }

  /**
   * Carries out a decision. Returns how many dispatches were started; the work itself continues in the background.
   */
  apply(actions: readonly Action[]): number {
    this.#slots.resize(this.#parts.config().maxConcurrent);
    let dispatched = 0;
    let failed: unknown = null;
    const untold: unknown = noteSchedules(actions, this.#parts);
    const plans: Plan[] = [];
    for (const action of actions) {
      if (action.kind === 'dispatch') {
        // An instant that could not be recorded might run twice.
        if (untold === null || action.plan.occurrence === null) plans.push(action.plan);
        continue;
      }
      try {
        this.#apply(action);
      } catch (thrown) {
        // Running work must be settled even while nothing new can start (a full disk).
        failed ??= thrown;
      }
    }
    try {
      for (const [n, opened] of (plans.length === 0 ? [] : this.#runs.openAll(plans)).entries()) {
        const plan = plans[n];
        if (opened instanceof LiveRun && plan !== undefined) {
          this.#carry(opened, plan);
          dispatched++;
        } else failed ??= opened;
      }
    } catch (thrown) {
      failed ??= thrown;
    }
    failed ??= untold;
    if (failed !== null) throw failed;
    return dispatched;
  }

  #carry(live: LiveRun, plan: Plan): void {
    const carry = () => this.#runs.carry(live, plan);
    // What is claimed externally uses no slot, so a full queue must not delay it.
    if (goesElsewhere(plan.profile.type)) this.#work.later(carry());
    else this.#work.later(this.#slots.take(live, carry, plan.priority));
  }

  #apply(action: Action): void {
    switch (action.kind) {
      case 'dispatch':
        // Opened with all the others, in one write.
        break;
      case 'attend':
        this.#attend(action.run);
        break;
      case 'resume':
        this.#resume(action.run);
        break;
      case 'stop':
        this.#stop(action.run, action.reason, action.because);
        break;
      case 'settle':
        this.#once(action.run, () => this.#settle(action.run, action.outcome));
        break;
      case 'release':
        this.#unlessBegun(action.run, () => this.#runs.giveBack(action.run, action.because));
        break;
      case 'close':
        // Its outcome is being written: the graph's new state may be that very write.
        if (this.#runs.isFinishing(action.run.id)) break;
        this.#unlessBegun(action.run, async () => {
          this.#close(action);
        });
        break;
      case 'reclaim':
        this.#again(action.run.id, () => this.#once(action.run, () => this.#runs.reclaim(action.run)));
        break;
      case 'restore':
        this.#again(taskKey(action.graph, action.known.task), () => this.#restore(action));
        break;
      case 'note-schedule':
        // Recorded with all the others before anything starts.
        break;
      case 'reopen':
        this.#reopen(action);
        break;
      default:
        action satisfies never;
    }
  }

  #close({ run, phase, because }: Extract<Action, { kind: 'close' }>): void {
    const { ledger, clock, graphs } = this.#parts;
    const isGone = !graphs.get(run.graph)?.store.snapshot().tasks.has(run.task);
    // A missing task was not decided about: git may bring it back, and then its result is known.
    if ((phase === 'overruled' || phase === 'superseded') && !isGone)
      this.#runs.overrule(run, phase, because);
    else {
      if (phase === 'settled') {
        this.#windUp(run);
        this.#runs.recallWritten(run);
      }
      ledger.move(run.id, phase, { finishedAt: clock.now() });
    }
  }

  /** Writes that the graph lost are repeated, but not at once: it may not be writable, or may be rewound again. */
  #again(key: string, write: () => void): void {
    const now = this.#parts.clock.now();
    const last = this.#written.get(key);
    if (last !== undefined && now >= last && now < last + this.#parts.config().limits.rewindGraceMs) return;
    for (const [other, at] of this.#written) if (now > at + WRITTEN_KEPT_MS) this.#written.delete(other);
    this.#written.set(key, now);
    write();
  }

  #restore({ graph, known }: Extract<Action, { kind: 'restore' }>): void {
    const key = taskKey(graph, known.task);
    if (this.#reopening.has(key)) return;
    this.#reopening.add(key);
    this.#work.later(
      this.#runs.restore(known, graph).finally(() => {
        this.#reopening.delete(key);
        this.#parts.wake('restored');
      }),
    );
  }

  /** A supervisor killed while starting an agent did not record it: a started agent is reattached instead. */
  #unlessBegun(run: Run, otherwise: () => Promise<void>): void {
    this.#once(run, async () => {
      const found = await this.#runs.findAgent(run);
      // Looked at again a while after this.
      if (found === 'away')
        throw new SupervisorError('graph', `the folder ${run.folder} of ${run.id} is out of reach now`);
      if (found === 'never') await otherwise();
    });
  }

  /** Starts a run of a plan; its work continues in the background. Throws `conflict` if the task has one. */
  dispatch(plan: Plan): LiveRun {
    const live = this.#runs.open(plan);
    this.#work.later(this.#slots.take(live, () => this.#runs.carry(live, plan), plan.priority));
    return live;
  }

  /** Ends a run whose worktree was removed or moved; if its task turned up elsewhere it is reopened. */
  disown(run: Run): void {
    const live = this.#runs.find(run.id);
    if (live) live.stop('overruled');
    else this.#once(run, () => this.#runs.disown(run));
  }

  /** Attends to the agents of graphs that are unreadable or no longer served: they are still running. */
  attendLost(): void {
    const { ledger, graphs } = this.#parts;
    for (const run of ledger.openRuns()) {
      const graph = graphs.get(run.graph);
      if (graph && graph.store.snapshot().problem === null) continue;
      const live = this.#runs.find(run.id);
      if (!graph) live?.releaseSlot();
      if (live || this.#busy.has(run.id)) continue;
      if (run.phase === 'started' || run.phase === 'handed-off') this.#attend(run);
      // Whether its agent was begun is seen without the graph; what else it lacks needs that.
      else if (run.phase === 'claimed' && this.#runs.mayAsk(run.id))
        this.#once(run, () => this.#runs.seekAgent(run));
    }
  }

  /** Closes runs whose graph has been gone for too long. A live agent keeps its run. */
  giveUp(isGivenUp: (graph: GraphPath) => boolean): void {
    const { ledger, graphs, clock } = this.#parts;
    for (const run of ledger.openRuns()) {
      if (graphs.get(run.graph) || !isGivenUp(run.graph)) continue;
      const live = this.#runs.find(run.id);
      if (live?.run.process) continue;
      const because = `its graph ${run.graph} was not found again`;
      if (live) live.stop('overruled');
      else ledger.move(run.id, 'overruled', { finishedAt: clock.now() });
      this.#runs.tell('run.overruled', run, { because });
    }
  }

  /** Stops every run with this reason and waits until each is recorded; none is attended to again after that. */
  async stopAll(reason: StopReason): Promise<void> {
    this.#isStopping = true;
    this.#runs.stopAll(reason);
    // Each may start some of the other.
    while (!this.#work.isIdle || !this.#runs.isIdle) {
      await this.#work.idle();
      await this.#runs.idle();
    }
    this.#wakesLater?.();
    this.#wakesLater = null;
  }

  /** Resolves when nothing is being carried, attended in a slot, or written. */
  async idle(): Promise<void> {
    await this.#work.idle();
  }

  /** Reattaches to a run that may have ended meanwhile, unless it gave no answer just before. */
  #attend(run: Run): void {
    // It may be attended to since the decision was made, when its graph was found again.
    if (this.#runs.mayAsk(run.id) && !this.#runs.find(run.id)) this.#takeUp(run);
  }

  #takeUp(run: Run): void {
    // One whose release could not be written would be attended to again, and no one would stop it any more.
    if (this.#isStopping) return;
    const profile = this.#profileOf(run);
    if (!profile) return;
    this.#work.later(this.#runs.adopt(run, profile));
  }

  #resume(run: Run): void {
    if (this.#isStopping) return;
    const profile = this.#profileOf(run);
    if (!profile) return;
    const live = this.#runs.reclaimInterrupted(run);
    this.#work.later(this.#slots.take(live, () => this.#runs.resume(live, profile)));
  }

  /**
   * The graph says that this run has finished. Its process is stopped; one that finished its own task may clean up first.
   */
  #stop(run: Run, reason: StopReason, because: string): void {
    // Being released: the graph's new state is our own write.
    if (this.#runs.releaseOf(run.id)) return;
    if (!this.#runs.find(run.id)) {
      // Being released, settled or looked for: the graph's new state is our own write.
      if (this.#busy.has(run.id)) return;
      const profile = this.#profileOf(run);
      if (!profile) {
        this.#runs.overrule(run, reason === 'overruled' ? 'overruled' : 'superseded', because);
        return;
      }
      // Finished while unattended: its remains are reattached, to be finished like any other.
      this.#attend(run);
    }
    const live = this.#runs.find(run.id);
    if (!live || live.signal.aborted || live.declared) return;
    this.#parts.bus.emit('run.stopping', { ...nameOf(run), reason });
    const outcome = reason === 'overruled' ? this.#runs.saidInGraph(run) : null;
    if (!outcome) {
      live.stop(reason, reason === 'budget' ? because : null);
      return;
    }
    this.#parts.log.info('run.noticed', { run: run.id, task: run.task, because });
    this.#once(run, async () => {
      await this.#runs.end(run, outcome, 'graph');
    });
  }

  async #settle(run: Run, outcome: Outcome): Promise<void> {
    if (outcome.kind !== 'succeeded' && outcome.kind !== 'failed') return;
    this.#windUp(run);
    await this.#runs.end(run, outcome, 'recovery');
  }

  /** Reported before its supervisor was killed, its process may still be ending. */
  #windUp(run: Run): void {
    const { outcome } = run;
    if (this.#isStopping || run.process === null || this.#runs.find(run.id)) return;
    const profile = this.#profileOf(run);
    if (profile && (outcome?.kind === 'succeeded' || outcome?.kind === 'failed'))
      this.#work.later(this.#runs.windUp(run, outcome, profile));
  }

  #profileOf(run: Run): Profile | null {
    const graph = this.#parts.graphs.get(run.graph) ?? vanishedGraph(run, this.#parts.config());
    return profileOfRun(run, graph.profiles);
  }

  #reopen(action: Extract<Action, { kind: 'reopen' }>): void {
    const key = taskKey(action.graph, action.task);
    if (this.#reopening.has(key)) return;
    this.#reopening.add(key);
    this.#work.later(reopenRecurring(action, this.#parts).finally(() => this.#reopening.delete(key)));
  }

  /** What was refused just now (a full disk, a taken lock) would be refused again at once. */
  #wakeLater(ms = Math.min(FIRST_AGAIN_MS * 2 ** this.#failures, LAST_AGAIN_MS)): void {
    this.#wakesLater ??= this.#parts.clock.after(ms, () => {
      this.#wakesLater = null;
      this.#failures++;
      this.#parts.wake('run');
    });
  }

  /** Does it unless the run is already being handled; then, or some time after a failure, it is judged again. */
  #once(run: Run, work: () => Promise<void>): void {
    if (this.#busy.has(run.id)) return;
    // Ticks come for many reasons; none of them makes a disk that just refused a write accept it.
    const since = this.#parts.clock.now() - (this.#failedAt.get(run.id) ?? Number.NEGATIVE_INFINITY);
    if (since >= 0 && since < FIRST_AGAIN_MS) {
      this.#wakeLater(FIRST_AGAIN_MS - since);
      return;
    }
    this.#busy.add(run.id);
    this.#work.later(
      work().then(
        () => {
          this.#busy.delete(run.id);
          this.#failedAt.delete(run.id);
          this.#failures = 0;
          // Only now: a tick leaves busy runs unchanged.
          this.#parts.wake('run');
        },
        (thrown: unknown) => {
          this.#busy.delete(run.id);
          this.#failedAt.set(run.id, this.#parts.clock.now());
          this.#wakeLater();
          throw thrown;
        },
      ),
    );
  }
}
