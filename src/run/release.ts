// Ends runs without an outcome of their own: released, overruled, or without a worktree any more.

import { isOurs } from '../decide/reconcile/reconcile.ts';
import type { Deferred, Stopped } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import type { CompletionGate } from '../graphs/completion-gate.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { releaseInGraph } from '../graphs/task-writes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Ledger } from '../runs/ledger.ts';
import { CANCELLED } from '../runs/old-runs.ts';
import { resultKey } from '../runs/result-book.ts';
import { releaseTask } from './gated-writes.ts';
import type { Parking } from './parking.ts';
import type { RunEvents } from './run-events.ts';

interface ReleaseNeeds {
  readonly clock: Clock;
  readonly ledger: Pick<Ledger, 'move' | 'forgetResult' | 'meta'>;
  readonly graphs: SupervisedGraphs;
  readonly gate: CompletionGate;
  readonly parking: Parking;
  readonly events: RunEvents;
  /** Requests a tick: a run finished. */
  wake(why: string): void;
}

export class Releases {
  readonly #parts: ReleaseNeeds;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(parts: ReleaseNeeds) {
    this.#parts = parts;
  }

  /** Releases a claimed task; the attempt does not count. */
  release(
    run: Run,
    because: string,
    options: { paused?: boolean; outcome?: Stopped | Deferred } = {},
  ): Promise<void> {
    const releasing = this.#release(run, because, options).finally(() => this.#underWay.delete(run.id));
    this.#underWay.set(run.id, releasing);
    return releasing;
  }

  /** Releases the task of a run that never started; one time too many parks it. */
  async giveBack(run: Run, because: string, outcome?: Stopped): Promise<void> {
    const cancelled = this.#parts.ledger.meta(`${CANCELLED}${run.id}`);
    if (cancelled !== null) {
      const asked: Stopped = { kind: 'stopped', reason: 'cancelled', because: cancelled };
      return await this.release(run, cancelled, { paused: true, outcome: asked });
    }
    await this.release(run, because, outcome ? { outcome } : {});
    this.#parts.parking.judge(run, 0);
  }

  /** A release of the run in progress, if there is one: reports that arrive meanwhile must wait and check again. */
  releaseOf(run: string): Promise<void> | undefined {
    return this.#underWay.get(run);
  }

  async #release(
    run: Run,
    because: string,
    options: { paused?: boolean; outcome?: Stopped | Deferred },
  ): Promise<void> {
    const { ledger, graphs, clock } = this.#parts;
    const graph = graphs.get(run.graph);
    if (graph) {
      const { paused = false } = options;
      await releaseTask(this.#parts.gate, graph.store, run, { now: clock.now(), because, paused });
      this.#parts.events.leaveRegistry(graph, run, 'dead');
    }
    const { outcome = null } = options;
    ledger.move(run.id, 'interrupted', { finishedAt: clock.now(), outcome });
    this.#parts.events.emit('run.released', run, { because });
  }

  /** Closes a run whose worktree is gone. A task that moved with its worktree is released there. */
  async disown(run: Run): Promise<void> {
    const { ledger, graphs, clock } = this.#parts;
    const because = `its worktree ${run.worktree} was removed or moved`;
    for (const graph of graphs.all()) {
      const task = graph.store.snapshot().tasks.get(run.task);
      if (graph.repository.id !== run.repo || !isOurs(task, run)) continue;
      await releaseInGraph(graph.store, run, { now: clock.now(), because });
      this.#parts.events.leaveRegistry(graph, run, 'dead');
    }
    ledger.move(run.id, 'overruled', { finishedAt: clock.now() });
    this.#parts.events.emit('run.overruled', run, { because });
    this.#parts.wake('run');
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
    this.#parts.parking.judgeLoss(closed);
    if (run.phase === 'finished') this.#parts.events.emit('run.overruled', run, { because });
  }
}
