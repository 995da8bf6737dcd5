// What the end of a run means, as its executor saw it: an outcome to record, a release, or nothing at all.

import type { Deferred, Failed, Outcome, Stopped } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import { stopReason } from '../executors/executor.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Availability } from './availability.ts';
import type { RunEnds } from './end-run.ts';
import type { LiveRun } from './live-run.ts';
import type { Releases } from './release.ts';
import type { Unanswered } from './unanswered.ts';

interface ConclusionNeeds extends Pick<Base, 'clock' | 'bus'> {
  /** The runs that this process attends to, by id; an ended one is taken out. */
  readonly live: Map<string, LiveRun>;
  readonly graphs: Pick<SupervisedGraphs, 'get' | 'isGone'>;
  readonly ends: RunEnds;
  readonly releases: Releases;
  readonly availability: Availability;
  readonly unanswered: Unanswered;
  /** Requests a tick: a run finished. */
  wake(why: string): void;
}

export class Conclusions {
  readonly #parts: ConclusionNeeds;

  constructor(parts: ConclusionNeeds) {
    this.#parts = parts;
  }

  /**
   * The meaning of an outcome. The first one counts: a process that exits after its task was reported done changes
   * nothing.
   */
  async conclude(live: LiveRun, said: Outcome): Promise<void> {
    // A cancelled agent whose end an earlier supervisor began shows as one that failed.
    const isCancelled = live.signal.aborted && stopReason(live.signal) === 'cancelled';
    const outcome: Outcome =
      isCancelled && said.kind === 'failed' ? { kind: 'stopped', reason: 'cancelled' } : said;
    const { run } = live;
    let isAnswered = true;
    try {
      if (!live.declared) isAnswered = await this.#act(live, outcome);
    } catch (thrown) {
      // What cannot be written now is not tried again at once.
      isAnswered = false;
      throw thrown;
    } finally {
      this.#parts.live.delete(run.id);
      if (isAnswered) this.#parts.unanswered.forget(run.id);
      else this.#parts.unanswered.note(run.id, this.#parts.clock.now());
      this.#parts.wake('run');
    }
  }

  /** False: the outcome cannot be known just now. */
  async #act(live: LiveRun, outcome: Outcome): Promise<boolean> {
    const { ends, graphs } = this.#parts;
    const { run } = live;
    switch (outcome.kind) {
      case 'failed':
        // Its folder moved with its graph, and has its exit status: it is read again once found there.
        if (outcome.failure === 'interrupted' && !graphs.get(run.graph)) return false;
        await ends.end(run, outcome, 'executor');
        return true;
      case 'succeeded':
        await ends.end(run, outcome, 'executor');
        return true;
      case 'deferred':
        await this.#defer(run, outcome);
        return true;
      case 'stopped':
        // Not because we stop: its result is out of reach for now.
        if (outcome.reason === 'detached') return live.signal.aborted;
        await this.#stopped(live, outcome);
        return true;
    }
  }

  async #stopped(live: LiveRun, outcome: Stopped): Promise<void> {
    const { releases, ends, graphs } = this.#parts;
    const { run, stoppedBecause: because } = live;
    const { reason } = outcome;
    switch (reason) {
      case 'detached':
      case 'completed':
        return;
      case 'cancelled':
        return await releases.release(run, 'cancelled; it stays paused until it is resumed', {
          paused: true,
          outcome: because === null ? outcome : { ...outcome, because },
        });
      case 'replaced':
        return await releases.release(run, 'its next occurrence takes its place');
      case 'budget':
        return await releases.release(run, because ?? 'a budget is spent', { outcome });
      case 'shutdown':
        return await releases.release(run, 'the supervisor was asked to stop its agents');
      case 'overruled':
      case 'lost-claim': {
        if (graphs.isGone(run)) return await releases.disown(run);
        const phase = reason === 'overruled' ? 'overruled' : 'superseded';
        return releases.overrule(run, phase, 'the graph has the last word', outcome);
      }
      case 'timeout':
      case 'silent': {
        const message = reason === 'timeout' ? 'its time ran out' : 'no sign of life';
        const { usage } = outcome;
        const failed: Failed = { kind: 'failed', failure: reason, message, retryable: true };
        await ends.end(run, usage ? { ...failed, usage } : failed, 'time');
      }
    }
  }

  /** Not started or released: the task reopens, what it lacked pauses with a growing delay. */
  async #defer(run: Run, outcome: Deferred): Promise<void> {
    const { availability, bus, releases } = this.#parts;
    const { graph, task } = run;
    const { code, because } = outcome;
    availability.reportUnavailable(run, outcome);
    bus.emit('task.held', { graph, task, code, because });
    await releases.release(run, because, { outcome });
  }
}
