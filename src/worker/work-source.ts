// Where work comes from and where it is reported: the supervisor's own API, or a queue. The rest of the worker knows no more.

import type { Deferred, Failed, Succeeded, Usage } from '../domain/outcome.ts';
import type { PieceOfOutput } from '../executors/executor.ts';
import type { AgentCallback, Order } from './order.ts';

/** What a worker would take now. */
export interface Wish {
  readonly profiles: readonly string[];
  /** Profiles that it would take, by why it does not just now. */
  readonly resting: ReadonlyMap<string, string>;
  /** At least 1. */
  readonly places: number;
}

/** Work that was taken. `ticket`: what the source takes to know it again after a restart; a JSON value. */
export interface Taken {
  readonly order: Order;
  readonly ticket: unknown;
}

/** What a worker says of a job under way. */
export interface SignOfLife {
  readonly progress: string | null;
  /** What it used so far, all of it. */
  readonly usage: Usage | null;
  readonly model: string | null;
}

/** What a sign of life is answered. */
export type Heard =
  /** Continue. */
  | 'continue'
  /** No one has it any more, and no one else yet: what is done is still welcome. */
  | 'handed-back'
  /** Stop: it was cancelled, or its time has finished. */
  | 'cancel'
  /** Stop: someone else has it. */
  | 'superseded'
  /** No one answered. */
  | 'unheard';

/** How a job ended, for the one who gave it. */
export interface JobReport {
  readonly outcome: Succeeded | Failed | Deferred;
  /** What was pushed; null: nothing. */
  readonly pushed: { readonly branch: string; readonly commit: string } | null;
}

/** The outcome of a report. */
export type Reported =
  | { readonly kind: 'taken'; readonly note: 'late' | 'duplicate' | null }
  /** It counts no more; the sentence says why. */
  | { readonly kind: 'refused'; readonly because: string };

/** The line to the one who gave a job. */
export interface JobLine {
  /** How often a sign of life is wished for, ms. */
  readonly beatEveryMs: number;
  /** How its agent reaches them itself. */
  readonly callback: AgentCallback;
  beat(sign: SignOfLife): Promise<Heard>;
  /** How much of the file is there now, bytes; null: no one took it. */
  output(piece: PieceOfOutput): Promise<number | null>;
  /** Rejects with `not-running` while no one can be reached: it is to be repeated. */
  end(report: JobReport): Promise<Reported>;
  /** It was ended without a report; rejects never. Absent: no one needs to know. */
  dropped?(): Promise<void>;
}

/** A place to take work from. */
export interface WorkSource {
  /** For people: an address without secrets. */
  readonly name: string;
  /**
   * Waits for work; an empty list after a while without, or when the signal aborts. Rejects with `not-running` while no one
   * can be reached, and for good with `config` or `usage`.
   */
  take(wish: Wish, signal: AbortSignal): Promise<readonly Taken[]>;
  /** The line of what was taken, also before a restart. */
  line(taken: Taken): JobLine;
  /** Signs off; rejects never. */
  close(): Promise<void>;
}
