// What stands in for a task that is gone from its graph, or for a graph that is gone, while somebody still works on it.

import { basename } from 'node:path';
import type { Config } from '../domain/config.ts';
import type { Run } from '../domain/run.ts';
import type { TaskDetail } from '../domain/task.ts';
import type { AssignedGraph } from './assignment.ts';

/** Stands in for a task that was deleted while its agent works: enough to attend to the agent and end it. */
export function missingTask(run: Run): TaskDetail {
  return {
    id: run.task,
    title: run.task,
    status: 'abandoned',
    priority: 0,
    after: [],
    before: [],
    tags: [],
    cronEnabled: false,
    paused: false,
    retryCount: 0,
    spawnFailures: 0,
    dispatchCount: 0,
    hasCycleConfig: false,
    recentDeaths: [],
    foreignKeys: [],
    skills: [],
    inputs: [],
    deliverables: [],
    artifacts: [],
    log: [],
    fields: {},
  };
}

/** Stands in for a graph that nobody serves any more while somebody still works on one of its tasks. */
export function vanishedGraph(run: Run, { profiles, brokenProfiles }: Config): AssignedGraph {
  return {
    store: { detail: () => null },
    worktree: { path: run.worktree, branch: null, head: null },
    repository: { id: run.repo, name: basename(run.worktree), path: run.worktree },
    profiles: { byName: profiles, broken: brokenProfiles, untrusted: [] },
  };
}
