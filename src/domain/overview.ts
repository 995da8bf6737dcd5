// What the page shows besides the reports of `status` and `why`: the shapes behind /api/overview, /api/digest and their
// like. Public: extend them, do not change them. Instants are RFC 3339 text.

import type { StatusReport, TaskReport } from './report.ts';

/** A task that starts when a limit has room, or at its time. */
export type NextReport = Pick<
  TaskReport,
  'task' | 'id' | 'title' | 'worktree' | 'state' | 'code' | 'because' | 'next_at' | 'executor'
>;

/** `status` without the long lists, and what comes next: small however many tasks there are. */
export interface OverviewReport
  extends Pick<
    StatusReport,
    'generated_at' | 'supervisor' | 'limits' | 'inbox' | 'worktrees' | 'runs' | 'problems'
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
