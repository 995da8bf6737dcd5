// The public shapes behind `status --json`, `why`, `list`, `runs` and the API. Extend them, do not change them.
// Instants are RFC 3339 strings here.

import type { ActionTaken } from './action.ts';
import type { BudgetPeriod, BudgetUnit } from './budget.ts';
import type { GraphPath } from './ids.ts';
import type { Outcome } from './outcome.ts';
import type { RunPhase } from './run.ts';
import type { Condition, VerdictState } from './verdict.ts';

/** Counts by verdict for tasks that are open, and by wg's status for the others. */
export interface TaskCounts {
  readonly open: number;
  readonly ready: number;
  readonly running: number;
  readonly scheduled: number;
  readonly waiting: number;
  readonly held: number;
  readonly paused: number;
  readonly 'in-progress': number;
  readonly done: number;
  readonly failed: number;
  readonly abandoned: number;
}

export interface ReportedProblem {
  readonly code: string;
  readonly message: string;
}

export interface WorktreeReport {
  readonly path: string;
  readonly repo: string;
  readonly branch: string | null;
  readonly head: string | null;
  /** The graph's folder, null if there is none. */
  readonly graph: string | null;
  /** watched, polling, no-graph, graph-gone, alias, held, missing, prunable, locked, bare, excluded. */
  readonly state: string;
  readonly because: string;
  readonly counts: TaskCounts;
  /** How many of its tasks are copies of tasks that another worktree dispatches; absent: none. */
  readonly copies?: number;
  readonly problems: readonly ReportedProblem[];
}

/** What one run used; unreported values are null. */
export interface UsageReport {
  readonly cost_usd: number | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cache_read_input_tokens: number | null;
  readonly cache_creation_input_tokens: number | null;
  readonly turns: number | null;
}

/** The external worker of a run. */
export interface LeaseReport {
  readonly worker: string | null;
  /** Moved by heartbeats; null: it does not expire. */
  readonly expires_at: string | null;
  readonly heartbeat_at: string | null;
  readonly external_ref: string | null;
  /** Its last question to a person, null if it never asked. */
  readonly question: string | null;
  /** Answers it offered with the question. */
  readonly options: readonly string[];
  /** The person's answer; null with a question: still waiting. */
  readonly answer: string | null;
  /** Since when it counts as stale, null if it does not. */
  readonly stale_since: string | null;
}

export interface RunReport {
  readonly run: string;
  readonly task: string;
  readonly worktree: string;
  readonly executor: string;
  readonly type: string;
  readonly attempt: number;
  readonly phase: RunPhase;
  readonly agent: string;
  readonly pid: number | null;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  /** Path of its output file, null if it has none. */
  readonly output: string | null;
  readonly because: string;
  readonly outcome: Outcome | null;
  /** The last progress report, as text. */
  readonly progress: string | null;
  /** The worktree that was made for its task; absent: it works in that of its graph. */
  readonly place?: string;
  /** The first of its ports; absent: it has none of its own. */
  readonly port_base?: number;
  /** The session of its CLI; null if it has none. */
  readonly session?: string | null;
  readonly model?: string | null;
  /** Tokens and money that it used, as far as its executor reports them. */
  readonly usage?: UsageReport | null;
  /** For external work: the worker, and its lease. */
  readonly lease?: LeaseReport;
  /** Reported as finished, while its process or its after_run continues; absent: it does not. */
  readonly ending?: true;
}

export interface HeldReport {
  readonly task: string;
  readonly worktree: string;
  readonly state: VerdictState;
  readonly code: string;
  readonly because: string;
  readonly next_at: string | null;
}

/** A task that is in progress without a run of this supervisor. */
export interface ClaimedReport {
  readonly task: string;
  readonly worktree: string;
  /** Null: its line names none. */
  readonly agent: string | null;
  readonly since: string | null;
}

export interface ScheduleReport {
  readonly task: string;
  readonly worktree: string;
  readonly schedule: string;
  readonly next_at: string | null;
}

/** A worker on another machine. */
export interface WorkerReport {
  readonly name: string;
  /** Profiles whose tasks it takes. */
  readonly profiles: readonly string[];
  /** Those that it does not take at present, and why. */
  readonly resting: readonly { readonly executor: string; readonly because: string }[];
}

/** The kind of attention an inbox item needs. */
export type InboxKind =
  | 'question'
  | 'failed'
  | 'parked'
  | 'configuration'
  | 'untrusted'
  | 'stale'
  | 'rewound'
  | 'budget'
  | 'worktree';

/** What settles an inbox item: the verb of its command. */
export type InboxAction = 'answer' | 'done' | 'release' | 'retry';

/** One item that waits for a person. */
export interface InboxItem {
  readonly kind: InboxKind;
  /** Stable code for programs, as in verdicts and problems. */
  readonly code: string;
  /** The task, or the first of several; null if it concerns the worktree itself. */
  readonly task: string | null;
  /** Machine-wide id of that task. */
  readonly id: string | null;
  readonly title: string;
  readonly worktree: string;
  readonly because: string;
  /** Since when it waits, if known. */
  readonly since: string | null;
  /** How many unfinished tasks wait for it. */
  readonly blocks: number;
  /** Every task that the same action settles. */
  readonly tasks: readonly string[];
  /** Answers offered with a question. */
  readonly options?: readonly string[];
  /** The command that settles it, or shows how. */
  readonly command: string;
  /** What that command does to the task; null: it only shows how. */
  readonly action: InboxAction | null;
}

/** How one budget stands. */
export interface BudgetReport {
  readonly name: string;
  readonly unit: BudgetUnit;
  readonly cap: number;
  readonly per: BudgetPeriod;
  readonly repo: string | null;
  readonly profile: string | null;
  readonly account: string | null;
  readonly model: string | null;
  /** The task, for a budget per task. */
  readonly task: string | null;
  /** Used by finished runs. */
  readonly spent: number;
  /** Used so far by running runs. */
  readonly used: number;
  /** What those are expected to come to, what they used included. */
  readonly running: number;
  readonly running_runs: number;
  /** Runs that did not tell what they used in this unit. */
  readonly untold: number;
  /** The unused part; 0 if more than the cap was used. */
  readonly left: number;
  /** `warn` from its warn_at on; `spent`: nothing new starts. */
  readonly state: 'ok' | 'warn' | 'spent';
  readonly on_spent: 'finish' | 'stop';
  /** When it resets; null: when a person says so. */
  readonly next_at: string | null;
}

/** The machine at the last look. Null: not known. */
export interface MachineReport {
  readonly at: string;
  readonly memory: {
    readonly available_bytes: number;
    readonly total_bytes: number;
    /** Per cent of the last 10 s in which something waited for memory. */
    readonly pressure: number | null;
  } | null;
  readonly load: {
    readonly average: number;
    readonly cores: number;
    /** Per cent of the last minute in which something waited for a processor. */
    readonly pressure: number | null;
  } | null;
  /** What is short: nothing more starts. `since`: when that began. */
  readonly short: readonly {
    readonly kind: 'memory' | 'load' | 'disk';
    readonly because: string;
    readonly since: string;
  }[];
}

export interface StatusReport {
  readonly generated_at: string;
  readonly supervisor: {
    readonly running: boolean;
    readonly pid: number | null;
    readonly version: string;
    readonly started_at: string | null;
    readonly mode: string;
    /** starting, running, draining, stopping, stopped. */
    readonly state: string;
  };
  readonly limits: {
    readonly max_concurrent: number;
    readonly running: number;
    readonly queued: number;
    /** Absent: it was not looked at lately, as nothing was to start. */
    readonly machine?: MachineReport;
  };
  /** Items that wait for a person, longest waiting first. */
  readonly inbox: readonly InboxItem[];
  readonly worktrees: readonly WorktreeReport[];
  readonly runs: readonly RunReport[];
  /** Tasks that agents or people outside of this supervisor have claimed: running, and without a run here. Absent: an earlier version does not tell. */
  readonly claimed?: readonly ClaimedReport[];
  /** What agents may spend; those per task for each task that runs. */
  readonly budgets: readonly BudgetReport[];
  /** Every task that is open and not running, with its reason. */
  readonly held: readonly HeldReport[];
  readonly schedules: readonly ScheduleReport[];
  /** Workers on other machines that are connected. */
  readonly workers: readonly WorkerReport[];
  /** Problems of the whole machine: configuration, watches, repositories. */
  readonly problems: readonly ReportedProblem[];
}

/** One task across worktrees, as `list` and `GET /api/tasks` show it. */
export interface TaskReport {
  readonly task: string;
  /** Machine-wide id, `wt3f9a~build-api`. */
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly worktree: string;
  readonly graph: GraphPath;
  readonly state: VerdictState;
  readonly code: string;
  readonly because: string;
  readonly next_at: string | null;
  readonly executor: string | null;
  readonly priority: number;
  readonly assigned: string | null;
  readonly after: readonly string[];
  readonly tags: readonly string[];
}

export interface WhyReport extends TaskReport {
  /** Every condition, limit and rule that was judged, in order. */
  readonly conditions: readonly Condition[];
  readonly runs: readonly RunReport[];
}

/** What was said of a task while time went by, of the record. */
export interface VerdictsReport {
  readonly id: string;
  readonly task: string;
  readonly worktree: string;
  /** The part of time that was asked for, RFC 3339. */
  readonly from: string;
  readonly to: string;
  /** Without gaps and overlaps from the first recorded one on, oldest first; `to` null: it still stands. */
  readonly spans: readonly VerdictSpanReport[];
}

/** A verdict that stood for a while; the code `not-running`: no supervisor was running. */
export interface VerdictSpanReport {
  readonly from: string;
  readonly to: string | null;
  readonly state: VerdictState;
  readonly code: string;
  readonly because: string;
}

/** One task in full. */
export interface TaskDetailReport extends TaskReport {
  readonly description: string | null;
  /** JSON values if an artifact is JSON, strings otherwise. */
  readonly artifacts: readonly unknown[];
  readonly log: readonly { readonly timestamp: string; readonly actor?: string; readonly message: string }[];
  /** The graph line, with every key. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly runs: readonly RunReport[];
  /** What people had done to it from outside of the graph, newest first. */
  readonly actions?: readonly ActionReport[];
}

/** What a person had done, and when. */
export interface ActionReport extends ActionTaken {
  readonly at: string;
}

/** What an agent is told. */
export interface PromptReport {
  readonly task: string;
  readonly worktree: string;
  readonly executor: string;
  /** The run it was sent to; null: no one works on the task, and the next run would be sent this. */
  readonly run: string | null;
  /** Markdown. */
  readonly prompt: string;
}
