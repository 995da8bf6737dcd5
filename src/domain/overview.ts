// What the page shows besides the reports of `status` and `why`: the shapes behind /api/overview, /api/digest and their
// like. Public: extend them, do not change them. Instants are RFC 3339 text.

import type { MachineReport, ReportedProblem, StatusReport, TaskReport, WorktreeReport } from './report.ts';

/** A task that starts when a limit has room, or at its time. */
export type NextReport = Pick<
  TaskReport,
  'task' | 'id' | 'title' | 'worktree' | 'state' | 'code' | 'because' | 'next_at' | 'executor'
>;

/** `status` without the long lists, and what comes next: small however many tasks there are. */
export interface OverviewReport
  extends Pick<
    StatusReport,
    | 'generated_at'
    | 'supervisor'
    | 'limits'
    | 'inbox'
    | 'worktrees'
    | 'runs'
    | 'claimed'
    | 'budgets'
    | 'workers'
    | 'problems'
  > {
  readonly repositories: number;
  /** The first of them: queued ones, then by time. */
  readonly next: readonly NextReport[];
  readonly next_count: number;
}

/** A run that ended. */
export interface DigestItem {
  readonly run: string;
  readonly task: string;
  readonly worktree: string;
  readonly executor: string;
  readonly outcome: 'succeeded' | 'failed' | 'stopped' | 'deferred';
  /** Its result, one line; '' if none was reported. */
  readonly message: string;
  readonly at: string;
  readonly cost_usd: number | null;
}

/** What happened in a while. */
export interface DigestReport {
  readonly since: string;
  readonly until: string;
  /** Tasks that were done, by whomever. */
  readonly done: number;
  readonly failed: number;
  /** Runs that ended. */
  readonly runs: number;
  readonly cost_usd: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** The latest first, at most 100. */
  readonly items: readonly DigestItem[];
}

/** A pause, of whatever scope. */
export interface PauseReport {
  readonly code: string;
  readonly because: string;
  /** Null: until it is resumed. */
  readonly until: string | null;
}

/** One profile: how much of it is used, and what it used in the last day. */
export interface ProfilePressure {
  readonly name: string;
  readonly type: string;
  /** The file that defines it, or `built-in`. */
  readonly origin: string;
  readonly max_concurrent: number | null;
  readonly running: number;
  /** Handed off: it uses no slot. */
  readonly elsewhere: number;
  readonly queued: number;
  readonly account: string | null;
  readonly paused: PauseReport | null;
  readonly day: {
    readonly runs: number;
    readonly failed: number;
    readonly cost_usd: number;
    readonly tokens: number;
  };
  /** What one of its runs takes, learned from those that were measured; absent: too few were. */
  readonly footprint?: { readonly runs: number; readonly bytes: number; readonly cores: number };
}

export interface RepoPressure {
  readonly repo: string;
  readonly running: number;
  readonly queued: number;
  readonly max_concurrent: number | null;
  readonly paused: PauseReport | null;
}

/** One reason why tasks do not run, and how many it keeps. */
export interface ReasonReport {
  readonly state: string;
  readonly code: string;
  readonly because: string;
  readonly tasks: number;
}

/** Where work waits for room. */
export interface PressureReport {
  readonly generated_at: string;
  readonly max_concurrent: number;
  readonly running: number;
  readonly queued: number;
  readonly paused: PauseReport | null;
  /** Absent: not looked at lately. */
  readonly machine?: MachineReport;
  readonly profiles: readonly ProfilePressure[];
  readonly repos: readonly RepoPressure[];
  readonly reasons: readonly ReasonReport[];
}

/** A task near another. */
export interface NeighbourReport
  extends Pick<TaskReport, 'task' | 'title' | 'status' | 'state' | 'code' | 'because'> {
  /** Steps from the task in the middle: negative ones it waits for. */
  readonly depth: number;
  /** This many more of its own are not among them. */
  readonly hidden_up: number;
  readonly hidden_down: number;
  /** On the longest chain of unfinished tasks through the one in the middle. */
  readonly critical: boolean;
}

export interface NeighboursReport {
  readonly task: string;
  readonly worktree: string;
  readonly nodes: readonly NeighbourReport[];
  readonly edges: readonly { readonly from: string; readonly to: string; readonly critical: boolean }[];
  /** Length of that chain. */
  readonly critical_tasks: number;
}

/** A part of a task's life. */
export interface HistorySpan {
  readonly kind: 'waits' | 'runs' | 'elsewhere';
  readonly from: string;
  /** Null: it continues. */
  readonly to: string | null;
  /** The verdict's code while it waited, the outcome's kind (or the phase) of a run. */
  readonly code: string;
  readonly because: string;
  readonly run?: string;
  readonly attempt?: number;
  readonly executor?: string;
}

export interface HistoryReport {
  readonly task: string;
  readonly worktree: string;
  readonly from: string;
  /** Null: it is not over. */
  readonly to: string | null;
  readonly spans: readonly HistorySpan[];
}

/** One schedule: what is due within a day, and the results of the last instants, oldest first. */
export interface TimetableRow {
  readonly task: string;
  readonly title: string;
  readonly worktree: string;
  readonly schedule: string;
  readonly zone: string;
  readonly state: string;
  readonly because: string;
  readonly next_at: string | null;
  readonly next: readonly string[];
  readonly last: readonly {
    readonly at: string;
    readonly result: 'done' | 'failed' | 'stopped' | 'running' | 'replaced' | 'missed' | 'skipped';
    readonly because: string;
  }[];
}

export interface TimetableReport {
  readonly from: string;
  readonly to: string;
  readonly zone: string;
  readonly schedules: readonly TimetableRow[];
}

/** A window of what a run wrote, in bytes of its file; the text is plain, without escapes. */
export interface OutputReport {
  readonly run: string;
  /** Null: it wrote nothing, or nothing is kept any more. */
  readonly file: string | null;
  readonly size: number;
  readonly from: number;
  readonly to: number;
  readonly text: string;
  /** Nothing more comes. */
  readonly over: boolean;
}

/** One repository with its worktrees. */
export interface RepoReport {
  readonly repo: string;
  readonly worktrees: readonly string[];
  readonly counts: WorktreeReport['counts'];
  readonly problems: readonly ReportedProblem[];
}

/** A whole graph: tasks and who waits for whom. */
export interface GraphReport {
  readonly worktree: string;
  readonly graph: string;
  readonly tasks: readonly TaskReport[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}
