// The routes about one task: reading it, and every way to claim, report on, stop or start its work.

import type { ClaimTerms, CompletionRequest, TaskQuery } from '../../control/control.ts';
import type { RunReport } from '../../domain/report.ts';
import { preferredWait } from '../request/prefer.ts';
import { ApiProblem } from '../request/problem.ts';
import { type ApiParts, actOnTask, type MountableRoute, type Reply, taskRoute } from '../request/route.ts';
import {
  answeredAnswer,
  claimAnswer,
  completionAnswer,
  heartbeatAnswer,
  outputAnswer,
  promptAnswer,
  runAnswer,
  taskAnswer,
  taskDetailAnswer,
  verdictsAnswer,
  whyAnswer,
} from '../shapes/answers.ts';
import {
  answerBody,
  cancelBody,
  claimBody,
  completeBody,
  dispatchBody,
  emptyBody,
  failBody,
  heartbeatBody,
  inputBody,
  outputBody,
  releaseBody,
  retryBody,
  tagBody,
  taskQuery,
  verdictsQuery,
} from '../shapes/schemas.ts';
import { accountLackOf, completionOf, failureOf, progressText, usageOf } from './completion.ts';
import { tagRequest, tagText } from './tags.ts';
import { createTaskNews } from './task-news.ts';

/** The default lease of a claim, seconds. */
const DEFAULT_LEASE_S = 300;

/** Every route below `/api/task/:id`. */
const DAY_MS = 86_400_000;

export function taskRoutes(): readonly MountableRoute[] {
  const news = createTaskNews();
  return [
    taskRoute({
      method: 'GET',
      path: '/api/task/:id',
      summary: 'One task whole',
      access: 'task-run',
      query: taskQuery,
      body: emptyBody,
      answer: taskDetailAnswer,
      handle: ({ task, caller, request, gone }, parts) => {
        const [known, prefer] = [request.header('if-none-match'), request.header('prefer')];
        return news.of({ task, caller, known, wait: preferredWait(prefer), gone }, parts);
      },
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
      method: 'GET',
      path: '/api/task/:id/prompt',
      summary: 'What its agent is told',
      access: 'task-run',
      query: taskQuery,
      body: emptyBody,
      answer: promptAnswer,
      handle: async ({ task }, { control }) => ({ body: await control.prompt(task) }),
    }),
    taskRoute({
      method: 'GET',
      path: '/api/task/:id/verdicts',
      summary: 'Why it was or was not running, over a part of time (by default the last day)',
      access: 'task-run',
      query: verdictsQuery,
      body: emptyBody,
      answer: verdictsAnswer,
      handle: async ({ task, query }, { control, clock }) => {
        const to = query.to === undefined ? clock.now() : Date.parse(query.to);
        const from = query.from === undefined ? to - DAY_MS : Date.parse(query.from);
        return { body: await control.verdicts(task, { from, to }) };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/complete',
      summary: 'Report that the work is done',
      access: 'task-run',
      query: taskQuery,
      body: completeBody,
      answer: completionAnswer,
      acts: ({ summary }, answer) => actOnTask('done', answer, summary),
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
      acts: ({ reason }, answer) => actOnTask('fail', answer, reason),
      handle: ({ task, caller, body }, { control }) =>
        report({ ...task, caller, ...failureOf(body) }, control),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/heartbeat',
      summary: 'Send a heartbeat; the response says whether to continue',
      access: 'task-run',
      query: taskQuery,
      body: heartbeatBody,
      answer: heartbeatAnswer,
      async handle({ task, caller, body }, { control }) {
        const run = caller.kind === 'run' ? caller.run : await onlyOpenRun(task, control);
        const facts = {
          ...(typeof body.extend_s === 'number' ? { extendMs: body.extend_s * 1000 } : {}),
          ...(body.external_ref ? { externalRef: body.external_ref } : {}),
          ...(body.waiting === false ? { resumed: true } : {}),
          ...usageOf(body.usage),
          ...(body.model ? { model: body.model } : {}),
        };
        return { body: await control.heartbeat(run, progressText(body) ?? undefined, facts) };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/output',
      summary: 'Send output of the run; a piece that was sent before changes nothing',
      access: 'task-run',
      query: taskQuery,
      body: outputBody,
      answer: outputAnswer,
      async handle({ task, caller, body }, { control }) {
        const run = caller.kind === 'run' ? caller.run : await onlyOpenRun(task, control);
        const bytes = Buffer.from(body.data, 'base64');
        return { body: { size: await control.output(run, { file: body.file, offset: body.offset, bytes }) } };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/input',
      summary: 'Ask a person and wait; the lease is paused until the answer, which heartbeats return',
      access: 'task-run',
      query: taskQuery,
      body: inputBody,
      answer: heartbeatAnswer,
      async handle({ task, caller, body }, { control }) {
        const run = caller.kind === 'run' ? caller.run : await onlyOpenRun(task, control);
        const { question, options, id, waits } = body;
        const named = id == null ? {} : { name: id, waits: waits === true };
        return { body: await control.input(run, { question, options: options ?? [], ...named }) };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/answer',
      summary: 'Answer what the worker on the task asks',
      access: 'task-operator',
      query: taskQuery,
      body: answerBody,
      answer: answeredAnswer,
      acts: ({ answer: text }, answer) => actOnTask('answer', answer, text),
      handle: async ({ task, body }, { control }) => ({
        body: await control.answer(task, body.answer, body.question ?? undefined),
      }),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/release',
      summary: 'Hand the task back; the attempt does not count',
      access: 'task-run',
      query: taskQuery,
      body: releaseBody,
      answer: taskAnswer,
      acts: ({ reason }, answer) => actOnTask('release', answer, reason),
      handle: async ({ task, caller, body }, { control }) => ({
        body: await control.release(
          task,
          caller,
          // It becomes one line of the task's log.
          body.reason?.replace(/\s+/g, ' ').trim().slice(0, 2000) || undefined,
          {
            ...(typeof body.delay_s === 'number' ? { delayMs: body.delay_s * 1000 } : {}),
            ...(body.account ? { account: accountLackOf(body.account) } : {}),
          },
        ),
      }),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/claim',
      summary: 'Take the task for an orchestrator outside',
      access: 'task-operator',
      scope: 'worker',
      query: taskQuery,
      body: claimBody,
      answer: claimAnswer,
      async handle({ task, body, holder }, { control }) {
        const { run, data } = await control.claim(task, body.worker_id, claimTerms(body, holder));
        return { body: { run, ...data } };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/dispatch',
      summary:
        'Start the task now; with Prefer: wait=N the response comes when it has finished, or after N seconds',
      access: 'task-operator',
      query: taskQuery,
      body: dispatchBody,
      answer: runAnswer,
      acts: ({ executor }, answer) => actOnTask('dispatch', answer, executor),
      async handle({ task, body, request, gone }, { control }) {
        const run = await control.dispatch(task, {
          ...(body.executor ? { executor: body.executor } : {}),
          ...(body.notify_url ? { notifyUrl: body.notify_url } : {}),
          ...(body.external_ref ? { externalRef: body.external_ref } : {}),
        });
        const location = placeOf(task, run);
        const wait = preferredWait(request.header('prefer'));
        if (wait === null) return { status: 202, headers: { location, 'retry-after': '2' }, body: run };
        const now = await control.ended(run.run, wait * 1000, gone());
        const over = now.finished_at !== null;
        return {
          status: over ? 200 : 202,
          headers: {
            location,
            'preference-applied': `wait=${wait}`,
            ...(over ? {} : { 'retry-after': '2' }),
          },
          body: now,
        };
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
      acts: ({ reason }, answer) => actOnTask('cancel', answer, reason),
      async handle({ task, body }, { control }) {
        const run = await control.cancel(task, body.reason ?? 'cancelled through the API');
        return {
          status: 202,
          headers: { location: placeOf(task, run) },
          body: run,
        };
      },
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/pause',
      summary: 'Do not start the task until it is resumed; what runs continues',
      access: 'task-operator',
      query: taskQuery,
      body: emptyBody,
      answer: taskAnswer,
      acts: (_body, answer) => actOnTask('pause', answer, ''),
      handle: async ({ task }, { control }) => ({ body: await control.editTask(task, { paused: true }) }),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/resume',
      summary: 'Let a paused task run',
      access: 'task-operator',
      query: taskQuery,
      body: emptyBody,
      answer: taskAnswer,
      acts: (_body, answer) => actOnTask('resume', answer, ''),
      handle: async ({ task }, { control }) => ({ body: await control.editTask(task, { paused: false }) }),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/tag',
      summary: 'Add tags to the task, or take them away',
      access: 'task-operator',
      query: taskQuery,
      body: tagBody,
      answer: taskAnswer,
      acts: (body, answer) => actOnTask('tag', answer, tagText(body)),
      handle: async ({ task, body }, { control }) => ({
        body: await control.editTask(task, tagRequest(body)),
      }),
    }),
    taskRoute({
      method: 'POST',
      path: '/api/task/:id/retry',
      summary: 'Try a failed or parked task again',
      access: 'task-operator',
      query: taskQuery,
      body: retryBody,
      answer: taskAnswer,
      acts: ({ done_too: isReopened }, answer) => actOnTask(isReopened ? 'reopen' : 'retry', answer, ''),
      handle: async ({ task, body }, { control }) => ({
        body: await control.retry(task, { doneToo: body.done_too === true }),
      }),
    }),
  ];
}

/** Passes a report on and returns the response of callbacks. */
export async function report(request: CompletionRequest, control: ApiParts['control']): Promise<Reply> {
  const answer = await control.complete(request);
  return {
    ...(answer.kept ? { status: 202 } : {}),
    body: { ...answer, state: callbackWord(answer.status) },
  };
}

/** The terms in a claim's body. */
export function claimTerms(
  body: {
    readonly lease_s?: number | null | undefined;
    readonly external_ref?: string | null | undefined;
  },
  holder: string | null,
): ClaimTerms {
  const leaseMs = (body.lease_s ?? DEFAULT_LEASE_S) * 1000;
  return {
    ...(leaseMs === 0 ? {} : { leaseMs }),
    ...(body.external_ref ? { externalRef: body.external_ref } : {}),
    ...(holder === null ? {} : { holder }),
  };
}

/** The location of a run's task, as precisely as requested. */
function placeOf({ task, worktree, near }: TaskQuery, run: RunReport): string {
  const byRun = task === run.run;
  const path = `/api/task/${encodeURIComponent(byRun ? run.task : task)}`;
  const isEnough = !byRun && worktree === undefined && near === undefined;
  return isEnough ? path : `${path}?worktree=${encodeURIComponent(run.worktree)}`;
}

/** The name of a task's status in callbacks. */
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
    ? new ApiProblem('not-claimed', `No worker has ${task.task} now.`, {
        hint: 'claim it first',
        members: { task_id: task.task },
      })
    : new ApiProblem('ambiguous-task-id', `${runs.length} open runs could be meant.`, {
        hint: 'send the token of the run, or name the worktree',
        members: { candidates: runs.map((run) => ({ run: run.run, worktree: run.worktree })) },
      });
}
