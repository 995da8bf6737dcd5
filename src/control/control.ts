// The face of a running supervisor: all that the API (and through it the commands) may ask of it.

import type { AgentUpdate } from '../domain/agent-update.ts';
import type { Event } from '../domain/event.ts';
import type { FailureKind, Usage } from '../domain/outcome.ts';
import type { RunReport, StatusReport, TaskDetailReport, TaskReport, WhyReport } from '../domain/report.ts';
import type { HeartbeatAnswer, HeartbeatFields } from '../run/leases.ts';
import type { AnsweredQuestion, Question } from '../run/questions.ts';
import type { OutputPiece } from '../run/remote-output.ts';

/** Names a task as people do: an id, `wt3f9a~id`, and optionally the worktree it is meant in. */
export interface TaskQuery {
  readonly task: string;
  /** Any path inside a worktree, or its graph folder: the task must be there. */
  readonly worktree?: string;
  /** The folder the question was asked in: its worktree is preferred where the id means several tasks. */
  readonly near?: string;
}

/** Who is asking: the operator, or the holder of one run's token. */
export type Caller = { readonly kind: 'operator' } | { readonly kind: 'run'; readonly run: string };

/** A report that work is over. */
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
  /** Not before this long from now, should it be tried again, ms. */
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
  /** The attempt's time was over, and it counted all the same. */
  readonly late: boolean;
  /** How many more attempts a failed task has; null where that says nothing. */
  readonly attempts_left?: number | null;
  /** It could not be written yet: the ledger keeps it, and it is written when the graph can be. */
  readonly kept?: true;
  /** Why it could not. */
  readonly because?: string;
}

/** What a run's token is good for. */
export interface RunOfToken {
  readonly run: string;
  readonly task: string;
  readonly graph: string;
  /** Where that graph was before; whoever works on the run was told so. */
  readonly formerGraphs?: readonly string[];
}

/** What a claim agrees upon. */
export interface ClaimTerms {
  /** How long the lease holds after each sign of life, ms; absent: it does not end by itself. */
  readonly leaseMs?: number;
  /** Given back with every event and notification of the run. */
  readonly externalRef?: string;
}

/** A task that somebody outside took. */
export interface Claimed {
  readonly run: RunReport;
  /** For this run alone. */
  readonly token: string;
  /** The same that agents are sent: task, worktree, attempt, lease, callback. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Which tasks a puller would take. Lists that are absent exclude nothing. */
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
  /** Profiles that it would take, and why it does not just now. */
  readonly resting?: readonly (readonly [string, string])[];
  /** Nothing but what is there for workers on other machines. */
  readonly onlyRemote?: boolean;
  readonly signal?: AbortSignal;
}

/** How a task is begun by request. */
export interface DispatchRequest {
  /** A profile, for this once. */
  readonly executor?: string;
  /** Told when it is over. */
  readonly notifyUrl?: string;
  /** Given back with every event and notification of the run. */
  readonly externalRef?: string;
}

export interface TaskFilter {
  readonly worktree?: string;
  readonly state?: string;
  readonly status?: string;
  readonly executor?: string;
}

export interface RunFilter {
  readonly task?: string;
  readonly worktree?: string;
  readonly open?: boolean;
  readonly limit?: number;
}

/** Everything throws SupervisorError for expected trouble: `not-found`, `ambiguous` (details.candidates), `graph`, … */
export interface SupervisorControl {
  status(): Promise<StatusReport>;
  why(query: TaskQuery): Promise<WhyReport>;
  tasks(filter: TaskFilter): Promise<readonly TaskReport[]>;
  task(query: TaskQuery): Promise<TaskDetailReport>;
  runs(filter: RunFilter): Promise<readonly RunReport[]>;
  /** Reports that work is over. Doing it twice is harmless. */
  complete(request: CompletionRequest): Promise<CompletionAnswer>;
  /** The run a callback token belongs to, or null. */
  runOfToken(token: string): RunOfToken | null;
  /** A sign of life of a run, by its token; moves its lease and says whether to go on. */
  heartbeat(run: string, message?: string, facts?: HeartbeatFields): Promise<HeartbeatAnswer>;
  /** Whoever works on the run waits for a person: its lease stands still until somebody answers, or it goes on. */
  input(run: string, asked: Question, facts?: HeartbeatFields): Promise<HeartbeatAnswer>;
  /** Output of a run that works elsewhere; gives how much of that file is here now, bytes. */
  output(run: string, piece: OutputPiece): Promise<number>;
  /** One word that the agent of a run pushed. Saying it twice is harmless. */
  pushed(run: string, said: AgentUpdate): Promise<void>;
  /**
   * Answers the open question of a task, or of a run by its id. The same answer again changes nothing. `question`: only
   * if that is what it asks. Throws `conflict` (`not-claimed`, `nothing-asked`, `already-answered`).
   */
  answer(query: TaskQuery, answer: string, question?: string): Promise<AnsweredQuestion>;
  /** Ends the run of a task, or a run by id. */
  cancel(query: TaskQuery, reason: string): Promise<RunReport>;
  /** Opens a failed task again, or clears what parks it. */
  retry(query: TaskQuery): Promise<TaskReport>;
  /** Takes a task for an outside orchestrator. */
  claim(query: TaskQuery, worker: string, terms?: ClaimTerms): Promise<Claimed>;
  /** Takes as many tasks as there are and are wished for; none is an answer too. */
  claimMany(wish: ClaimRequest): Promise<readonly Claimed[]>;
  /** Hands it back, no attempt counted; with `delayMs` it rests that long. */
  release(query: TaskQuery, caller: Caller, reason?: string, delayMs?: number): Promise<TaskReport>;
  /** Begins a task now, whatever its schedule and the limits say; with `executor` it runs there this once. */
  dispatch(query: TaskQuery, how: DispatchRequest): Promise<RunReport>;
  /** Resolves when something happened to the task, or after `ms`. */
  changed(query: TaskQuery, ms: number, signal?: AbortSignal): Promise<void>;
  /** The run when it is over, or as it stands after `ms`. */
  ended(run: string, ms: number, signal?: AbortSignal): Promise<RunReport>;
  /** Holds new dispatches: everything, one repository (path or name), or one executor. */
  pause(target: string | null, because: string): Promise<void>;
  resume(target: string | null): Promise<void>;
  /** Takes nothing new; what runs goes on. */
  drain(): Promise<void>;
  /** Reads configuration and worktrees anew. */
  reload(): Promise<{ readonly problems: readonly string[] }>;
  /** Hears every event from now on; the result ends that. */
  events(hear: (event: Event) => void): () => void;
}
