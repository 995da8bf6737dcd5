// A run that is about to begin, for the tests of the ledger.

import type { NewRun } from '../../src/runs/run-row.ts';

export function newRun(id: string, more: Partial<NewRun> = {}): NewRun {
  return {
    id,
    graph: '/g/.workgraph',
    task: 'build-api',
    taskCreatedAt: '2027-01-01T00:00:00Z',
    worktree: '/g',
    repo: '/g/.git',
    executor: 'default',
    type: 'claude',
    because: 'built-in default',
    attempt: 1,
    occurrence: null,
    ...more,
  };
}
