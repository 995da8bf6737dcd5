// The face of a running supervisor: all that the API (and through it the commands) may ask of it.

import type { Event } from '../domain/event.ts';
import type { RunReport, StatusReport, TaskDetailReport, TaskReport, WhyReport } from '../domain/report.ts';

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
  runOfToken(token: string): { readonly run: string; readonly task: string; readonly graph: string } | null;
  /** A sign of life of a run, by its token; says whether to go on. */
  heartbeat(run: string, message?: string): Promise<{ readonly directive: 'continue' | 'cancel' }>;
  /** Ends the run of a task, or a run by id. */
  cancel(query: TaskQuery, reason: string): Promise<RunReport>;
  /** Opens a failed task again, or clears what parks it. */
  retry(query: TaskQuery): Promise<TaskReport>;
  /** Takes a task for an outside orchestrator. */
  claim(query: TaskQuery, worker: string): Promise<{ readonly run: RunReport; readonly token: string }>;
  /** Hands it back, no attempt counted. */
  release(query: TaskQuery, caller: Caller, reason?: string): Promise<TaskReport>;
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
