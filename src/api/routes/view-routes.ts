// The routes of the wider views, all for reading, and of what is done to many tasks at once.

import type { z } from 'zod';
import type { SupervisorControl, TaskQuery } from '../../control/control.ts';
import { messageOf, SupervisorError } from '../../domain/errors.ts';
import type { TaskRequest } from '../../graphs/authoring.ts';
import { type Act, type MountableRoute, plainRoute, type Reply, taskRoute } from '../request/route.ts';
import {
  emptyBody,
  graphQuery,
  idsQuery,
  manyBody,
  manyTagsBody,
  neighboursQuery,
  nextQuery,
  noQuery,
  outputQuery,
  sinceQuery,
  taskQuery,
} from '../shapes/schemas.ts';
import {
  digestAnswer,
  graphAnswer,
  historyAnswer,
  idsAnswer,
  manyAnswer,
  neighboursAnswer,
  nextWorkAnswer,
  outputAnswer,
  overviewAnswer,
  pressureAnswer,
  reposAnswer,
  timetableAnswer,
} from '../shapes/view-answers.ts';
import { tagRequest, tagText } from './tags.ts';

/** The default size of a window of output, bytes. */
const WINDOW_BYTES = 64 * 1024;

/** Every route of the wider views. */
export function viewRoutes(): readonly MountableRoute[] {
  return [
    plainRoute({
      method: 'GET',
      path: '/api/overview',
      summary: 'Status without the long lists, and what comes next',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: overviewAnswer,
      handle: async (_call, { views }) => ({ body: await views.overview() }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/digest',
      summary: 'What happened since an instant, or in the last day',
      access: 'operator',
      query: sinceQuery,
      body: emptyBody,
      answer: digestAnswer,
      handle: async ({ query }, { views }) => ({
        body: await views.digest(query.since === undefined ? undefined : Date.parse(query.since)),
      }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/pressure',
      summary: 'Where work waits for room: slots, executors, repositories, pauses, and why tasks wait',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: pressureAnswer,
      handle: async (_call, { views }) => ({ body: await views.pressure() }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/next-work',
      summary: 'What starts next: queued tasks, then scheduled ones by time',
      access: 'operator',
      query: nextQuery,
      body: emptyBody,
      answer: nextWorkAnswer,
      handle: async ({ query }, { views }) => ({ body: { tasks: await views.next(query.limit ?? 50) } }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/repos',
      summary: 'The repositories with their worktrees and counts',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: reposAnswer,
      handle: async (_call, { views }) => ({ body: { repos: await views.repos() } }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/graph',
      summary: 'The whole graph of a worktree: tasks, and who waits for whom',
      access: 'operator',
      query: graphQuery,
      body: emptyBody,
      answer: graphAnswer,
      handle: async ({ query }, { views }) => ({ body: await views.graph(query.worktree) }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/schedules',
      summary: 'Schedules: what is due within a day, and the results of the last instants',
      access: 'operator',
      query: noQuery,
      body: emptyBody,
      answer: timetableAnswer,
      handle: async (_call, { views }) => ({ body: await views.schedules() }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/ids',
      summary: 'Ids of tasks that begin so, over every worktree, as a shell offers them',
      access: 'operator',
      query: idsQuery,
      body: emptyBody,
      answer: idsAnswer,
      handle: async ({ query }, { views }) => ({ body: { ids: await views.ids(query.prefix, query.limit) } }),
    }),
    plainRoute({
      method: 'GET',
      path: '/api/runs/:run/output',
      summary:
        'Part of what a run wrote: its end, or from, or before a position in bytes; `of` a hook instead',
      access: 'operator',
      query: outputQuery,
      body: emptyBody,
      answer: outputAnswer,
      handle: async ({ query, param }, { views }) => ({
        body: await views.output(param('run'), {
          bytes: query.bytes ?? WINDOW_BYTES,
          ...(query.of === undefined ? {} : { of: query.of }),
          ...(query.from === undefined ? {} : { from: query.from }),
          ...(query.before === undefined ? {} : { before: query.before }),
        }),
      }),
    }),
    taskRoute({
      method: 'GET',
      path: '/api/task/:id/neighbours',
      summary: 'The tasks around a task, some steps up and down',
      access: 'task-operator',
      query: neighboursQuery,
      body: emptyBody,
      answer: neighboursAnswer,
      handle: async ({ task, request }, { views }) => {
        const { up, down, limit } = neighboursQuery.parse(request.query());
        return { body: await views.neighbours(task, { up: up ?? 2, down: down ?? 2, limit: limit ?? 80 }) };
      },
    }),
    taskRoute({
      method: 'GET',
      path: '/api/task/:id/history',
      summary: 'What a task waited for, and when it ran',
      access: 'task-operator',
      query: taskQuery,
      body: emptyBody,
      answer: historyAnswer,
      handle: async ({ task }, { views }) => ({ body: await views.history(task) }),
    }),
    plainRoute({
      method: 'POST',
      path: '/api/tasks/retry',
      summary: 'Try many tasks again',
      access: 'operator',
      query: noQuery,
      body: manyBody,
      answer: manyAnswer,
      acts: (_body, answer) => actOnMany('retry', answer, ''),
      handle: ({ body }, { control }) => forEach(body.tasks, (task) => control.retry(task)),
    }),
    plainRoute({
      method: 'POST',
      path: '/api/tasks/cancel',
      summary: 'End the runs of many tasks',
      access: 'operator',
      query: noQuery,
      body: manyBody,
      answer: manyAnswer,
      acts: ({ reason }, answer) => actOnMany('cancel', answer, reason),
      handle: ({ body }, { control }) =>
        forEach(body.tasks, (task) => control.cancel(task, body.reason ?? 'cancelled through the API')),
    }),
    plainRoute({
      method: 'POST',
      path: '/api/tasks/pause',
      summary: 'Start none of many tasks until they are resumed; what runs continues',
      access: 'operator',
      query: noQuery,
      body: manyBody,
      answer: manyAnswer,
      acts: ({ reason }, answer) => actOnMany('pause', answer, reason),
      handle: ({ body }, { control }) => edited(body.tasks, { paused: true }, control),
    }),
    plainRoute({
      method: 'POST',
      path: '/api/tasks/resume',
      summary: 'Let many paused tasks run',
      access: 'operator',
      query: noQuery,
      body: manyBody,
      answer: manyAnswer,
      acts: ({ reason }, answer) => actOnMany('resume', answer, reason),
      handle: ({ body }, { control }) => edited(body.tasks, { paused: false }, control),
    }),
    plainRoute({
      method: 'POST',
      path: '/api/tasks/tag',
      summary: 'Add tags to many tasks, or take them away',
      access: 'operator',
      query: noQuery,
      body: manyTagsBody,
      answer: manyAnswer,
      acts: (body, answer) => actOnMany('tag', answer, tagText(body)),
      handle: ({ body }, { control }) => edited(body.tasks, tagRequest(body), control),
    }),
  ];
}

type Many = z.infer<typeof manyAnswer>;

/** One after the other; what cannot be done is said of its task and stops no other. */
async function forEach(
  tasks: readonly string[],
  act: (task: TaskQuery) => Promise<{ readonly task: string; readonly worktree: string }>,
): Promise<Reply> {
  const results: Many['results'] = [];
  for (const task of new Set(tasks))
    try {
      const { task: local, worktree } = await act({ task });
      results.push({ task, local_id: local, worktree, done: true });
    } catch (thrown) {
      if (!(thrown instanceof SupervisorError)) throw thrown;
      results.push({ task, done: false, because: messageOf(thrown) });
    }
  return manyReply(results);
}

/** The same change of all of them, in one write for each graph. */
async function edited(
  tasks: readonly string[],
  request: TaskRequest,
  control: Pick<SupervisorControl, 'editTasks'>,
): Promise<Reply> {
  const queries = [...new Set(tasks)].map((task) => ({ task }));
  const all = await control.editTasks(queries, request);
  return manyReply(
    all.map(({ query: { task }, task: local, worktree, because }) => ({
      task,
      ...(worktree === null ? {} : { local_id: local, worktree }),
      ...(because === null ? { done: true } : { done: false, because }),
    })),
  );
}

function manyReply(results: Many['results']): Reply {
  return { body: { done: results.filter(({ done }) => done).length, results } satisfies Many };
}

/** Those that it was done to, for the record. */
function actOnMany(action: string, answer: unknown, detail: string | null | undefined): readonly Act[] {
  const { results } = answer as Many;
  return results
    .filter(({ done }) => done)
    .map(({ task, local_id: local = task, worktree = null }) => ({
      action,
      task: local,
      worktree,
      target: null,
      detail: detail ?? '',
    }));
}
