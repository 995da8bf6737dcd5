// One run that this process attends to: its abort signal, its deadline, its last sign of life. No decisions here.

import type { Outcome, StopReason } from '../domain/outcome.ts';
import type { Run } from '../domain/run.ts';
import type { Lease } from '../runs/lease-row.ts';
import type { SilenceLevel } from './silence.ts';

/** The part of a run that lives in memory only. */
export class LiveRun {
  /** As the ledger has it after the last move. */
  run: Run;
  /** Plain text of the run's own token. Null for a process of ours that was taken up after a restart: it has it. */
  readonly token: string | null;
  /** Plain text of the token of its pre-signed callback URL, where it has one. */
  signedToken: string | null = null;
  /** Who holds it, where it is worked on elsewhere; as in the ledger. */
  lease: Lease | null = null;
  /** The end of its lease that was already acted upon, ms. */
  leaseNotedAt: number | null = null;
  /** The last sign of life: when (ms), and in words. */
  progressAt: number;
  progress: string | null = null;
  /** The silence that was told already. */
  silence: SilenceLevel | null = null;
  /** The outcome that came by another way than the executor: a callback, the CLI, the graph. */
  declared: Outcome | null = null;
  /** When a process whose task is already over is ended at the latest, ms. */
  lingerUntil: number | null = null;
  /** Resolves when its place is free before it is over: nothing of it goes on here for a while. */
  readonly slotReleased: Promise<void>;
  /** Frees its place, for good. */
  readonly releaseSlot: () => void;
  /** What whoever stopped it said of it. */
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

  /** Ends the work, or only the attending for `detached`. The first reason stays. */
  stop(reason: StopReason, because: string | null = null): void {
    if (this.#abort.signal.aborted) return;
    this.stoppedBecause = because;
    this.#abort.abort(reason);
  }

  /** The clock was set, or the machine slept: what was to come after so much time still does. */
  shift(ms: number): void {
    this.progressAt += ms;
    if (this.lingerUntil !== null) this.lingerUntil += ms;
    if (this.run.deadlineAt !== null) this.run = { ...this.run, deadlineAt: this.run.deadlineAt + ms };
  }

  /** The next instant at which time alone ends this run, ms. */
  get endsAt(): number | null {
    if (this.signal.aborted) return null;
    if (this.lingerUntil !== null) return this.lingerUntil;
    return this.run.deadlineAt;
  }
}
