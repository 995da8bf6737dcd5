// Views that show nothing, for tests of what stands around them.

import type { SupervisorViews } from '../../src/control/views/views.ts';

const AT = '2026-05-01T00:00:00Z';

export function scriptedViews(): SupervisorViews {
  return {
    overview: async () => ({
      generated_at: AT,
      supervisor: {
        running: true,
        pid: 1,
        version: '1.2.3',
        started_at: AT,
        mode: 'dispatch',
        state: 'running',
      },
      limits: { max_concurrent: 8, running: 0, queued: 0 },
      inbox: [],
      worktrees: [],
      runs: [],
      budgets: [],
      workers: [],
      problems: [],
      repositories: 0,
      next: [],
      next_count: 0,
    }),
    ids: async (prefix, limit) => ['a', 'ab', 'b'].filter((id) => id.startsWith(prefix)).slice(0, limit),
    digest: async () => ({
      since: AT,
      until: AT,
      done: 0,
      failed: 0,
      runs: 0,
      cost_usd: 0,
      input_tokens: 0,
      output_tokens: 0,
      items: [],
    }),
    pressure: async () => ({
      generated_at: AT,
      max_concurrent: 8,
      running: 0,
      queued: 0,
      paused: null,
      profiles: [],
      repos: [],
      reasons: [],
    }),
    next: async () => [],
    repos: async () => [],
    graph: async (worktree) => ({ worktree, graph: '/g1', tasks: [], edges: [] }),
    neighbours: async ({ task }) => ({ task, worktree: '/w1', nodes: [], edges: [], critical_tasks: 0 }),
    history: async ({ task }) => ({ task, worktree: '/w1', from: AT, to: null, spans: [] }),
    schedules: async () => ({ from: AT, to: AT, zone: 'UTC', schedules: [] }),
    output: async (run) => ({ run, file: '/o', size: 0, from: 0, to: 0, text: '', over: true }),
  };
}
