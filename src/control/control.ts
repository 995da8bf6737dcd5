// The interface of a running supervisor: everything that the API (and through it the commands) may ask.

import type { ActionTaken, NotedAction } from '../domain/action.ts';
import type { AgentUpdate } from '../domain/agent-update.ts';
import type { Event } from '../domain/event.ts';
import type { AccountLack, FailureKind, Usage } from '../domain/outcome.ts';
import type {
  PromptReport,
  RunReport,
  StatusReport,
  TaskDetailReport,
  TaskReport,
  VerdictsReport,
  WhyReport,
} from '../domain/report.ts';
import type { PieceOfOutput } from '../executors/executor.ts';
import type { TaskRequest } from '../graphs/authoring.ts';
import type { HeartbeatAnswer, HeartbeatFields } from '../run/leases.ts';
import type { AnsweredQuestion, Question } from '../run/questions.ts';
import type { ActionsFilter } from '../runs/action-store.ts';
import type { EditedTask } from './edit-many.ts';
import type { Period } from './verdicts.ts';

/** Names a task as users do: an id, `wt3f9a~id`, and optionally its worktree. */
export interface TaskQuery {
  readonly task: string;
  /** Any path inside a worktree, or its graph folder: the task must be there. */
  readonly worktree?: string;
  /** The current folder of the caller: its worktree is preferred if the id is ambiguous. */
  readonly near?: string;
}

/** The caller: the operator, or the holder of one run's token. */
export type Caller = { readonly kind: 'operator' } | { readonly kind: 'run'; readonly run: string };

/** A report that work has finished. */
export interface CompletionRequest extends TaskQuery {
  readonly caller: Caller;
  readonly result: 'succeeded' | 'failed';
  readonly agent?: string;
  readonly summary?: string;
  /** Any JSON value. */
  readonly artifacts?: unknown;
  /** Why it failed; required for `failed`. */
  readonly reason?: string;
  readonly retryable?: boolean;
  /** Earliest retry, if it is retried, ms from now. */
  readonly retryAfterMs?: number;
  /** What kind of failure it was; absent: the agent reported it. */
  readonly failure?: FailureKind;
  readonly usage?: Usage;
}

export interface CompletionAnswer {
  readonly task: string;
  readonly worktree: string;
  /** The task's status in the graph afterwards. */
  readonly status: string;
  /** It had been reported before; nothing was changed. */
  readonly duplicate: boolean;
  /** It brought what the first report had not, and that was not kept. */
  readonly ignored?: 'artifacts';
  /** The attempt's time had run out, and it was accepted all the same. */
  readonly late: boolean;
  /** How many more attempts a failed task has; null if that does not apply. */
  readonly attempts_left?: number | null;
  /** It could not be written yet: the ledger keeps it, and writes it once the graph is available. */
  readonly kept?: true;
  /** Why it could not be written. */
  readonly because?: string;
}

/** How a run is released. */
export interface ReleaseTerms {
  /** Not to be tried again before. */
  readonly delayMs?: number;
  /** What the account of its worker lacks, and for how long where that is known. */
  readonly account?: { readonly code: AccountLack['code']; readonly delayMs?: number };
}

/** The scope of a run's token. */
export interface RunOfToken {
  readonly run: string;
  readonly task: string;
  readonly graph: string;
  /** Earlier paths of that graph; the run's worker was told one of them. */
  readonly formerGraphs?: readonly string[];
}

/** The terms of a claim. */
export interface ClaimTerms {
  /** How long the lease lasts after each heartbeat, ms; absent: it does not expire. */
  readonly leaseMs?: number;
  /** Returned with every event and notification of the run. */
  readonly externalRef?: string;
  /** The named token that claims: it may report on the run, besides the run's own token. */
  readonly holder?: string;
}

/** A task that an external worker claimed. */
export interface Claimed {
  readonly run: RunReport;
  /** Valid for this run only. */
  readonly token: string;
  /** The same as agents are sent: task, worktree, attempt, lease, callback. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Which tasks a worker would take. Absent lists exclude nothing. */
export interface ClaimRequest extends ClaimTerms {
  readonly worker: string;
  readonly max: number;
  /** How long to wait for the first one, ms. */
  readonly waitMs: number;
  /** Profile names; absent: every profile of type `external`. */
  readonly executors?: readonly string[];
  /** Tags, or `topic:X` by its X. */
  readonly topics?: readonly string[];
  readonly worktrees?: readonly string[];
  /** Ids, bare or machine-wide. */
  readonly tasks?: readonly string[];
  /** Profiles that it would take, and why it does not at present. */
  readonly resting?: readonly (readonly [string, string])[];
  /** Only tasks for workers on other machines. */
  readonly onlyRemote?: boolean;
  readonly signal?: AbortSignal;
}

/** Options for starting a task on request. */
export interface DispatchRequest {
  /** A profile, for this run only. */
  readonly executor?: string;
  /** Notified when it finishes. */
  readonly notifyUrl?: string;
  /** Returned with every event and notification of the run. */
  readonly externalRef?: string;
}

export interface TaskFilter {
  readonly worktree?: string;
  readonly state?: string;
  readonly status?: string;
  readonly executor?: string;
}

export interface RunFilter {
  /** A run's id, or how it begins. */
  readonly run?: string;
  readonly task?: string;
  readonly worktree?: string;
  readonly open?: boolean;
  /** Only runs that failed. */
  readonly failed?: boolean;
  /** Only runs that ended or still run since then, ms. */
  readonly since?: number;
  /** Only runs whose task, executor, model, reason or outcome contains this text, in upper or lower case. */
  readonly grep?: string;
  readonly limit?: number;
}

/**
 * Everything throws SupervisorError for expected problems: `not-found`, `ambiguous` (details.candidates), `graph`, …
 */
export interface SupervisorControl {
  status(): Promise<StatusReport>;
  why(query: TaskQuery): Promise<WhyReport>;
  /** What the agent of a task is told. */
  prompt(query: TaskQuery): Promise<PromptReport>;
  /** What was said of the task within [from, to], ms. */
  verdicts(query: TaskQuery, period: Period): Promise<VerdictsReport>;
  tasks(filter: TaskFilter): Promise<readonly TaskReport[]>;
  task(query: TaskQuery): Promise<TaskDetailReport>;
  runs(filter: RunFilter): Promise<readonly RunReport[]>;
  /** Reports that work has finished. Idempotent. */
  complete(request: CompletionRequest): Promise<CompletionAnswer>;
  /** The run of a callback token, or null. */
  runOfToken(token: string): RunOfToken | null;
  /** The newest run of a task if that named token claimed it, else null. */
  heldRun(query: TaskQuery, holder: string): Promise<RunOfToken | null>;
  /** A run's heartbeat, by its token; extends its lease and says whether to continue. */
  heartbeat(run: string, message?: string, facts?: HeartbeatFields): Promise<HeartbeatAnswer>;
  /** A run's worker waits for a person: its lease is paused until there is an answer, or the worker continues. */
  input(run: string, asked: Question, facts?: HeartbeatFields): Promise<HeartbeatAnswer>;
  /** Output of a run that works elsewhere; gives how much of that file is here now, bytes. */
  output(run: string, piece: PieceOfOutput): Promise<number>;
  /** One update pushed by a run's agent. Idempotent. */
  pushed(run: string, said: AgentUpdate): Promise<void>;
  /**
   * Answers the open question of a task, or of a run by its id. Repeating the same answer changes nothing.
   * `question`: only if that is the open question. Throws `conflict` (`not-claimed`, `nothing-asked`,
   * `already-answered`).
   */
  answer(query: TaskQuery, answer: string, question?: string): Promise<AnsweredQuestion>;
  /** Stops the run of a task, or a run by id. */
  cancel(query: TaskQuery, reason: string): Promise<RunReport>;
  /** Reopens a failed task, or clears what parks it. */
  retry(query: TaskQuery, how?: { readonly doneToo?: boolean }): Promise<TaskReport>;
  /** Claims a task for an external orchestrator. */
  claim(query: TaskQuery, worker: string, terms?: ClaimTerms): Promise<Claimed>;
  /** Claims as many tasks as are available and requested; possibly none. */
  claimMany(wish: ClaimRequest): Promise<readonly Claimed[]>;
  /** Releases it, no attempt counted; with `delayMs` it backs off for that long. */
  release(query: TaskQuery, caller: Caller, reason?: string, terms?: ReleaseTerms): Promise<TaskReport>;
  /** Starts a task now, ignoring its schedule and the limits; with `executor` it runs there this once. */
  dispatch(query: TaskQuery, how: DispatchRequest): Promise<RunReport>;
  /** Resolves when something happened to the task, or after `ms`. */
  changed(query: TaskQuery, ms: number, signal?: AbortSignal): Promise<void>;
  /** The run when it has finished, or its state after `ms`. */
  ended(run: string, ms: number, signal?: AbortSignal): Promise<RunReport>;
  /** Adds an open task to the only graph there is, or the one of `place` (a path in a worktree, a branch). */
  addTask(
    place: string | null,
    request: TaskRequest & { readonly title: string; readonly id?: string },
  ): Promise<TaskReport>;
  /** Changes a task. */
  editTask(query: TaskQuery, request: TaskRequest): Promise<TaskReport>;
  /** The same change to many tasks; what cannot be done is said of its task. */
  editTasks(queries: readonly TaskQuery[], request: TaskRequest): Promise<readonly EditedTask[]>;
  /** Pauses new dispatches: everything, one repository (path or name), one worktree, or one executor. */
  pause(target: string | null, because: string): Promise<void>;
  resume(target: string | null): Promise<void>;
  /** Stops dispatching; running work continues. */
  drain(): Promise<void>;
  /**
   * Has another start of the same command line take over in this process, soon. Throws `failed` or `config` where that
   * would not end well: nothing is stopped then.
   */
  restart(): Promise<void>;
  /** Reads configuration and worktrees again. */
  reload(): Promise<{ readonly problems: readonly string[] }>;
  /** Records who had what done. Never throws: the record is for people, and what it is about was done. */
  noteAction(action: ActionTaken): void;
  /** What people had done, newest first. */
  actions(filter: ActionsFilter): Promise<readonly NotedAction[]>;
  /** Subscribes to every event; the returned function unsubscribes. */
  events(hear: (event: Event) => void): () => void;
}
