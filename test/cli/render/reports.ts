// Reports as a supervisor gives them, for the views.

import type { RunReport, StatusReport, TaskReport, WorktreeReport } from '../../../src/domain/report.ts';

export const NOW = Date.parse('2026-06-01T12:00:00Z');
/** A title that tries everything. */
export const HOSTILE = 'Fix\u001b[31m it\u001b]0;pwned\u0007\r\n\u202e日本語 👨‍👩‍👧\u009b2J';

export function worktreeReport(more: Partial<WorktreeReport> = {}): WorktreeReport {
  return {
    path: '/home/me/src/shop',
    repo: 'shop',
    branch: 'main',
    head: 'abc',
    graph: '/home/me/src/shop/.workgraph',
    state: 'watched',
    because: 'every change of its graph is noticed',
    counts: {
      ...{ open: 5, ready: 1, running: 2, scheduled: 1, waiting: 3, held: 4 },
      ...{ paused: 0, 'in-progress': 2, done: 17, failed: 1, abandoned: 0 },
    },
    problems: [],
    ...more,
  };
}

export function runReport(more: Partial<RunReport> = {}): RunReport {
  return {
    run: 'run_01M816WQHJG2G511TENRMJBHHW',
    task: 'fix-auth-bug',
    worktree: '/home/me/src/shop',
    executor: 'claude',
    type: 'claude',
    attempt: 1,
    phase: 'started',
    agent: 'agent-7',
    pid: 123,
    started_at: '2026-06-01T11:57:00Z',
    finished_at: null,
    output: '/home/me/src/shop/.workgraph/agents/agent-7/output.log',
    because: 'the built-in default',
    outcome: null,
    progress: null,
    ...more,
  };
}

export function taskReport(more: Partial<TaskReport> = {}): TaskReport {
  return {
    task: 'fix-auth-bug',
    id: 'wt25b6be56~fix-auth-bug',
    title: 'Fix auth bug',
    status: 'open',
    worktree: '/home/me/src/shop',
    graph: '/home/me/src/shop/.workgraph',
    state: 'held',
    code: 'no-profile',
    because: 'no executor deploy-agent is configured',
    next_at: null,
    executor: 'deploy-agent',
    priority: 50,
    assigned: null,
    after: ['plan'],
    tags: ['executor:deploy-agent'],
    ...more,
  };
}

export function statusReport(more: Partial<StatusReport> = {}): StatusReport {
  return {
    generated_at: '2026-06-01T12:00:00Z',
    supervisor: {
      ...{ running: true, pid: 1, version: '1.2.3', started_at: '2026-06-01T10:00:00Z' },
      ...{ mode: 'dispatch', state: 'running' },
    },
    limits: { max_concurrent: 8, running: 3, queued: 1 },
    inbox: [],
    budgets: [],
    worktrees: [worktreeReport()],
    runs: [runReport()],
    held: [],
    schedules: [],
    workers: [],
    problems: [],
    ...more,
  };
}
