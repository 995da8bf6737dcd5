// The codes that say why a task is not being started. Public: scripts and `status --json` rely on them. Graph
// problems, graph blocks and pauses (`parked`, `quota`, …) have codes of their own, from where they are noticed. In brackets: the
// files of this folder that give them.

/** Every code a decision can give a verdict, with its meaning. */
export const VERDICT_CODES = {
  // Its graph is large and has just changed (judge/interim.ts).
  judging: 'its graph is still being judged',

  // The task is being worked on (decide.ts).
  starting: 'a run was started and has not claimed the task yet',
  running: 'a run works on it',
  'handed-off': 'its run was handed off; its callback or status is awaited',
  finishing: 'its run has finished; the outcome is being written to the graph',
  dispatched: 'it starts now',

  // wg's status does not allow a start; the rest of the code is that status (readiness/readiness.ts).
  'status-in-progress': 'another agent or person works on it',
  'status-waiting': "parked by `wg wait`; wg's tick wakes it",
  'status-blocked': "blocked by hand; wg's tick opens it when its dependencies are done",
  'status-pending-validation': 'done, and waits for its validation',
  'status-pending-eval': 'done, and waits for its evaluation',
  'status-failed-pending-eval': 'failed, and waits for the evaluation that may rescue it',
  'status-done': 'done',
  'status-failed': 'failed',
  'status-abandoned': 'abandoned',

  // Readiness, in the order it is judged (readiness/).
  paused: 'a draft, or paused by a person',
  'not-before': 'its not_before has not come',
  'ready-after': 'its ready_after (a retry or a cycle delay) has not come',
  cron: "wg's own cron_schedule is not due",
  'cron-never': "wg's own cron_schedule can never come due as it stands",
  dependency: 'waits for tasks that are not done',
  'dependency-failed': 'waits for a task that failed and is not retried automatically',
  'dependency-contract':
    'its dependency is done, but did not bring what counts for it by its completion contract',
  'dependency-missing': 'waits for a task that does not exist',
  'dependency-peer': 'waits for a task of another repository that is not done or cannot be read',
  'evaluation-gate': 'its dependency is done, but the evaluation of that is not',

  // wg's dispatcher filters (readiness/dispatcher-filters.ts).
  assigned: 'open, yet still assigned',
  'daemon-tag': "carries a tag of wg's own daemon loops",
  'respawn-throttle': 'its agents died again and again in the last minutes',
  'spawn-failures': 'it could not be started too often',
  'dependency-abandoned': 'a wg system task whose subject was abandoned',
  'wg-system-task': "belongs to wg's own machinery",
  'needs-wg': 'carries keys whose rules only wg knows',

  // Copies of one task in several worktrees (reconcile/identity.ts).
  copy: 'another worktree of the repository dispatches the same task',
  'copy-elsewhere': 'another worktree works on its copy of this task, or finished it',

  // Older lines that came back: through git, or through a slow writer (reconcile/rewind.ts).
  rewound: 'its line is older than what was written of it, or its graph is just being rewound',

  // Routing (routes/route.ts).
  'no-profile': 'names an executor that is not configured',
  'no-route': 'its model, or the project, asks for a system that no executor serves',
  'broken-profile': 'its profile has an error',
  untrusted: 'its repository, or its profile in the worktree, is not trusted',
  'profile-loop': 'schedule profiles that refer to each other',
  'bad-url': 'names an address that is none',
  owner: 'belongs to a person or agent without a profile',

  // Schedules.
  schedule: 'its time has not come',
  'no-schedule': 'its executor waits for a time and nothing names one',
  'bad-schedule': 'its schedule cannot be read',
  'schedule-over': 'its schedule has no instant left',

  // Capacity.
  'machine-limit': 'the machine has no room',
  'repo-limit': 'its repository has no room',
  'worktree-limit': 'its worktree has no room',
  'profile-limit': 'its profile has no room',
  'machine-memory': 'the machine is short of memory, or would be with one more',
  'machine-load': 'the machine is overloaded',
  'machine-disk': 'the disk of its worktree, or of the state folder, is short of room',
  budget: 'a budget that it counts for has no room for it',
  probe: 'its profile or account was paused, and one other task tries it first',
  idle: 'idle priority, and the graph has other work',
  'no-worker': 'no worker with its profile is connected',
  'worker-places': 'the workers with its profile have no place, or rest',
  stopping: 'open again, but its previous run has not ended yet',
} as const;

export type VerdictCode = keyof typeof VERDICT_CODES;
