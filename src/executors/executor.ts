// The contract of every executor. Work that fails is an Outcome; a rejection means a bug. An executor knows one
// run at a time and nothing of graphs, queues or retries.

import type { RunId } from '../domain/ids.ts';
import type { Deferred, Outcome, StopReason } from '../domain/outcome.ts';
import type { ExecutorType, Profile } from '../domain/profile.ts';
import type { ProcessIdentity, RunNotes } from '../domain/run.ts';
import type { TaskDetail } from '../domain/task.ts';

/** The result of a task that this one waited for: what a prompt or payload says of it. */
export interface DependencyResult {
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly artifacts: readonly string[];
  /** Its last log messages, oldest first. */
  readonly log: readonly string[];
}

/** Everything one run needs to know. Plain data. */
export interface Assignment {
  readonly run: RunId;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly fence: number;
  /** `agent-N`. */
  readonly agent: string;
  readonly task: TaskDetail;
  /** Machine-wide id for agents outside: `wt3f9a~build-api`. */
  readonly globalTaskId: string;
  readonly dependencies: readonly DependencyResult[];
  readonly profile: Profile;
  readonly graph: string;
  readonly worktree: {
    readonly id: string;
    readonly path: string;
    readonly branch: string | null;
    readonly head: string | null;
    /** Where it can be fetched from. */
    readonly remote?: string | null;
  };
  readonly repo: { readonly name: string; readonly path: string };
  /** The run's own folder (exists): output.log, raw_stream.jsonl, prompt.txt, exit.json … */
  readonly folder: string;
  readonly deadlineAt: number | null;
  /** When the task was claimed for it, ms: the same however often it is sent. */
  readonly claimedAt?: number | null;
  /** When a claim's lease ends unless it is renewed, ms; absent where the deadline alone counts. */
  readonly leaseUntil?: number | null;
  /** How the agent reports back: base URL (`http://…/api/task/ID`) or null, socket path, and a token for this run alone. */
  readonly callback: {
    readonly url: string | null;
    readonly socket: string | null;
    readonly token: string;
    /** The way in for tools that cannot set headers: whoever knows this URL may end the run. Null: there is none. */
    readonly signedUrl?: string | null;
  };
  readonly traceparent: string;
  /** Base environment for spawned agents: the supervisor's own, already reduced to the allow-list. */
  readonly environment: Readonly<Record<string, string>>;
  /** The model that the project's settings name for this executor's tasks, where the task and the profile name none. */
  readonly projectModel?: string | null;
  /** What the previous attempt came to, for the prompt; null on the first. */
  readonly previousFailure: string | null;
  /** The CLI session to resume, when the task carries one. */
  readonly resumeSession: string | null;
  /** Words of `wg` (`done`, `fail`) by which an agent may end this task; absent: none. */
  readonly wgWords?: readonly WgWord[];
}

/** `wg done`, `wg fail`. */
export type WgWord = 'done' | 'fail';

/** Where a run would be begun. */
export interface Place {
  /** Path of the worktree. */
  readonly worktree: string;
  /** As in an assignment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What an executor may use while it works on one run. */
export interface RunControl {
  /** Aborted with a StopReason as its reason: end the work (or, for `detached`, only stop attending). First reason wins. */
  readonly signal: AbortSignal;
  /** A sign of life: liveness evidence, and one short line for `runs` and the event stream. */
  progress(message: string): void;
  /** The far side did what it should, an account answered: what paused it is over. */
  works?(): void;
  /** It waits for a far side that cannot take the work just now: nothing goes on here, its place may be given away. */
  waits?(): void;
  /** Keep what the work told of itself. What it used is kept whatever its outcome counts as. */
  note(facts: RunNotes): void;
  /** Keeps deliveries to the far side over a crash; absent where nobody keeps them. */
  readonly deliveries?: DeliveryNotes;
}

/** What is written down of the deliveries of one run. */
export interface DeliveryNotes {
  /** Before the first byte is sent. Gives the number of this delivery: 1-based, rising over restarts too. */
  begin(message: string, target: string): number;
  /** What came of the last one: `accepted`, `retrying`, `refused` … */
  end(message: string, state: string, because: string | null): void;
}

/** How a run was begun. */
export type Begun =
  /** A process of ours works on it. The identity is in the ledger before `attend` is called. */
  | { readonly kind: 'running'; readonly process: ProcessIdentity | null }
  /** The work goes on elsewhere; no slot is held. */
  | {
      readonly kind: 'handed-off';
      readonly reference: string | null;
      readonly deadlineAt: number | null;
      /** What the far side calls the work, also where `reference` is a URL. */
      readonly externalId?: string;
      /** The far side promised a sign of life this often, seconds. */
      readonly heartbeatEveryS?: number;
      /** When it wants to be asked for the first time, ms since the epoch. */
      readonly askAt?: number;
    }
  /** It is over already, or never began. */
  | { readonly kind: 'ended'; readonly outcome: Outcome };

/** What a begun run was known by, as the ledger gives it back after a restart. */
export interface Handle {
  readonly process: ProcessIdentity | null;
  readonly reference: string | null;
  /** True when an earlier supervisor began the run. */
  readonly adopted: boolean;
  /** As `begin` said; an adopted run may be asked at once. */
  readonly askAt?: number;
}

export interface Executor {
  readonly type: ExecutorType;
  /**
   * What keeps every run of the profile from being begun there, seen without beginning one; null: nothing that can be
   * seen from here. Asked before a task is claimed.
   */
  lacks?(profile: Profile, place: Place): Promise<Deferred | null>;
  /** Starts the work. Never rejects for failed work. Must be safe to be killed at any point within. */
  begin(assignment: Assignment, control: RunControl): Promise<Begun>;
  /**
   * Resolves with the outcome when the work is over, by whatever way this executor can know: exit, status URL.
   * A run that only a callback can end resolves when the signal aborts. After an abort with `detached` it resolves
   * `stopped: detached` and leaves the work running; also without one, where what came of the work is out of reach just
   * now (its folder is away): it is attended to again.
   */
  attend(assignment: Assignment, handle: Handle, control: RunControl): Promise<Outcome>;
  /**
   * What became of a run whose supervisor died before it could note that it was begun: the process that works on it,
   * null for one that is over and left its exit status, 'never' when there is neither (what escaped of it is ended),
   * 'away' when the folder is out of reach, so that nobody can say.
   * Executors that start no processes need none.
   */
  recover?(run: {
    readonly id: RunId;
    readonly folder: string;
  }): Promise<ProcessIdentity | null | 'never' | 'away'>;
}

/** The reason a signal was aborted with; `cancelled` when none was given. */
export function stopReason(signal: AbortSignal): StopReason {
  return typeof signal.reason === 'string' ? (signal.reason as StopReason) : 'cancelled';
}
