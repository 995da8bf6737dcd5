// How commands reach the supervisor: the running one over its socket, else offline. Both answer the same questions,
// so that commands need not distinguish.

import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { SupervisorClient } from '../api/client/client.ts';
import type { RunFilter, TaskFilter, TaskQuery } from '../control/control.ts';
import type { OfflineControl } from '../control/offline-control.ts';
import type { Period } from '../control/verdicts.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { DigestReport } from '../domain/overview.ts';
import type {
  PromptReport,
  RunReport,
  StatusReport,
  TaskDetailReport,
  TaskReport,
  VerdictsReport,
  WhyReport,
} from '../domain/report.ts';
import { VERSION } from '../version.ts';
import { type Context, compositionOf } from './context.ts';

/** What can be asked with and without a running supervisor. */
export interface View {
  /** The running supervisor, or null if offline. */
  readonly client: SupervisorClient | null;
  status(): Promise<StatusReport>;
  why(query: TaskQuery): Promise<WhyReport>;
  verdicts(query: TaskQuery, period: Period): Promise<VerdictsReport>;
  tasks(filter: TaskFilter): Promise<readonly TaskReport[]>;
  task(query: TaskQuery): Promise<TaskDetailReport>;
  prompt(query: TaskQuery): Promise<PromptReport>;
  runs(filter: RunFilter): Promise<readonly RunReport[]>;
  /** What happened since an instant (ms). */
  digest(since: number): Promise<DigestReport>;
}

/** The running supervisor, or null. Inside an agent, the one that started it. */
export async function connect(context: Context): Promise<SupervisorClient | null> {
  const { apiFile } = await context.paths();
  const socket = ownSupervisor(context);
  // If there is none, nothing is loaded to find that out.
  if (socket === null && isAbsent(apiFile)) return null;
  const { connectSupervisor } = await import('../api/client/client.ts');
  const client = await connectSupervisor({ apiFile });
  return client ?? (socket === null ? null : await connectSupervisor({ socket }));
}

/** Inside an agent, the socket of the supervisor that started it, unless another one was named. */
export function ownSupervisor(context: Context): string | null {
  const { SUPERVISOR_API, SUPERVISOR_RUN_ID } = context.environment.variables;
  const named = context.config !== undefined || context.stateDir !== undefined;
  return named || !SUPERVISOR_RUN_ID || !SUPERVISOR_API || !isAbsolute(SUPERVISOR_API)
    ? null
    : SUPERVISOR_API;
}

function isAbsent(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) === undefined;
  } catch {
    // Inaccessible: the code that reads it reports why.
    return false;
  }
}

/** What to say of a supervisor of another version than this command; null where there is nothing to say. */
export function otherVersion(running: string): string | null {
  if (running === VERSION) return null;
  return `the supervisor that runs has version ${running || 'unknown'}, this command ${VERSION}; \`supervisor restart\` starts the new one, and agents run on`;
}

/** The running supervisor; null also for one that does not respond, as while it starts or stops. */
export async function connectOrNull(context: Context): Promise<SupervisorClient | null> {
  try {
    return await connect(context);
  } catch (thrown) {
    if (thrown instanceof SupervisorError && thrown.code === 'not-running') return null;
    throw thrown;
  }
}

/** Has a running supervisor take a changed configuration file at once. */
export async function reloadSupervisor(context: Context): Promise<void> {
  const client = await connect(context);
  if (!client) return;
  try {
    await client.reload();
  } finally {
    client.close();
  }
}

/** Calls the running supervisor; throws `not-running` if there is none. */
export async function withSupervisor<T>(
  context: Context,
  act: (client: SupervisorClient) => Promise<T>,
): Promise<T> {
  const client = await connect(context);
  if (!client)
    throw new SupervisorError('not-running', 'no supervisor is running', {
      hint: 'start one with `supervisor run`',
    });
  try {
    return await act(client);
  } finally {
    client.close();
  }
}

/** Uses offline control, which needs no supervisor. */
export async function withLookout<T>(
  context: Context,
  act: (lookout: OfflineControl) => Promise<T> | T,
  /** Another configuration file than that of the context. */
  config?: string,
): Promise<T> {
  const { composeLookout } = await import('../compose/offline.ts');
  const composed = await composeLookout({
    ...compositionOf(context),
    ...(config === undefined ? {} : { config }),
  });
  try {
    return await act(composed.lookout);
  } finally {
    await composed.close();
  }
}

/** Asks the running supervisor, else works offline. */
export async function withView<T>(context: Context, ask: (view: View) => Promise<T>): Promise<T> {
  const client = await connect(context);
  if (client) {
    try {
      return await ask(viewOfClient(client, context.cwd));
    } finally {
      client.close();
    }
  }
  return withLookout(context, (lookout) => ask(viewOfLookout(lookout)));
}

/** What can be asked of a running supervisor. */
export function viewOfClient(client: SupervisorClient, cwd: string): View {
  return {
    client,
    status: () => client.status(),
    why: (query) => preferHere(query, cwd, (q) => client.why(q)),
    verdicts: (query, period) => preferHere(query, cwd, (q) => client.verdicts(q, period)),
    tasks: (filter) => client.tasks(filter),
    task: (query) => preferHere(query, cwd, (q) => client.task(q)),
    prompt: (query) => preferHere(query, cwd, (q) => client.prompt(q)),
    runs: (filter) => client.runs(filter),
    digest: (since) => client.digest(since),
  };
}

/** What can be asked without one. */
export function viewOfLookout(lookout: OfflineControl): View {
  return {
    client: null,
    status: async () => lookout.status(),
    why: async (query) => lookout.why(query),
    verdicts: async (query, period) => lookout.verdicts(query, period),
    tasks: async (filter) => lookout.tasks(filter),
    task: async (query) => lookout.task(query),
    prompt: (query) => lookout.prompt(query),
    runs: async (filter) => lookout.runs(filter),
    digest: async (since) => lookout.digest(since),
  };
}

/**
 * Asks about the task in the worktree of the current folder and, if there is none of that name, about the only one
 * there is. The API accepts a worktree only, so the preference for the current folder is implemented here.
 */
export async function preferHere<T>(
  query: TaskQuery,
  cwd: string,
  ask: (query: TaskQuery) => Promise<T>,
): Promise<T> {
  if (query.worktree !== undefined) return ask(query);
  try {
    return await ask({ ...query, worktree: cwd });
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError) || thrown.code !== 'not-found') throw thrown;
    return ask(query);
  }
}

/** The query from a command's TASK and --worktree. */
export function taskQuery(
  context: Pick<Context, 'cwd'>,
  task: string,
  worktree: string | undefined,
): TaskQuery {
  return {
    task,
    near: context.cwd,
    ...(worktree === undefined ? {} : { worktree: worktreePath(context.cwd, worktree) }),
  };
}

/** `--worktree` as an absolute, symlink-free path; a name that is no path stays as it is (a branch, a repository). */
export function worktreePath(cwd: string, worktree: string): string {
  const path = resolve(cwd, worktree);
  try {
    return realpathSync(path);
  } catch {
    // No such path: perhaps a branch or repository name, perhaps a mistake that the lookup explains better.
    return worktree.startsWith('.') ? path : worktree;
  }
}
