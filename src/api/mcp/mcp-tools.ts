// The tools of the MCP server: what an agent may ask and say about tasks, in terms of the control. Which of them a
// caller gets depends on its token: with a run's token they are about that run's task alone.

import { createMcpHandler, type McpHttpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Caller, SupervisorControl, TaskQuery } from '../../control/control.ts';
import { defined } from '../../domain/defined.ts';
import { SupervisorError } from '../../domain/errors.ts';
import type { TaskReport } from '../../domain/report.ts';
import { VERDICT_STATES } from '../../domain/verdict.ts';
import { heldTask } from '../request/task-access.ts';

/** Who uses the tools, and how far that reaches. */
export interface McpCaller {
  readonly caller: Caller;
  readonly scope: 'operator' | 'worker' | 'read-only';
  /** The task of a run's token. */
  readonly own: TaskQuery | null;
  /** The name of a token that reports only on what it claimed; null for others. */
  readonly holder: string | null;
  readonly version: string;
}

/** What the tools call. */
export type McpControl = Pick<
  SupervisorControl,
  | 'tasks'
  | 'task'
  | 'why'
  | 'claimMany'
  | 'heldRun'
  | 'heartbeat'
  | 'input'
  | 'complete'
  | 'runs'
  | 'addTask'
  | 'editTask'
>;

type Answer = { content: { type: 'text'; text: string }[]; isError?: true };

const MOST_TASKS = 200;
const LEASE_MS = 300_000;

const READS = { readOnlyHint: true, openWorldHint: false } as const;
const WRITES = { readOnlyHint: false, destructiveHint: false, openWorldHint: false } as const;
const REPEATABLE = { ...WRITES, idempotentHint: true } as const;

const line = (max: number) => z.string().min(1).max(max);
const worktree = line(4096)
  .optional()
  .describe('path of a worktree, or a branch; needed where an id means several tasks');

/** Answers one request of a caller. */
export function mcpHandler(control: McpControl, who: McpCaller): McpHttpHandler {
  return createMcpHandler(() => createMcpServer(control, who));
}

function createMcpServer(control: McpControl, who: McpCaller): McpServer {
  const server = new McpServer(
    { name: 'workgraph-supervisor', version: who.version },
    {
      instructions:
        who.own === null
          ? 'Tasks of a work graph that is shared by people and agents. A task starts when the tasks it waits for are done; `why` says what it waits for.'
          : 'The task that you work on. Report with `complete` or `fail` when you are finished, once.',
    },
  );
  addReading(server, control, who);
  if (who.scope !== 'read-only') addWorking(server, control, who);
  if (who.scope === 'operator' && who.own === null) addWriting(server, control);
  return server;
}

const optionalTask = z.object({ task: line(1024).optional(), worktree });

/** The task that a call is about: a run's own, which need not be named, or the one it names. */
function querySchema({ own }: McpCaller): typeof optionalTask {
  const task = line(1024).describe('id of the task, or its machine-wide id');
  // What is required is a narrower schema of the same members.
  return own === null ? (z.object({ task, worktree }) as unknown as typeof optionalTask) : optionalTask;
}

function queryOf(
  { own }: McpCaller,
  asked: { readonly task?: string | undefined; readonly worktree?: string | undefined },
): TaskQuery {
  if (own === null)
    return {
      task: asked.task ?? '',
      ...(asked.worktree === undefined ? {} : { worktree: asked.worktree }),
    };
  if (asked.task !== undefined && asked.task !== own.task && !asked.task.endsWith(`~${own.task}`))
    throw new SupervisorError('forbidden', 'This token is good for the task of its own run only.', {
      hint: `leave out the task, or name ${own.task}`,
    });
  return own;
}

function addReading(server: McpServer, control: McpControl, who: McpCaller): void {
  const schema = querySchema(who);
  if (who.own === null)
    server.registerTool(
      'list_tasks',
      {
        title: 'List tasks',
        description: 'Tasks across worktrees, each with its state and the reason for it.',
        inputSchema: z.object({
          worktree,
          state: z.enum(VERDICT_STATES).optional(),
          executor: line(2048).optional(),
          limit: z.number().int().min(1).max(MOST_TASKS).optional(),
        }),
        annotations: READS,
      },
      ({ limit = 50, worktree: place, state, executor }) =>
        answered(async () => {
          const tasks = await control.tasks({
            ...(place === undefined ? {} : { worktree: place }),
            ...(state === undefined ? {} : { state }),
            ...(executor === undefined ? {} : { executor }),
          });
          const open = state === undefined ? tasks.filter((task) => task.state !== 'finished') : tasks;
          return { tasks: open.slice(0, limit).map(inShort), left_out: Math.max(0, open.length - limit) };
        }),
    );
  server.registerTool(
    'get_task',
    {
      title: 'Get a task',
      description: 'One task whole: description, artifacts, log, runs.',
      inputSchema: schema,
      annotations: READS,
    },
    (asked) => answered(() => control.task(queryOf(who, asked))),
  );
  server.registerTool(
    'why',
    {
      title: 'Why it is or is not running',
      description: 'Every condition, limit and rule that the task was judged by.',
      inputSchema: schema,
      annotations: READS,
    },
    (asked) =>
      answered(async () => {
        const { state, code, because, next_at, conditions } = await control.why(queryOf(who, asked));
        return { state, code, because, next_at, conditions };
      }),
  );
}

function addWorking(server: McpServer, control: McpControl, who: McpCaller): void {
  const schema = querySchema(who);
  if (who.own === null)
    server.registerTool(
      'next_task',
      {
        title: 'Take the next task',
        description:
          'Claims a task that waits for a worker outside, or none. Its lease holds five minutes after each `progress`.',
        inputSchema: z.object({
          worker: line(200).describe('who takes it'),
          executors: z.array(line(200)).optional().describe('profile names; default: all that are external'),
          topics: z.array(line(200)).optional().describe('tags; any of them'),
        }),
        annotations: WRITES,
      },
      ({ worker, executors, topics }) =>
        answered(async () => {
          const [claimed] = await control.claimMany({
            ...{ worker, max: 1, waitMs: 0, leaseMs: LEASE_MS },
            ...(who.holder === null ? {} : { holder: who.holder }),
            ...(executors ? { executors } : {}),
            ...(topics ? { topics } : {}),
          });
          return { task: claimed?.data ?? null };
        }),
    );
  server.registerTool(
    'progress',
    {
      title: 'Say that the work continues',
      description: 'Renews the lease. The answer says whether to continue, and has what a person answered.',
      inputSchema: schema.extend({ message: line(2000).optional() }),
      annotations: REPEATABLE,
    },
    ({ message, ...asked }) =>
      answered(async () => control.heartbeat(await runOf(control, who, asked), message)),
  );
  server.registerTool(
    'ask',
    {
      title: 'Ask a person',
      description: 'Asks the one who operates the supervisor. `progress` has the answer once there is one.',
      inputSchema: schema.extend({
        question: line(2000),
        options: z.array(line(200)).max(20).optional(),
      }),
      annotations: WRITES,
    },
    ({ question, options = [], ...asked }) =>
      answered(async () => control.input(await runOf(control, who, asked), { question, options })),
  );
  server.registerTool(
    'complete',
    {
      title: 'Report that a task is done',
      description: 'Once the work is done. Its check runs before it counts.',
      inputSchema: schema.extend({
        summary: line(2000).optional(),
        artifacts: z.unknown().optional().describe('any JSON value; kept with the task'),
      }),
      annotations: REPEATABLE,
    },
    ({ summary, artifacts, ...asked }) =>
      answered(async () =>
        control.complete({
          ...(await reportingOn(control, who, asked)),
          result: 'succeeded',
          ...(summary === undefined ? {} : { summary }),
          ...(artifacts === undefined ? {} : { artifacts }),
        }),
      ),
  );
  server.registerTool(
    'fail',
    {
      title: 'Report that a task cannot be done',
      description: 'With the reason. The task may be tried again, as its profile says.',
      inputSchema: schema.extend({ reason: line(2000), retryable: z.boolean().optional() }),
      annotations: REPEATABLE,
    },
    ({ reason, retryable, ...asked }) =>
      answered(async () =>
        control.complete({
          ...(await reportingOn(control, who, asked)),
          result: 'failed',
          reason,
          ...(retryable === undefined ? {} : { retryable }),
        }),
      ),
  );
}

function addWriting(server: McpServer, control: McpControl): void {
  server.registerTool(
    'add_task',
    {
      title: 'Add a task',
      description:
        'Adds an open task to the graph of a worktree. It starts as soon as what it waits for is done.',
      inputSchema: z.object({
        title: line(500),
        description: z.string().max(100_000).optional(),
        id: line(200).optional(),
        after: z.array(line(1024)).optional().describe('ids of the tasks that it waits for'),
        executor: line(2048).optional().describe('a profile name, or a URL'),
        tags: z.array(line(200)).optional(),
        priority: line(20).optional().describe('critical, high, normal, low, idle, or a number'),
        verify: line(10_000)
          .optional()
          .describe('a shell command that must succeed before it counts as done'),
        worktree,
      }),
      annotations: WRITES,
    },
    ({ worktree: place, title, tags, ...request }) =>
      answered(() => control.addTask(place ?? null, { title, ...defined({ ...request, addTags: tags }) })),
  );
  server.registerTool(
    'add_dependency',
    {
      title: 'Make a task wait for another',
      description: 'The task starts only when the other one is done.',
      inputSchema: z.object({
        task: line(1024),
        after: line(1024).describe('the task to wait for'),
        worktree,
      }),
      annotations: REPEATABLE,
    },
    ({ task, after, worktree: place }) =>
      answered(async () => {
        const query = { task, ...(place === undefined ? {} : { worktree: place }) };
        const known = await control.task(query);
        return await control.editTask(query, { after: [...new Set([...known.after, after])] });
      }),
  );
}

/** The task that a caller reports on, and as whom. */
async function reportingOn(
  control: McpControl,
  who: McpCaller,
  asked: { readonly task?: string | undefined; readonly worktree?: string | undefined },
): Promise<TaskQuery & { readonly caller: Caller }> {
  const query = queryOf(who, asked);
  if (who.holder === null) return { ...query, caller: who.caller };
  const held = await heldTask(control, query, who.holder);
  return { ...held.query, caller: held.caller };
}

/** The open run of a task. */
async function runOf(
  control: McpControl,
  who: McpCaller,
  asked: { readonly task?: string | undefined; readonly worktree?: string | undefined },
): Promise<string> {
  const { caller, ...query } = await reportingOn(control, who, asked);
  if (caller.kind === 'run') return caller.run;
  const { task, runs } = await control.task(query);
  const open = runs.find(({ phase }) => ['opened', 'claimed', 'started', 'handed-off'].includes(phase));
  if (open) return open.run;
  throw new SupervisorError('conflict', `no one works on ${task}`, {
    hint: 'claim it with next_task first',
  });
}

function inShort({ task, id, title, status, state, because, executor, worktree: place, after }: TaskReport) {
  return { task, id, title, status, state, because, executor, worktree: place, after };
}

/** What a tool answers; a refusal is one for the model to read, with the next step. */
async function answered(ask: () => Promise<unknown>): Promise<Answer> {
  try {
    return { content: [{ type: 'text', text: JSON.stringify(await ask()) }] };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    const text = thrown.hint ? `${thrown.message}; ${thrown.hint}` : thrown.message;
    return { content: [{ type: 'text', text }], isError: true };
  }
}
