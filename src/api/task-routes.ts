// The routes about one task: reading it, and every way its work is taken, reported on, ended or begun again.

import { createHash } from 'node:crypto';
import type { CompletionRequest } from '../supervisor/control.ts';
import {
  claimAnswer,
  completionAnswer,
  heartbeatAnswer,
  runAnswer,
  taskAnswer,
  taskDetailAnswer,
  whyAnswer,
} from './answers.ts';
import { completionOf, failureOf, progressText } from './completion.ts';
import { ApiProblem } from './problem.ts';
import { type ApiParts, type MountableRoute, type Reply, taskRoute } from './route.ts';
import {
  cancelBody,
  claimBody,
  completeBody,
  emptyBody,
  failBody,
  heartbeatBody,
  releaseBody,
  taskQuery,
} from './schemas.ts';

/** Every route below `/api/task/:id`. */
export function taskRoutes(): readonly MountableRoute[] {
  return [
    taskRoute({
      method: 'GET',
      path: '/api/task/:id',
      summary: 'One task whole',
      access: 'task-run',
      query: taskQuery,
      body: emptyBody,
      answer: taskDetailAnswer,
      handle: async ({ task }, { control }) => ({ body: await control.task(task) }),
    }),
    taskRoute({
      method: 'GET',
      path: '/api/task/:id/why',
      summary: 'Why it is or is not running',
      access: 'task-run',
      query: taskQuery,
      body: emptyBody,
      answer: whyAnswer,
      handle: async ({ task }, { control }) => ({ body: await control.why(task) }),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/complete',
      summary: 'Report that the work is done',
      access: 'task-run',
      query: taskQuery,
      body: completeBody,
      answer: completionAnswer,
      handle: ({ task, caller, body }, { control }) =>
        report({ ...task, caller, ...completionOf(body) }, control),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/fail',
      summary: 'Report that the work failed',
      access: 'task-run',
      query: taskQuery,
      body: failBody,
      answer: completionAnswer,
      handle: ({ task, caller, body }, { control }) =>
        report({ ...task, caller, ...failureOf(body) }, control),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/heartbeat',
      summary: 'Say that the work goes on; hear whether it should',
      access: 'task-run',
      query: taskQuery,
      body: heartbeatBody,
      answer: heartbeatAnswer,
      async handle({ task, caller, body }, { control }) {
        const run = caller.kind === 'run' ? caller.run : await onlyOpenRun(task, control);
        const message = progressText(body);
        return { body: await (message === null ? control.heartbeat(run) : control.heartbeat(run, message)) };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/release',
      summary: 'Hand the task back; the attempt does not count',
      access: 'task-run',
      query: taskQuery,
      body: releaseBody,
      answer: taskAnswer,
      handle: async ({ task, caller, body }, { control }) => ({
        body: await control.release(task, caller, body.reason ?? undefined),
      }),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/claim',
      summary: 'Take the task for an orchestrator outside',
      access: 'task-operator',
      query: taskQuery,
      body: claimBody,
      answer: claimAnswer,
      async handle({ task, body }, { control }) {
        const { run, token } = await control.claim(task, body.worker_id);
        return { body: { run, lease: { token } } };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/cancel',
      summary: "End the task's run, or a run by its id",
      access: 'task-operator',
      query: taskQuery,
      body: cancelBody,
      answer: runAnswer,
      async handle({ task, body }, { control }) {
        const run = await control.cancel(task, body.reason ?? 'cancelled through the API');
        return {
          status: 202,
          headers: { location: `/api/task/${encodeURIComponent(task.task)}` },
          body: run,
        };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/retry',
      summary: 'Try a failed or parked task again',
      access: 'task-operator',
      query: taskQuery,
      body: emptyBody,
      answer: taskAnswer,
      handle: async ({ task }, { control }) => ({ body: await control.retry(task) }),
    }),
  ];
}

async function report(request: CompletionRequest, control: ApiParts['control']): Promise<Reply> {
  const answer = await control.complete(request);
  return { body: { ...answer, state: callbackWord(answer.status) } };
}

/** The word for a task's status that callbacks use. */
function callbackWord(status: string): string {
  if (status === 'done') return 'completed';
  return status === 'open' ? 'ready' : status;
}

/** The one run that a heartbeat without a run's token can mean. */
async function onlyOpenRun(
  task: { readonly task: string; readonly worktree?: string },
  control: ApiParts['control'],
): Promise<string> {
  const runs = await control.runs({ ...task, open: true });
  const [only] = runs;
  if (only !== undefined && runs.length === 1) return only.run;
  throw only === undefined
    ? new ApiProblem('not-claimed', `Nobody works on ${task.task} just now.`, {
        hint: 'claim it first',
        members: { task_id: task.task },
      })
    : new ApiProblem('ambiguous-task-id', `${runs.length} open runs could be meant.`, {
        hint: 'send the token of the run, or name the worktree',
        members: { candidates: runs.map((run) => ({ run: run.run, worktree: run.worktree })) },
      });
}

/** The entity tag of a JSON body: equal tags mean equal bytes. */
export function entityTag(body: string): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}

/** Whether an If-None-Match header names the tag. */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => {
    const name = one.trim();
    return name === '*' || name === tag || name === `W/${tag}`;
  });
}
