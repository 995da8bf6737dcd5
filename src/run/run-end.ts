// How a run finishes: what an outcome means for the ledger and for the graph, in an order of writes that survives a
// crash (ledger finished → graph settled → ledger settled). The first outcome counts.

import { isOurs, isSameTask } from '../decide/reconcile.ts';
import { retryDecision } from '../decide/retry.ts';
import { profileNamed } from '../decide/route.ts';
import type { KnownResult } from '../decide/world.ts';
import type { Config } from '../domain/config.ts';
import { countedRun } from '../domain/counted-task.ts';
import { messageOf } from '../domain/errors.ts';
import type { Deferred, Failed, Outcome, Stopped, Succeeded } from '../domain/outcome.ts';
import { goesElsewhere } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { EditSession } from '../graph/store.ts';
import type { CompletionGate } from '../graphs/completion-gate.ts';
import { reclaimInGraph, restoreInGraph } from '../graphs/rewind-writes.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { releaseInGraph, settleInGraph } from '../graphs/task-writes.ts';
import type { Base } from '../platform/base.ts';
import type { Bus } from '../platform/bus.ts';
import type { Identity } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { ResultKey } from '../runs/result-book.ts';
import type { Availability } from './availability.ts';
import { awaitKiller, gateOutcome, giveBack } from './gated-end.ts';
import type { LiveRun } from './live-run.ts';
import type { Parking } from './parking.ts';
import type { Unanswered } from './unanswered.ts';

/** The result of recording an outcome. */
export interface Finished {
  /** The task's status in the graph; null if the task or its graph is gone. */
  readonly status: string | null;
  /** False: the graph had moved on and takes precedence, or has only an older state of the task. */
  readonly written: boolean;
  /** Nothing was written, but the result is kept, and written once the graph is usable again. */
  readonly kept?: true;
}

const CAME_BACK = 'an older state of the graph came back (git?)';

export interface EndingNeeds extends Base {
  /** The runs that this process attends to, by id; an ended one is taken out. */
  readonly live: Map<string, LiveRun>;
  readonly identity: Pick<Identity, 'random'>;
  readonly ledger: Ledger;
  readonly graphs: SupervisedGraphs;
  readonly availability: Availability;
  readonly parking: Parking;
  readonly unanswered: Unanswered;
  /** What an outcome passes before it is written. */
  readonly gate: CompletionGate;
  config(): Pick<Config, 'retry' | 'shutdown'>;
  /** What a finished task means for others, in the same write. */
  afterEnd(graph: SupervisedGraph, draft: EditSession, task: string): void;
  /** Requests a tick: a run finished. */
  wake(why: string): void;
}

export class RunEnding {
  readonly #parts: EndingNeeds;
  readonly #live: Map<string, LiveRun>;
  readonly #availability: Availability;
  readonly #parking: Parking;
  readonly #releasing = new Map<string, Promise<void>>();
  /** Runs whose outcome is being written; further calls join that. */
  readonly #finishing = new Map<string, Promise<Finished>>();

  constructor(parts: EndingNeeds) {
    this.#parts = parts;
    this.#live = parts.live;
    this.#availability = parts.availability;
    this.#parking = parts.parking;
  }

  /** Ledger finished → graph settled → ledger settled. Also what reconcile requests after a crash in between. */
  finish(run: Run, outcome: Succeeded | Failed, settledAs?: string): Promise<Finished> {
    const underWay = this.#finishing.get(run.id);
    if (underWay) return underWay;
    const finishing = this.#finish(run, outcome, settledAs).finally(() => this.#finishing.delete(run.id));
    this.#finishing.set(run.id, finishing);
    return finishing;
  }

  async #finish(run: Run, reported: Succeeded | Failed, settledAs?: string): Promise<Finished> {
    const { ledger, graphs, clock, log } = this.#parts;
    const now = clock.now();
    const again = ledger.run(run.id)?.phase === 'finished';
    const finished = await ledger.advance(run.id, 'finished', { outcome: reported, finishedAt: now });
    // The ledger keeps the first outcome it got.
    const first = finished.outcome;
    const outcome = first?.kind === 'succeeded' || first?.kind === 'failed' ? first : reported;
    if (!again) {
      this.emit('run.finished', finished, { outcome });
      if (outcome.kind === 'succeeded') this.#availability.works(finished);
      else this.#availability.failed(finished, outcome);
    }
    const graph = graphs.get(run.graph);
    if (outcome.kind === 'succeeded') this.#remember(finished, outcome, graph);
    if (!graph) return { status: null, written: false };
    try {
      const retry = outcome.kind === 'failed' ? this.#retry(finished, outcome) : null;
      const write = await settleInGraph(graph.store, finished, outcome, { now, retry }, (draft) =>
        this.#parts.afterEnd(graph, draft, run.task),
      );
      if (write.kind === 'kept' && settledAs === undefined && !isSettledBy(write.status, outcome)) {
        if (write.loss === 'gone' || (write.loss === 'rewound' && graph.settings.onRewind !== 'rerun')) {
          // No one decided that: the open run keeps the result, and reconcile checks again.
          log.warn('settle.rewound', {
            run: run.id,
            task: run.task,
            because: `its claim is missing (${write.loss})`,
          });
          return { status: write.status, written: false, kept: true };
        }
        this.overrule(finished, 'overruled', `the graph says ${write.status ?? 'that the task is gone'}`);
      } else {
        if (outcome.kind === 'failed' && write.status === 'failed') this.#remember(finished, outcome, graph);
        ledger.markResult(resultKey(run), run.id, write.mark);
        const settled = ledger.move(run.id, 'settled');
        this.emit('run.settled', settled, { outcome, status: write.status ?? 'gone' });
        if (retry?.again) this.emit('run.retrying', settled, { againAt: retry.at, because: retry.because });
      }
      this.leaveRegistry(graph, run, outcome.kind === 'succeeded' ? 'done' : 'failed');
      return { status: write.status, written: write.kind === 'written' };
    } catch (thrown) {
      // The outcome is safe in the ledger; the next tick's reconcile requests the settlement again.
      log.warn('settle.postponed', { run: run.id, task: run.task, because: messageOf(thrown) });
      throw thrown;
    } finally {
      this.#parts.wake('run');
    }
  }

  /** Whether the outcome of this run is being written now. */
  isFinishing(run: string): boolean {
    return this.#finishing.has(run);
  }

  /**
   * Closes a run whose task was changed by a decision. It counts: otherwise something that stops every run of a task
   * would do so for ever.
   */
  overrule(
    run: Run,
    phase: 'overruled' | 'superseded',
    because: string,
    outcome: Stopped | null = null,
  ): void {
    const { ledger, clock } = this.#parts;
    ledger.forgetResult(resultKey(run));
    const closed = ledger.move(run.id, phase, { outcome, finishedAt: clock.now() });
    this.#parking.judgeLoss(closed);
    if (run.phase === 'finished') this.emit('run.overruled', run, { because });
  }

  /** Writes the claim of a run again whose task is on an older line now. */
  async reclaim(run: Run): Promise<void> {
    const { graphs, clock } = this.#parts;
    const graph = graphs.get(run.graph);
    if (!graph || !(await reclaimInGraph(graph.store, run, clock.now()))) return;
    this.emit('run.reclaimed', run, { because: CAME_BACK });
  }

  /** Writes a known result again into its task's line, which is an older one now. */
  async restore(known: KnownResult): Promise<void> {
    const { ledger, graphs, clock, bus } = this.#parts;
    const graph = graphs.get(known.graph);
    const outcome = ledger.outcomeOf(known);
    if (!graph || !outcome) return;
    const { isSameContent } = ledger.results();
    const mark = await restoreInGraph(graph, known, outcome, isSameContent, clock.now(), (draft) =>
      this.#parts.afterEnd(graph, draft, known.task),
    );
    if (mark === null) return;
    ledger.markResult(known, known.run, mark);
    const status = graph.store.snapshot().tasks.get(known.task)?.status ?? 'gone';
    const { run, task } = known;
    bus.emit('result.restored', { graph: known.graph, task, run, status, because: CAME_BACK });
  }

  /** Releases a claimed task; the attempt does not count. */
  release(run: Run, because: string, options: { paused?: boolean; outcome?: Stopped } = {}): Promise<void> {
    const releasing = this.#release(run, because, options).finally(() => this.#releasing.delete(run.id));
    this.#releasing.set(run.id, releasing);
    return releasing;
  }

  /** Gives back the task of a run that came to nothing; one time too many parks it. */
  async giveBack(run: Run, because: string, outcome?: Stopped): Promise<void> {
    await this.release(run, because, outcome ? { outcome } : {});
    this.#parking.judge(run, 0);
  }

  /** A release of the run in progress, if there is one: reports that arrive meanwhile must wait and check again. */
  releaseOf(run: string): Promise<void> | undefined {
    return this.#releasing.get(run);
  }

  async #release(run: Run, because: string, options: { paused?: boolean; outcome?: Stopped }): Promise<void> {
    const { ledger, graphs, clock } = this.#parts;
    const graph = graphs.get(run.graph);
    if (graph) {
      const { paused = false } = options;
      await giveBack(this.#parts.gate, graph.store, run, { now: clock.now(), because, paused });
      this.leaveRegistry(graph, run, 'dead');
    }
    const { outcome = null } = options;
    ledger.move(run.id, 'interrupted', { finishedAt: clock.now(), outcome });
    this.emit('run.released', run, { because });
  }

  /** Closes a run whose worktree is gone. A task that moved with its worktree is released there. */
  async disown(run: Run): Promise<void> {
    const { ledger, graphs, clock } = this.#parts;
    const because = `its worktree ${run.worktree} was removed or moved`;
    for (const graph of graphs.all()) {
      const task = graph.store.snapshot().tasks.get(run.task);
      if (graph.repository.id !== run.repo || !isOurs(task, run)) continue;
      await releaseInGraph(graph.store, run, { now: clock.now(), because });
      this.leaveRegistry(graph, run, 'dead');
    }
    ledger.move(run.id, 'overruled', { finishedAt: clock.now() });
    this.emit('run.overruled', run, { because });
    this.#parts.wake('run');
  }

  /**
   * Takes an outcome that did not come from the executor. Records and settles it at once; a process that still runs
   * may live on for `lingerMs` and is stopped then.
   */
  async declare(run: Run, outcome: Succeeded | Failed, settledAs?: string): Promise<Finished> {
    const live = this.#live.get(run.id);
    if (live) {
      live.declared = outcome;
      // A failed agent has nothing left to clean up, and the next attempt must not wait for it.
      if (live.run.phase === 'handed-off' || live.run.type === 'http' || outcome.kind === 'failed')
        live.stop('completed');
      else live.lingerUntil = this.#parts.clock.now() + this.#parts.config().shutdown.lingerMs;
    }
    return await this.finish(run, outcome, settledAs);
  }

  async #end(live: LiveRun, said: Succeeded | Failed): Promise<void> {
    const graph = this.#parts.graphs.get(live.run.graph);
    if (graph) await awaitKiller(graph.registry, live.run.agent, said);
    const { outcome, settledAs } = await gateOutcome(this.#parts.gate, graph?.store, live, said);
    await this.finish(live.run, outcome, settledAs);
  }

  /**
   * The meaning of an outcome. The first one counts: a process that exits after its task was reported done changes
   * nothing.
   */
  async conclude(live: LiveRun, outcome: Outcome): Promise<void> {
    const { run } = live;
    let isAnswered = true;
    try {
      if (live.declared) return;
      switch (outcome.kind) {
        case 'failed':
          // Its folder moved with its graph, and has its exit status: it is read again once found there.
          if (outcome.failure === 'interrupted' && !this.#parts.graphs.get(run.graph)) {
            isAnswered = false;
            return;
          }
          await this.#end(live, await this.#ownWord(run, outcome));
          return;
        case 'succeeded':
          await this.#end(live, await this.#ownWord(run, outcome));
          return;
        case 'deferred':
          return await this.#defer(live, outcome);
        case 'stopped':
          switch (outcome.reason) {
            case 'detached':
              // Not because we leave: what came of it is out of reach just now.
              isAnswered = live.signal.aborted;
              return;
            case 'completed':
              return;
            case 'cancelled':
              return await this.release(run, 'cancelled; it stays paused until it is resumed', {
                paused: true,
                outcome:
                  live.stoppedBecause === null ? outcome : { ...outcome, because: live.stoppedBecause },
              });
            case 'replaced':
              return await this.release(run, 'its next occurrence takes its place');
            case 'budget':
              return await this.release(run, live.stoppedBecause ?? 'a budget is spent', { outcome });
            case 'shutdown':
              return await this.release(run, 'the supervisor was told to end its agents');
            case 'overruled':
            case 'lost-claim':
              if (this.#parts.graphs.isGone(run)) return await this.disown(run);
              this.overrule(
                run,
                outcome.reason === 'overruled' ? 'overruled' : 'superseded',
                'the graph has the last word',
                outcome,
              );
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
      this.#live.delete(run.id);
      if (isAnswered) this.#parts.unanswered.forget(run.id);
      else this.#parts.unanswered.note(run.id, this.#parts.clock.now());
      this.#parts.wake('run');
    }
  }

  /** Records a result beside the graph, which may be rewound. */
  #remember(run: Run, outcome: Succeeded | Failed, graph: SupervisedGraph | undefined): void {
    const { ledger, clock } = this.#parts;
    const task = graph?.store.detail(run.task) ?? null;
    const of = task && isSameTask(task, run) ? task : null;
    const { graph: path, agent, id, finishedAt } = run;
    const at = finishedAt ?? clock.now();
    ledger.noteResult({ ...resultKey(run), graph: path, run: id, agent, outcome, of, at });
  }

  /** The graph's outcome of a task that its own agent finished directly (`wg done`); null if another one did. */
  saidInGraph(run: Run): Succeeded | Failed | null {
    const task = this.#parts.graphs.get(run.graph)?.store.snapshot().tasks.get(run.task);
    if (!task || task.assigned !== run.agent) return null;
    switch (task.status) {
      case 'done':
      case 'pending-eval':
      case 'pending-validation':
        return { kind: 'succeeded', ...this.#summaryIn(run) };
      case 'failed':
      case 'failed-pending-eval':
        return {
          kind: 'failed',
          failure: 'reported',
          message: task.failureReason ?? 'reported as failed',
          retryable: false,
        };
      default:
        return null;
    }
  }

  /** The summary of a task that was marked as done in the graph. */
  #summaryIn(run: Run): { readonly summary?: string } {
    const message = this.#parts.graphs.get(run.graph)?.store.detail(run.task)?.log.at(-1)?.message ?? '';
    const summary = /^Task marked as done(?:, pending validation)?: (.+)$/s.exec(message)?.[1];
    return summary === undefined ? {} : { summary };
  }

  /** What an agent wrote to the graph just before it exited counts more than its exit status. */
  async #ownWord<T extends Succeeded | Failed>(run: Run, outcome: T): Promise<T | Succeeded | Failed> {
    await this.#parts.graphs.get(run.graph)?.store.refresh();
    const said = this.saidInGraph(run);
    if (!said || said.kind === outcome.kind) return outcome;
    return outcome.usage ? { ...said, usage: outcome.usage } : said;
  }

  /** Not started or released: the task reopens, what it lacked pauses with a growing delay. */
  async #defer(live: LiveRun, outcome: Deferred): Promise<void> {
    const { ledger, clock, graphs } = this.#parts;
    const { run } = live;
    this.#availability.reportUnavailable(run, outcome);
    this.#parts.bus.emit('task.held', {
      graph: run.graph,
      task: run.task,
      code: outcome.code,
      because: outcome.because,
    });
    const graph = graphs.get(run.graph);
    if (graph) {
      await giveBack(this.#parts.gate, graph.store, run, { now: clock.now(), because: outcome.because });
      this.leaveRegistry(graph, run, 'dead');
    }
    ledger.move(run.id, 'interrupted', { outcome, finishedAt: clock.now() });
    this.emit('run.released', run, { because: outcome.because });
  }

  #retry(run: Run, outcome: Failed) {
    const { ledger, clock, identity, graphs } = this.#parts;
    const graph = graphs.get(run.graph);
    const policy = (graph && profileNamed(run.executor, graph.profiles))?.retry ?? this.#parts.config().retry;
    const counted = ledger.countedAttempts(countedRun(run, graph?.settings));
    const decision = retryDecision(run, outcome, policy, counted, clock.now(), identity.random());
    // Before the graph says open again: nothing may start it in between.
    const parked = this.#parking.judge(run, policy.attempts);
    if (parked === null) return decision;
    // The missing profile is not to blame for a task that vanished: it stays open, and backs off.
    return outcome.failure === 'interrupted'
      ? { again: true as const, at: clock.now(), counted: false, because: parked }
      : { again: false as const, because: parked };
  }

  /**
   * Tells wg's registry soon that an agent has finished: not awaited, as the graph and the ledger have it already.
   */
  leaveRegistry(graph: SupervisedGraph, run: Run, status: 'done' | 'failed' | 'dead'): void {
    if (run.agent === '') return;
    void graph.registry.update([{ agent: run.agent, status }], { lazily: true }).catch((thrown: unknown) => {
      this.#parts.log.warn('registry.unwritten', { agent: run.agent, because: messageOf(thrown) });
    });
  }

  /** Emits an event of a run. */
  emit(name: Parameters<Bus['emit']>[0], run: Run, more: object): void {
    const { id, graph, task, worktree, executor, attempt } = run;
    const outside = run.type === 'http' || goesElsewhere(run.type);
    const lease = this.#live.get(id)?.lease ?? (outside ? this.#parts.ledger.lease(id) : null);
    const ref = lease?.externalRef;
    const of = { run: id, graph, task, worktree, executor, attempt, ...(ref ? { external_ref: ref } : {}) };
    this.#parts.bus.emit(name, { ...of, ...more } as never);
  }
}

/** The task of a run, in the terms of the result book. */
export function resultKey(run: Run): ResultKey {
  return { repo: run.repo, task: run.task, createdAt: run.taskCreatedAt };
}

/** The graph already has what the outcome would have written. */
function isSettledBy(status: string | null, outcome: Succeeded | Failed): boolean {
  if (outcome.kind === 'succeeded')
    return status === 'done' || status === 'pending-eval' || status === 'pending-validation';
  return status === 'failed' || status === 'failed-pending-eval';
}
