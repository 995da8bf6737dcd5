// What stands in for a task that is gone from its graph while somebody still works on it.

import type { Run } from '../domain/run.ts';
import type { TaskDetail } from '../domain/task.ts';

/** Stands in for a task that was deleted while its agent works: enough to attend to the agent and end it. */
export function vanishedTask(run: Run): TaskDetail {
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
