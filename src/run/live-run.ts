// One run that this process attends to: its abort signal, its deadline, its last progress. No decisions here.

import type { Outcome, StopReason } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import type { Lease } from '../runs/lease-row.ts';
import type { SilenceLevel } from './silence.ts';

/** The part of a run that exists in memory only. */
export class LiveRun {
  /** As the ledger has it after the last move. */
  run: Run;
  /**
   * Plain text of the run's own token. Null for a local process that was reattached after a restart: it has the
   * token.
   */
  readonly token: string | null;
  /** Plain text of the token in its pre-signed callback URL, if it has one. */
  signedToken: string | null = null;
  /** The lease of external work, as in the ledger. */
  lease: Lease | null = null;
  /** The lease expiry that was already handled, ms. */
  leaseNotedAt: number | null = null;
  /** The last progress: when (ms), and as text. */
  progressAt: number;
  progress: string | null = null;
  /** The silence that was already reported. */
  silence: SilenceLevel | null = null;
  /** When the asking of its open question was last sent, ms; null: not since this process attends to it. */
  questionWantedAt: number | null = null;
  /** The outcome that did not come from the executor: from a callback, the CLI, the graph. */
  declared: Outcome | null = null;
  /** It lies in a queue, and no worker has begun it. */
  isQueued = false;
  /** When a process whose task is already finished is stopped at the latest, ms. */
  lingerUntil: number | null = null;
  /** Resolves when its slot is free before it finishes: nothing runs locally for a while. */
  readonly slotReleased: Promise<void>;
  /** Frees its slot for good. */
  readonly releaseSlot: () => void;
  /** What was left of its budgets when it was let in, in words. */
  budgetsLeft: readonly string[] = [];
  /** The reason given by the stopping side. */
  stoppedBecause: string | null = null;
  readonly #abort = new AbortController();

  constructor(run: Run, token: string | null, now: number) {
    this.run = run;
    this.token = token;
    this.progressAt = now;
    let releaseSlot = () => {};
    this.slotReleased = new Promise((resolve) => {
      releaseSlot = resolve;
    });
    this.releaseSlot = releaseSlot;
  }

  /** Aborted with the reason of the first `stop`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Stops the work, or for `detached` only the attending. The first reason counts. */
  stop(reason: StopReason, because: string | null = null): void {
    if (this.#abort.signal.aborted) return;
    this.stoppedBecause = because;
    this.#abort.abort(reason);
  }

  /** The clock was set, or the machine slept: pending durations keep their remaining time. */
  shift(ms: number): void {
    this.progressAt += ms;
    if (this.questionWantedAt !== null) this.questionWantedAt += ms;
    if (this.lingerUntil !== null) this.lingerUntil += ms;
    if (this.run.deadlineAt !== null) this.run = { ...this.run, deadlineAt: this.run.deadlineAt + ms };
  }

  /** The next instant at which time alone stops this run, ms. */
  get endsAt(): number | null {
    if (this.signal.aborted) return null;
    if (this.lingerUntil !== null) return this.lingerUntil;
    return this.run.deadlineAt;
  }
}
