// The contract of every executor. Failed work is an Outcome; a rejection means a bug. An executor knows one run at a
// time and nothing of graphs, queues or retries.

import type { OutputName } from '../domain/graph-files.ts';
import type { RunId } from '../domain/ids.ts';
import type { Deferred, Outcome, StopReason, Usage } from '../domain/outcome.ts';
import type { ExecutorType, Profile } from '../domain/profile.ts';
import type { ProcessIdentity, RunNotes } from '../domain/run.ts';
import type { TaskDetail } from '../domain/task.ts';

/** The result of a dependency, as prompts and payloads quote it. */
export interface DependencyResult {
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly artifacts: readonly string[];
  /** Its last log messages, oldest first. */
  readonly log: readonly string[];
}

/** The attempt before this one, as far as it tells anything. */
export interface PreviousAttempt {
  /** Why it ended. */
  readonly message: string;
  /** What its agent reported, if it did. */
  readonly summary?: string;
  readonly type: ExecutorType;
  /** Its run's folder, with its output; null: it had none, or it was removed. */
  readonly folder: string | null;
}

/** Everything an executor needs to know about one run. Plain data. */
export interface Assignment {
  readonly run: RunId;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly fence: number;
  /** `agent-N`. */
  readonly agent: string;
  readonly task: TaskDetail;
  /** Machine-wide id for external agents: `wt3f9a~build-api`. */
  readonly globalTaskId: string;
  readonly dependencies: readonly DependencyResult[];
  readonly profile: Profile;
  readonly graph: string;
  readonly worktree: {
    readonly id: string;
    readonly path: string;
    readonly branch: string | null;
    readonly head: string | null;
    /** Where it can be fetched. */
    readonly remote?: string | null;
  };
  readonly repo: {
    readonly name: string;
    readonly path: string;
    /** Its hooks, where a worker on another machine is to run them. */
    readonly beforeRun?: string;
    readonly afterRun?: string;
  };
  /** The run's own folder (exists): output.log, raw_stream.jsonl, prompt.txt, exit.json … */
  readonly folder: string;
  readonly deadlineAt: number | null;
  /** The longest time that the attempt may take, ms, where it begins later than it is sent; null or absent: any. */
  readonly timeoutMs?: number | null;
  /** When the task was claimed for it, ms: the same in every delivery. */
  readonly claimedAt?: number | null;
  /** When a claim's lease ends unless it is renewed, ms; absent if only the deadline counts. */
  readonly leaseUntil?: number | null;
  /**
   * How the agent reports back: base URL (`http://…/api/task/ID`) or null, socket path, and a token for this run
   * alone.
   */
  readonly callback: {
    readonly url: string | null;
    readonly socket: string | null;
    readonly token: string;
    /** For tools that cannot set headers: this URL is the permission to finish the run. Null: there is none. */
    readonly signedUrl?: string | null;
  };
  readonly traceparent: string;
  /** Ports that no other living run has; absent: none were given. */
  readonly ports?: { readonly base: number; readonly count: number };
  /** Base environment for spawned agents: the supervisor's own, already reduced to the allow-list. */
  readonly environment: Readonly<Record<string, string>>;
  /** The model that the project's settings name for this executor's tasks, if the task and the profile name none. */
  readonly projectModel?: string | null;
  /** The previous attempt's outcome, for the prompt; null on the first. */
  readonly previousFailure: string | null;
  /** The attempt before this one, failed or stopped; null or absent: this is the first. */
  readonly previous?: PreviousAttempt | null;
  /** The CLI session to resume, if the task has one. */
  readonly resumeSession: string | null;
  /** What earlier runs of the task used in that session, as far as they told. */
  readonly sessionUsage?: Usage;
  /** What is left of each budget that the run counts for, in words. */
  readonly budgetsLeft?: readonly string[];
  /** Commands of `wg` (`done`, `fail`) with which an agent may finish this task; absent: none. */
  readonly wgWords?: readonly WgWord[];
}

/** `wg done`, `wg fail`. */
export type WgWord = 'done' | 'fail';

/** Where a run would start. */
export interface Place {
  /** Path of the worktree. */
  readonly worktree: string;
  /** As in an assignment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What an executor may use while it works on one run. */
export interface RunControl {
  /**
   * Aborted with a StopReason as its reason: stop the work (or, for `detached`, only stop attending). The first
   * reason counts.
   */
  readonly signal: AbortSignal;
  /** Progress: proof of life, and one short line for `runs` and the event stream. */
  progress(message: string): void;
  /** The remote side works, an account answered: pauses for it are lifted. */
  works?(): void;
  /** It waits for an unavailable remote side: nothing runs locally, its slot may be used by others. */
  waits?(): void;
  /** Record facts about the work. Its usage is recorded whatever the outcome. */
  note(facts: RunNotes): void;
  /** It lies in a queue and no one has begun it. */
  queued?(): void;
  /** Someone began it: its time runs from now, or from when this was first said. */
  begins?(): void;
  /** Its worker asks a person this, or (null) nothing any more. Gives the answer, null as long as there is none. */
  asks?(question: WorkersQuestion | null): string | null;
  /** A piece of output from elsewhere, for the run's folder. */
  output?(piece: PieceOfOutput): Promise<unknown>;
  /** Records deliveries so that they survive a crash; absent if that is not needed. */
  readonly deliveries?: DeliveryNotes;
}

/** A worker's question to a person; the same name is the same question. */
export interface WorkersQuestion {
  readonly name: string;
  readonly question: string;
  readonly options: readonly string[];
}

/** One piece of a file of output. */
export interface PieceOfOutput {
  readonly file: OutputName;
  /** Where it begins in that file, bytes. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The recorded deliveries of one run. */
export interface DeliveryNotes {
  /** Before the first byte is sent. Returns the number of this delivery: 1-based, continued over restarts. */
  begin(message: string, target: string): number;
  /** The result of the last one: `accepted`, `retrying`, `refused` … */
  end(message: string, state: string, because: string | null): void;
}

/** How a run started. */
export type Begun =
  /** A local process works on it. The identity is in the ledger before `attend` is called. */
  | { readonly kind: 'running'; readonly process: ProcessIdentity | null }
  /** The work continues elsewhere; no slot is used. */
  | {
      readonly kind: 'handed-off';
      readonly reference: string | null;
      readonly deadlineAt: number | null;
      /** The agent's own id for the work, even if `reference` is a URL. */
      readonly externalId?: string;
      /** The agent promised a heartbeat this often, seconds. */
      readonly heartbeatEveryS?: number;
      /** Earliest first poll, ms since the epoch. */
      readonly askAt?: number;
    }
  /** It has finished already, or never began. */
  | { readonly kind: 'ended'; readonly outcome: Outcome };

/** The identity of a started run, from the ledger after a restart. */
export interface Handle {
  readonly process: ProcessIdentity | null;
  readonly reference: string | null;
  /** True if an earlier supervisor began the run. */
  readonly adopted: boolean;
  /** As `begin` returned it; a reattached run may be polled at once. */
  readonly askAt?: number;
}

export interface Executor {
  readonly type: ExecutorType;
  /**
   * What prevents every run of the profile from starting there, detectable without starting one; null: nothing
   * detectable from here. Called before a task is claimed.
   */
  lacks?(profile: Profile, place: Place): Promise<Deferred | null>;
  /** Starts the work. Never rejects for failed work. Must be safe to kill at any point. */
  begin(assignment: Assignment, control: RunControl): Promise<Begun>;
  /**
   * Resolves with the outcome when the work has finished, by whatever means this executor has: exit, status URL.
   * A run that only a callback can finish resolves when the signal aborts. After an abort with `detached` it resolves
   * `stopped: detached` and leaves the work running; also without an abort if the result is out of reach now (its folder
   * is away): then it is attended to again.
   */
  attend(assignment: Assignment, handle: Handle, control: RunControl): Promise<Outcome>;
  /**
   * The state of a run whose supervisor died before it could record the start: the process that works on it, null if it
   * finished and left its exit status, 'never' if there is neither (escaped processes are stopped), 'away' if the folder
   * is out of reach, so that it is unknown. Not needed by executors that start no processes.
   */
  recover?(run: {
    readonly id: RunId;
    readonly folder: string;
  }): Promise<ProcessIdentity | null | 'never' | 'away'>;
  /** Takes back what it gave away and no run waits for any more; `held`: the runs that are open. */
  sweep?(held: () => ReadonlySet<string>): Promise<void>;
  /** Ends connections; what was handed off continues. */
  close?(): Promise<void>;
}

/** The abort reason of a signal; `cancelled` if none was given. */
export function stopReason(signal: AbortSignal): StopReason {
  return typeof signal.reason === 'string' ? (signal.reason as StopReason) : 'cancelled';
}
