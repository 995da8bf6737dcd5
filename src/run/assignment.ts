// Gathers everything one run needs to know, from the fresh graph, the worktree and the ledger.

import { basename } from 'node:path';
import { tierRoute } from '../decide/routes/asked-route.ts';
import type { Config, RepoSettings } from '../domain/config.ts';
import { defined } from '../domain/defined.ts';
import { parseWgTimeout } from '../domain/duration.ts';
import { projectModel } from '../domain/model-route.ts';
import { sumUsage, type Usage } from '../domain/outcome.ts';
import { goesElsewhere, isAgentProfile, isDoneElsewhere, type Profile } from '../domain/profile.ts';
import { isOpenRun, type Run } from '../domain/run.ts';
import { bareDetail, type TaskDetail } from '../domain/task.ts';
import type { WgCapabilities } from '../domain/wg-capabilities.ts';
import type { Repository, Worktree } from '../domain/worktree.ts';
import type { Assignment, DependencyResult, WgWord } from '../executors/executor.ts';
import type { GraphStore } from '../graph/store.ts';
import type { SupervisedGraph } from '../graphs/supervised-graphs.ts';
import { spanOfRun, traceOfRun, worktreeId } from '../platform/identity.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { LedgerView } from '../runs/ledger-view.ts';
import { remoteOf } from '../worktrees/remote.ts';
import type { Standing } from '../worktrees/standing.ts';
import type { RepoHooks } from './hook-rules.ts';
import type { LiveRun } from './live-run.ts';
import { PORTS_EACH } from './own-places.ts';

/** How agents reach the supervisor: a TCP base URL (null while TCP is closed) and the unix socket's path. */
export interface CallbackAddress {
  readonly url: string | null;
  readonly socket: string | null;
}

/** The `wg` command found for a graph's tasks. */
export interface WgOfGraph {
  readonly wgOnPath?: boolean;
  readonly wgCan?: Pick<WgCapabilities, 'candidates'>;
}

/** The graph's part of an assignment. */
export interface AssignedGraph extends WgOfGraph {
  readonly store: Pick<GraphStore, 'detail'>;
  readonly worktree: Pick<Worktree, 'path' | 'branch' | 'head'>;
  readonly repository: Pick<Repository, 'id' | 'name' | 'path'>;
  readonly profiles: SupervisedGraph['profiles'];
  /** Absent: its graph is no longer served. */
  readonly settings?: RepoSettings;
}

/** How many of a finished dependency's last log lines a prompt or payload carries (as wg does). */
const DEPENDENCY_LOG_LINES = 5;

/** Absolute end of an attempt, ms: the task's own timeout takes precedence over the profile's; null: none. */
export function deadlineOf(
  task: { readonly timeout?: string },
  profile: Profile,
  startAt: number,
): number | null {
  const own = task.timeout === undefined ? null : parseWgTimeout(task.timeout);
  const limit = own ?? profile.timeoutMs;
  return limit > 0 ? startAt + limit : null;
}

/** Machine-wide id of a task, as external agents see it: `wt3f9a01~build-api`. */
export function globalTaskId(graph: string, task: string): string {
  return globalTaskIds(graph)(task);
}

/** The same for many tasks of one graph. */
export function globalTaskIds(graph: string): (task: string) => string {
  const worktree = worktreeId(graph);
  return (task) => `${worktree}~${task}`;
}

/** Builds the assignment of a run. */
export function buildAssignment(input: {
  readonly run: Run;
  readonly profile: Profile;
  readonly task: TaskDetail;
  readonly graph: AssignedGraph;
  /** The commit its worktree is at now. */
  readonly standing: Standing;
  readonly config: Config;
  readonly callback: CallbackAddress;
  readonly token: string;
  readonly signedToken?: string | null;
  readonly leaseUntil?: number | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly previous: Run | null;
  /** What earlier runs used in a session. */
  usedIn(session: string): Usage;
  readonly budgetsLeft?: readonly string[];
}): Assignment {
  const { run, profile, task, graph, callback } = input;
  const id = globalTaskId(run.graph, run.task);
  const after = afterPrevious(task, profile, input.previous);
  return {
    run: run.id,
    attempt: run.attempt,
    maxAttempts: profile.retry.attempts,
    fence: run.fence,
    agent: run.agent,
    task,
    globalTaskId: id,
    dependencies: dependencyResults(graph.store, task),
    profile,
    graph: run.graph,
    worktree: {
      id: worktreeId(run.graph),
      path: run.place ?? run.worktree,
      branch: input.standing.branch,
      head: input.standing.head,
      // Only external workers have to fetch it.
      remote: isDoneElsewhere(run.type) ? remoteOf(graph.repository.id) : null,
    },
    repo: { name: graph.repository.name, path: graph.repository.path, ...hooksElsewhere(graph, run) },
    folder: run.folder ?? '',
    deadlineAt: run.deadlineAt,
    timeoutMs: deadlineOf(task, profile, 0),
    claimedAt: run.startedAt,
    leaseUntil: input.leaseUntil ?? null,
    callback: {
      url: callback.url === null ? null : `${callback.url}/api/task/${encodeURIComponent(id)}`,
      socket: callback.socket,
      token: input.token,
      signedUrl:
        callback.url === null || !input.signedToken
          ? null
          : `${callback.url}/api/callback/${input.signedToken}`,
    },
    traceparent: `00-${traceOfRun(run.id)}-${spanOfRun(run.id)}-01`,
    environment: input.environment,
    projectModel: projectModel(tierRoute(task, graph.profiles) ?? graph.profiles.project, profile),
    ...after,
    ...(after.resumeSession === null ? {} : { sessionUsage: input.usedIn(after.resumeSession) }),
    wgWords: wgWords(task, graph),
    ...(run.portBase === undefined ? {} : { ports: { base: run.portBase, count: PORTS_EACH } }),
    ...(input.budgetsLeft ? { budgetsLeft: input.budgetsLeft } : {}),
  };
}

/** The hooks that a worker on another machine runs; none of a repository that is not trusted. */
function hooksElsewhere({ profiles, settings }: AssignedGraph, run: Run): RepoHooks {
  if (!settings || profiles.repositoryUntrusted || !goesElsewhere(run.type)) return {};
  const { beforeRun, afterRun } = settings;
  return defined({ beforeRun, afterRun });
}

/**
 * The wg commands with which the agent can finish this task. A task that wants candidates cannot be finished by `wg
 * done`; the oldest wg refuses to finish tasks in cycles; a wg that could not be probed is not recommended.
 */
export function wgWords(task: Pick<TaskDetail, 'fields'>, { wgOnPath = false, wgCan }: WgOfGraph): WgWord[] {
  if (!wgOnPath || !wgCan) return [];
  const isOfCycle = (task.fields.cycle_config ?? null) !== null;
  return wgCan.candidates || isOfCycle ? ['fail'] : ['done', 'fail'];
}

/** The run of the same task before this one; `id` null: before the next one. */
export function previousRun(
  ledger: Pick<LedgerView, 'runs'>,
  {
    graph,
    task,
    taskCreatedAt,
    id,
  }: Pick<Run, 'graph' | 'task' | 'taskCreatedAt'> & { readonly id: string | null },
): Run | null {
  const earlier = ledger.runs({ graph, task, limit: 20 }).filter((run) => run.id !== id);
  // What was never started tried nothing.
  return earlier.find((run) => run.taskCreatedAt === taskCreatedAt && run.phase !== 'abandoned') ?? null;
}

function usedInSession(
  ledger: Pick<LedgerView, 'runs'>,
  { graph, task, id }: Pick<Run, 'graph' | 'task' | 'id'>,
  session: string,
): Usage {
  return ledger
    .runs({ graph, task, limit: 20 })
    .filter((run) => run.id !== id && run.session === session)
    .reduce<Usage>((sum, { usage }) => sumUsage(sum, usage ?? {}), {});
}

/** What the next attempt takes over from the one before. */
export function afterPrevious(
  task: Pick<TaskDetail, 'fields'>,
  profile: Profile,
  previous: Run | null,
): Pick<Assignment, 'previousFailure' | 'previous' | 'resumeSession'> {
  const outcome = previous?.outcome ?? null;
  const own = task.fields.session_id;
  const ownSession = typeof own === 'string' && own !== '' ? own : null;
  const message = endedBecause(previous);
  const goesOn = isAgentProfile(profile) && profile.resume && message !== null;
  const isSame = previous?.executor === profile.name && previous.type === profile.type;
  return {
    previousFailure: outcome?.kind === 'failed' ? outcome.message : null,
    previous:
      previous === null || message === null
        ? null
        : {
            message,
            ...(outcome?.kind === 'failed' && outcome.summary ? { summary: outcome.summary } : {}),
            type: previous.type,
            folder: previous.folder,
          },
    resumeSession: ownSession ?? (goesOn && isSame ? (previous?.session ?? null) : null),
  };
}

/** Why a run ended before its work was done; null: it succeeded, or continues. */
function endedBecause(run: Run | null): string | null {
  if (run === null || isOpenRun(run)) return null;
  switch (run.outcome?.kind) {
    case 'failed':
      return run.outcome.message;
    case 'stopped':
      return `it was stopped (${run.outcome.reason})${run.outcome.because ? `: ${run.outcome.because}` : ''}`;
    case 'deferred':
      return null;
    case 'succeeded':
      return null;
    default:
      return run.phase === 'interrupted' ? 'it was interrupted' : null;
  }
}

export function dependencyResults(store: Pick<GraphStore, 'detail'>, task: TaskDetail): DependencyResult[] {
  return task.after.flatMap((id) => {
    const dependency = store.detail(id);
    if (!dependency) return [];
    return [
      {
        id,
        title: dependency.title,
        status: dependency.status,
        artifacts: dependency.artifacts,
        log: dependency.log.slice(-DEPENDENCY_LOG_LINES).map((entry) => entry.message),
      },
    ];
  });
}

/** Everything the run's worker needs to know. */
export function assignRun(
  parts: {
    readonly ledger: Pick<Ledger, 'runs'>;
    /** The supervisor's own variables, as agents may inherit them. */
    readonly environment: Readonly<Record<string, string>>;
    config(): Config;
  },
  live: LiveRun,
  graph: AssignedGraph,
  profile: Profile,
  address: { readonly callback: CallbackAddress; readonly standing: Standing },
): Assignment {
  const { ledger } = parts;
  const { run } = live;
  const task = graph.store.detail(run.task) ?? missingTask(run);
  const previous = previousRun(ledger, run);
  const assignment = buildAssignment({
    run,
    usedIn: (session) => usedInSession(ledger, run, session),
    profile,
    task,
    graph,
    config: parts.config(),
    ...address,
    token: live.token ?? '',
    signedToken: live.signedToken,
    leaseUntil: live.lease?.expiresAt ?? null,
    environment: parts.environment,
    budgetsLeft: live.budgetsLeft,
    previous: previous ?? null,
  });
  return {
    ...assignment,
    // Its current path: a worktree may be moved under a run, and its folder with it.
    get folder() {
      return live.run.folder ?? assignment.folder;
    },
  };
}

/** Stands in for a task that was deleted while its agent works: enough to attend to the agent and stop it. */
export function missingTask(run: Run): TaskDetail {
  return { ...bareDetail(run.task), status: 'abandoned' };
}

/** Stands in for a graph that is no longer served while a worker still has one of its tasks. */
export function vanishedGraph(run: Run, { profiles, brokenProfiles }: Config): AssignedGraph {
  return {
    store: { detail: () => null },
    worktree: { path: run.worktree, branch: null, head: null },
    repository: { id: run.repo, name: basename(run.worktree), path: run.worktree },
    profiles: { byName: profiles, broken: brokenProfiles, untrusted: [] },
  };
}
