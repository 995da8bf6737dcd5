// What the end of a run means, as its executor saw it: an outcome to record, a release, or nothing at all.

import type { Deferred, Outcome } from '../domain/outcome.ts';
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
    const { releases } = this.#parts;
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
          await this.#parts.ends.end(run, outcome, 'executor');
          return;
        case 'succeeded':
          await this.#parts.ends.end(run, outcome, 'executor');
          return;
        case 'deferred':
          return await this.#defer(run, outcome);
        case 'stopped':
          switch (outcome.reason) {
            case 'detached':
              // Not because we stop: its result is out of reach for now.
              isAnswered = live.signal.aborted;
              return;
            case 'completed':
              return;
            case 'cancelled':
              return await releases.release(run, 'cancelled; it stays paused until it is resumed', {
                paused: true,
                outcome:
                  live.stoppedBecause === null ? outcome : { ...outcome, because: live.stoppedBecause },
              });
            case 'replaced':
              return await releases.release(run, 'its next occurrence takes its place');
            case 'budget':
              return await releases.release(run, live.stoppedBecause ?? 'a budget is spent', { outcome });
            case 'shutdown':
              return await releases.release(run, 'the supervisor was asked to stop its agents');
            case 'overruled':
            case 'lost-claim':
              if (this.#parts.graphs.isGone(run)) return await releases.disown(run);
              releases.overrule(
                run,
                outcome.reason === 'overruled' ? 'overruled' : 'superseded',
                'the graph has the last word',
                outcome,
              );
              return;
            case 'timeout':
            case 'silent':
              await this.#parts.ends.end(
                run,
                {
                  kind: 'failed',
                  failure: outcome.reason,
                  message: outcome.reason === 'timeout' ? 'its time ran out' : 'no sign of life',
                  retryable: true,
                  ...(outcome.usage ? { usage: outcome.usage } : {}),
                },
                'time',
              );
              return;
          }
      }
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
