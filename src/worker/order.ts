// What a worker was told to do: checked, because it came over a network, and turned into the assignment that the same
// executors take as on the supervisor's own machine.

import { join } from 'node:path';
import { type ClaimedData, claimedData } from '../api/shapes/dispatch-schema.ts';
import { messageOf } from '../domain/errors.ts';
import type { Deferred } from '../domain/outcome.ts';
import { isSpawned, type Profile } from '../domain/profile.ts';
import { bareDetail } from '../domain/task.ts';
import type { Assignment } from '../executors/executor.ts';
import { WORK_ORDER_SCHEMA } from '../executors/work-order.ts';

/** An order that can be begun. */
export type Order = ClaimedData & { readonly work: NonNullable<ClaimedData['work']> };

const RUN_ID = /^run_[0-9A-Za-z]{1,64}$/;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** The order in a message, or why it is none that this worker can begin. */
export function readOrder(value: unknown): Order | { readonly because: string } {
  const parsed = claimedData.safeParse(value);
  if (!parsed.success) return { because: `it cannot be read: ${messageOf(parsed.error).slice(0, 300)}` };
  const { work, attempt, worktree } = parsed.data;
  if (work === undefined) return { because: 'it is not for workers' };
  if (work.schema !== WORK_ORDER_SCHEMA)
    return { because: `it has schema ${work.schema}, this worker knows ${WORK_ORDER_SCHEMA}: upgrade it` };
  // It becomes the name of a folder.
  if (!RUN_ID.test(attempt.id)) return { because: 'the id of its run is none' };
  if (worktree.head !== null && !COMMIT.test(worktree.head)) return { because: 'its commit is none' };
  return { ...parsed.data, work };
}

/** A profile that a worker can run, or what it lacks. */
export type Runnable =
  | { readonly kind: 'profile'; readonly profile: Profile }
  | { readonly kind: 'lacks'; readonly outcome: Deferred };

/** The profile of an order here: that of its own name, else the one that the order says. */
export function profileFor(
  { profile: name, run }: Pick<Order['work'], 'profile' | 'run'>,
  profiles: ReadonlyMap<string, Profile>,
): Runnable {
  const found = [profiles.get(name), profiles.get(run)].find((one) => one !== undefined && isSpawned(one));
  if (found) return { kind: 'profile', profile: found };
  return {
    kind: 'lacks',
    outcome: {
      kind: 'deferred',
      code: 'no-profile',
      because: `this worker has no profile ${name === run ? name : `${name} or ${run}`} that starts a program: add [executors.${name}] to its supervisor.toml`,
      scope: 'profile',
    },
  };
}

/** Where a job lies on the worker's disk. */
export interface JobFolders {
  /** The worktree. */
  readonly tree: string;
  /** The run's own folder: output, exit status. */
  readonly run: string;
}

/** How the agent reaches the one who takes its word, where it can. */
export interface AgentCallback {
  readonly url: string | null;
  /** Path of a socket instead. */
  readonly socket?: string;
  readonly token: string;
}

/** The assignment of an order. */
export function assignmentOf(
  order: Order,
  profile: Profile,
  folders: JobFolders,
  callback: AgentCallback,
  environment: Readonly<Record<string, string>>,
): Assignment {
  const { task, work, attempt, worktree, repo } = order;
  return {
    run: attempt.id,
    attempt: attempt.number,
    maxAttempts: attempt.max,
    fence: attempt.fence,
    agent: attempt.agent,
    task: {
      ...bareDetail(task.local_id),
      title: task.title,
      status: 'in-progress',
      priority: task.priority,
      after: task.depends_on.map(({ id }) => id),
      tags: task.tags,
      skills: task.skills,
      inputs: task.inputs,
      deliverables: task.deliverables,
      ...(task.instructions === '' ? {} : { description: task.instructions }),
      ...(work.exec === null ? {} : { exec: work.exec }),
      ...(work.model === null ? {} : { model: work.model }),
      ...(work.verify === null ? {} : { verify: work.verify }),
    },
    globalTaskId: task.id,
    dependencies: task.depends_on,
    profile,
    // There is none here. What its agent reports is kept for the worker, as where a graph cannot be written just now.
    graph: join(folders.run, 'graph'),
    worktree: {
      id: worktree.id,
      path: folders.tree,
      branch: worktree.branch,
      head: worktree.head,
      remote: worktree.remote,
    },
    repo: { name: repo.name, path: folders.tree },
    folder: folders.run,
    deadlineAt: attempt.deadline === null ? null : Date.parse(attempt.deadline),
    callback: { url: callback.url, socket: callback.socket ?? null, token: callback.token },
    traceparent: work.traceparent,
    budgetsLeft: work.budgets_left ?? [],
    environment,
    projectModel: work.project_model,
    previousFailure: attempt.previous_failure,
    resumeSession: null,
  };
}
