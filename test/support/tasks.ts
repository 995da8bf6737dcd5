// Small builders for everything that deciding looks at: each test names only what it is about.

import { readinessView } from '../../src/decide/readiness/readiness.ts';
import type { ReadinessView } from '../../src/decide/readiness/readiness-view.ts';
import type { GraphView, World } from '../../src/decide/world.ts';
import type { Budget } from '../../src/domain/budget.ts';
import type { Config, RepoSettings, RetryPolicy } from '../../src/domain/config.ts';
import type { Snapshot } from '../../src/domain/graph.ts';
import type {
  AgentProfile,
  CommandProfile,
  ExternalProfile,
  HttpProfile,
  Profile,
  ProfileSet,
  ScheduleProfile,
} from '../../src/domain/profile.ts';
import type { Run } from '../../src/domain/run.ts';
import type { SchedulePolicy } from '../../src/domain/schedule-policy.ts';
import { bareDetail, bareTask, type Task, type TaskDetail } from '../../src/domain/task.ts';

/** The instant that tests call now, unless they say otherwise. */
export const NOW = Date.parse('2027-03-10T12:00:00Z');

export const POLICY: SchedulePolicy = {
  catchup: 'latest',
  catchupWindowMs: 7 * 86_400_000,
  overlap: 'skip',
  startDeadlineMs: null,
  jitterMs: 0,
};

export const RETRY: RetryPolicy = { attempts: 1, backoffMs: 10_000, maxBackoffMs: 300_000 };

/** An open task; `task('a', { after: ['b'] })`. */
export function task(id: string, more: Partial<Task> = {}): Task {
  return { ...bareTask(id), priority: 10, ...more };
}

export function detail(id: string, more: Partial<TaskDetail> = {}): TaskDetail {
  return { ...bareDetail(id), priority: 10, ...more };
}

export function tasksById(tasks: readonly Task[]): Map<string, Task> {
  return new Map(tasks.map((one) => [one.id, one]));
}

/** A readiness view of these tasks alone. */
export function view(
  tasks: readonly Task[],
  more: Partial<Omit<ReadinessView, 'tasks'>> = {},
): ReadinessView {
  const { now = NOW, ...rest } = more;
  return readinessView(tasksById(tasks), now, rest);
}

const BASE = {
  origin: { file: '/etc/supervisor.toml' },
  maxConcurrent: null,
  timeoutMs: 0,
  retry: RETRY,
  match: [],
  env: {},
  overridable: false,
} as const;

export function claude(name = 'claude', more: Partial<AgentProfile> = {}): AgentProfile {
  return {
    ...BASE,
    type: 'claude',
    name,
    command: 'claude',
    args: [],
    model: null,
    permissionMode: 'default',
    silenceTimeoutMs: 0,
    account: 'default',
    passEnv: [],
    endGraceMs: 60_000,
    maxOutputBytes: 0,
    ...more,
  };
}

export function command(name = 'command', more: Partial<CommandProfile> = {}): CommandProfile {
  return {
    ...BASE,
    type: 'command',
    name,
    command: null,
    shell: null,
    cwd: null,
    endLine: null,
    passEnv: [],
    endGraceMs: 60_000,
    maxOutputBytes: 0,
    ...more,
  };
}

export function http(name: string, more: Partial<HttpProfile> = {}): HttpProfile {
  return {
    ...BASE,
    type: 'http',
    name,
    endpoint: 'http://localhost:1/',
    method: 'POST',
    headers: {},
    body: null,
    completion: 'callback',
    statusUrl: null,
    pollIntervalMs: 1000,
    secrets: [],
    format: 'standard',
    ...more,
  };
}

export function external(name = 'external', more: Partial<ExternalProfile> = {}): ExternalProfile {
  return { ...BASE, type: 'external', name, staleAfterMs: 0, onStale: 'flag', ...more };
}

export function scheduled(name = 'scheduled', more: Partial<ScheduleProfile> = {}): ScheduleProfile {
  return {
    ...BASE,
    type: 'schedule',
    name,
    schedule: null,
    via: 'default',
    timezone: null,
    policy: {},
    ...more,
  };
}

/** The built-in profiles and these. */
export function profiles(more: readonly Profile[] = [], rest: Partial<ProfileSet> = {}): ProfileSet {
  const all = [claude(), command(), external(), scheduled(), ...more];
  return {
    byName: new Map(all.map((profile) => [profile.name, profile])),
    broken: new Map(),
    untrusted: [],
    ...rest,
  };
}

export function settings(more: Partial<RepoSettings> = {}): RepoSettings {
  return {
    path: '/repo',
    weight: 1,
    maxConcurrent: null,
    maxConcurrentPerWorktree: null,
    include: [],
    exclude: [],
    trust: true,
    duplicates: 'once',
    onRewind: 'restore',
    ...more,
  };
}

export function snapshot(graph: string, tasks: readonly Task[], more: Partial<Snapshot> = {}): Snapshot {
  return { graph, revision: '1', tasks: tasksById(tasks), problem: null, warnings: [], ...more };
}

const PROFILES = profiles();

/** A graph in a worktree of its own repository; name the repository to put several into one. */
export function graphView(name: string, tasks: readonly Task[], more: Partial<GraphView> = {}): GraphView {
  const graph = `/${name}/.workgraph`;
  return {
    graph,
    worktree: `/${name}`,
    worktreeIsMain: true,
    branch: 'main',
    repo: `/${name}/.git`,
    repoName: name,
    settings: settings(),
    tracked: false,
    snapshot: snapshot(graph, tasks),
    profiles: PROFILES,
    hold: null,
    ...more,
  };
}

export function config(more: Partial<Config> = {}): Config {
  return {
    file: null,
    maxConcurrent: 8,
    mode: 'dispatch',
    timezone: 'UTC',
    whenWgDaemon: 'yield',
    repos: [],
    roots: [],
    profiles: new Map(),
    brokenProfiles: new Map(),
    retry: RETRY,
    schedule: POLICY,
    limits: {
      maxLineBytes: 1,
      maxGraphBytes: 1,
      maxBodyBytes: 1,
      safetyPassMs: 1,
      relistMs: 1,
      rewindGraceMs: 5000,
    },
    shutdown: { graceMs: 1, lingerMs: 1 },
    retention: { runsMs: 1, outputMs: 1 },
    api: {
      listen: { kind: 'off' },
      publicUrl: null,
      allowRemote: false,
      allowedHosts: [],
      allowedOrigins: [],
      page: false,
    },
    log: { level: 'info', format: 'auto' },
    ...more,
  };
}

const CONFIG = config();

/** A world of these graphs in which nothing else is running. */
export function world(graphs: readonly GraphView[], more: Partial<World> = {}): World {
  return {
    now: NOW,
    config: CONFIG,
    graphs,
    runs: [],
    attended: new Set(),
    endingTasks: new Set(),
    schedules: new Map(),
    pauses: [],
    peers: new Map(),
    dispatchBlocked: null,
    ...more,
  };
}

/** A run of a task in a graph made by `graphView(name, …)`. */
export function run(name: string, taskId: string, more: Partial<Run> = {}): Run {
  return {
    id: `run_${name}_${taskId}`,
    graph: `/${name}/.workgraph`,
    task: taskId,
    taskCreatedAt: null,
    worktree: `/${name}`,
    repo: `/${name}/.git`,
    executor: 'claude',
    type: 'claude',
    because: 'the built-in default',
    attempt: 1,
    fence: 1,
    agent: 'agent-1',
    phase: 'started',
    process: null,
    folder: null,
    reference: null,
    deadlineAt: null,
    occurrence: null,
    openedAt: NOW,
    startedAt: NOW,
    finishedAt: null,
    outcome: null,
    ...more,
  };
}

/** Ten dollars a day for everything. */
export function budget(more: Partial<Budget> = {}): Budget {
  return {
    name: 'day',
    unit: 'usd',
    cap: 10,
    per: 'day',
    repo: null,
    profile: null,
    account: null,
    model: null,
    warnAt: 0.8,
    onSpent: 'finish',
    ...more,
  };
}
