// The routes about the supervisor as a whole: health, status, lists, and control.

import { actionReport } from '../../control/actions.ts';
import { type Clock, isoTime } from '../../platform/clock.ts';
import { type Act, type MountableRoute, plainRoute } from '../request/route.ts';
import {
  actionsAnswer,
  budgetsAnswer,
  claimsAnswer,
  drainAnswer,
  healthAnswer,
  inboxAnswer,
  pauseAnswer,
  reloadAnswer,
  restartAnswer,
  runsAnswer,
  statusAnswer,
  tasksAnswer,
} from '../shapes/answers.ts';
import {
  actionsQuery,
  claimManyBody,
  emptyBody,
  noQuery,
  pauseBody,
  resumeBody,
  runsQuery,
  tasksQuery,
} from '../shapes/schemas.ts';
import { pageOf } from './pagination.ts';
import { claimTerms } from './task-routes.ts';

/** Every route that is not about a single task, except the event stream. */
export function supervisorRoutes(options: {
  readonly version: string;
  readonly clock: Clock;
}): readonly MountableRoute[] {
  const startedAt = options.clock.now();
  return [
    plainRoute({
      method: 'GET',
      path: '/api/health',
      summary: 'Whether it lives; needs no token',
      access: 'anyone',
      query: noQuery,
      body: emptyBody,
      answer: healthAnswer,
      handle: async () => ({
        body: {
          status: 'ok',
          version: options.version,
          started_at: isoTime(startedAt),
          uptime_s: Math.max(0, Math.floor((options.clock.now() - startedAt) / 1000)),
        },
      }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/status',
      summary: 'All worktrees at a glance',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: statusAnswer,
      handle: async (_call, { control }) => ({ body: await control.status() }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/inbox',
      summary: 'What waits for a person, longest first, each with the command that settles it',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: inboxAnswer,
      async handle(_call, { control }) {
        const { generated_at, inbox } = await control.status();
        return { body: { generated_at, items: inbox } };
      },
    }),
    plainRoute({
      method: 'GET',
      path: '/api/budgets',
      summary: 'What agents may spend, and have spent',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: budgetsAnswer,
      async handle(_call, { control }) {
        const { generated_at, budgets } = await control.status();
        return { body: { generated_at, budgets } };
      },
    }),
    plainRoute({
      method: 'GET',
      path: '/api/tasks',
      summary: 'Tasks across worktrees',
      access: 'operator',
      query: tasksQuery,
      body: emptyBody,
      answer: tasksAnswer,
      async handle({ query }, { control }) {
        const { cursor, limit, worktree, state, status, executor } = query;
        const tasks = await control.tasks({
          ...(worktree === undefined ? {} : { worktree }),
          ...(state === undefined ? {} : { state }),
          ...(status === undefined ? {} : { status }),
          ...(executor === undefined ? {} : { executor }),
        });
        return { body: pageOf(tasks, cursor, limit) };
      },
    }),
    plainRoute({
      method: 'POST',
      path: '/api/tasks/claim',
      summary:
        'Take tasks for an orchestrator outside; an empty list when there are none, after wait_s at the latest',
      access: 'operator',
      scope: 'remote',
      query: noQuery,
      body: claimManyBody,
      answer: claimsAnswer,
      async handle({ body, scope, holder, gone }, { control }) {
        const { executors, topics, worktrees, task_ids: ids } = body;
        const signal = gone();
        const claimed = await control.claimMany({
          ...claimTerms(body, holder),
          worker: body.worker_id,
          max: body.max_tasks ?? 1,
          waitMs: (body.wait_s ?? 0) * 1000,
          ...(executors ? { executors } : {}),
          ...(topics ? { topics } : {}),
          ...(worktrees ? { worktrees } : {}),
          ...(ids ? { tasks: ids } : {}),
          ...(body.resting
            ? { resting: body.resting.map((one) => [one.executor, one.because] as const) }
            : {}),
          ...(scope === 'remote' ? { onlyRemote: true } : {}),
          signal,
        });
        // A client that disconnected in that moment would have tasks it does not know of until the lease expires.
        if (signal.aborted)
          for (const { run } of claimed)
            await control.release({ task: run.run }, { kind: 'operator' }, 'its claimer hung up');
        return { body: { tasks: claimed.map(({ data }) => data) } };
      },
    }),
    plainRoute({
      method: 'GET',
      path: '/api/runs',
      summary: 'What ran and what runs',
      access: 'operator',
      query: runsQuery,
      body: emptyBody,
      answer: runsAnswer,
      async handle({ query }, { control }) {
        const { run, task, worktree, open, failed, since, grep, limit } = query;
        const runs = await control.runs({
          ...(run === undefined ? {} : { run }),
          ...(task === undefined ? {} : { task }),
          ...(worktree === undefined ? {} : { worktree }),
          ...(open === undefined ? {} : { open: open === 'true' }),
          ...(failed === undefined ? {} : { failed: failed === 'true' }),
          ...(since === undefined ? {} : { since: Date.parse(since) }),
          ...(grep === undefined ? {} : { grep }),
          ...(limit === undefined ? {} : { limit }),
        });
        return { body: { runs } };
      },
    }),
    plainRoute({
      method: 'GET',
      path: '/api/actions',
      summary: 'What people had done, and who they were: the page, a token, the operator; newest first',
      access: 'operator',
      query: actionsQuery,
      body: emptyBody,
      answer: actionsAnswer,
      async handle({ query: { task, worktree, limit } }, { control }) {
        const actions = await control.actions({
          limit: limit ?? 100,
          ...(task === undefined ? {} : { task }),
          ...(worktree === undefined ? {} : { worktree }),
        });
        return { body: { actions: actions.map(actionReport) } };
      },
    }),
    plainRoute({
      method: 'POST',
      path: '/api/control/pause',
      summary: 'Hold new dispatches: of everything, a repository, a worktree or an executor',
      access: 'operator',
      query: noQuery,
      body: pauseBody,
      answer: pauseAnswer,
      acts: ({ target, reason }) => [actOn('pause', target, reason)],
      async handle({ body }, { control }) {
        const target = body.target ?? null;
        await control.pause(target, body.reason ?? 'paused through the API');
        return { body: { target, paused: true } };
      },
    }),
    plainRoute({
      method: 'POST',
      path: '/api/control/resume',
      summary: 'Undo a pause',
      access: 'operator',
      query: noQuery,
      body: resumeBody,
      answer: pauseAnswer,
      acts: ({ target }) => [actOn('resume', target)],
      async handle({ body }, { control }) {
        const target = body.target ?? null;
        await control.resume(target);
        return { body: { target, paused: false } };
      },
    }),
    plainRoute({
      method: 'POST',
      path: '/api/control/drain',
      summary: 'Stop dispatching; running work continues',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: drainAnswer,
      acts: () => [actOn('drain')],
      async handle(_call, { control }) {
        await control.drain();
        return { status: 202, body: { state: 'draining' } };
      },
    }),
    plainRoute({
      method: 'POST',
      path: '/api/control/restart',
      summary:
        'Start again in the same process, without a refused connection; done once health tells another started_at',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: restartAnswer,
      async handle(_call, { control }) {
        await control.restart();
        return { status: 202, body: { state: 'restarting' } };
      },
    }),
    plainRoute({
      method: 'POST',
      path: '/api/control/reload',
      summary: 'Read configuration and worktrees again',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: reloadAnswer,
      acts: () => [actOn('reload')],
      handle: async (_call, { control }) => ({ body: await control.reload() }),
    }),
  ];
}

/** That something was done to everything, or to a repository, worktree or executor. */
function actOn(action: string, target?: string | null, detail?: string | null): Act {
  return { action, task: null, worktree: null, target: target ?? null, detail: detail ?? '' };
}
