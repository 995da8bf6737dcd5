// Responses of the API: zod schemas of the shapes in domain/report.ts. They describe the API; tests check responses
// against them, and the compiler checks them against the domain.

import { z } from 'zod';
import type { CompletionAnswer } from '../../control/control.ts';
import { BUDGET_PERIODS, BUDGET_UNITS } from '../../domain/budget.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type {
  ActionReport,
  BudgetReport,
  InboxItem,
  MachineReport,
  PromptReport,
  RunReport,
  StatusReport,
  TaskDetailReport,
  TaskReport,
  VerdictsReport,
  WhyReport,
} from '../../domain/report.ts';
import { RUN_PHASES } from '../../domain/run.ts';
import { VERDICT_STATES } from '../../domain/verdict.ts';
import type { HeartbeatAnswer } from '../../run/leases.ts';
import type { AnsweredQuestion } from '../../run/questions.ts';
import { claimedData } from './dispatch-schema.ts';

const text = z.string();
const textOrNull = z.string().nullable();
const count = z.number().int().min(0);

const usage = z.object({
  costUsd: z.number().exactOptional(),
  inputTokens: z.number().exactOptional(),
  outputTokens: z.number().exactOptional(),
  cacheReadInputTokens: z.number().exactOptional(),
  cacheCreationInputTokens: z.number().exactOptional(),
  turns: z.number().exactOptional(),
  durationMs: z.number().exactOptional(),
});

export const outcomeAnswer = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('succeeded'),
    summary: text.exactOptional(),
    artifacts: z.unknown().exactOptional(),
    usage: usage.exactOptional(),
  }),
  z.object({
    kind: z.literal('failed'),
    failure: z.enum([
      'exit',
      'reported',
      'timeout',
      'silent',
      'interrupted',
      'unreachable',
      'refused',
      'rate-limited',
      'provider',
    ]),
    message: text,
    summary: text.exactOptional(),
    retryable: z.boolean(),
    notBefore: z.number().exactOptional(),
    exitCode: z.number().exactOptional(),
    usage: usage.exactOptional(),
  }),
  z.object({
    kind: z.literal('stopped'),
    reason: z.enum([
      'cancelled',
      'shutdown',
      'lost-claim',
      'overruled',
      'replaced',
      'budget',
      'completed',
      'timeout',
      'silent',
      'detached',
    ]),
    because: text.exactOptional(),
    usage: usage.exactOptional(),
  }),
  z.object({
    kind: z.literal('deferred'),
    code: text,
    because: text,
    until: z.number().exactOptional(),
    scope: z.enum(['task', 'profile', 'account']),
  }),
]) satisfies z.ZodType<Outcome>;

export const runAnswer = z.object({
  run: text,
  task: text,
  worktree: text,
  executor: text,
  type: text,
  attempt: count,
  phase: z.enum(RUN_PHASES),
  agent: text,
  pid: z.number().int().nullable(),
  started_at: textOrNull,
  finished_at: textOrNull,
  output: textOrNull,
  because: text,
  outcome: outcomeAnswer.nullable(),
  progress: textOrNull,
  place: text.exactOptional(),
  port_base: count.exactOptional(),
  session: textOrNull.exactOptional(),
  model: textOrNull.exactOptional(),
  usage: z
    .object({
      cost_usd: z.number().nullable(),
      input_tokens: z.number().nullable(),
      output_tokens: z.number().nullable(),
      cache_read_input_tokens: z.number().nullable(),
      cache_creation_input_tokens: z.number().nullable(),
      turns: z.number().nullable(),
    })
    .nullable()
    .exactOptional(),
  lease: z
    .object({
      worker: textOrNull,
      expires_at: textOrNull,
      heartbeat_at: textOrNull,
      external_ref: textOrNull,
      question: textOrNull,
      options: z.array(text),
      answer: textOrNull,
      stale_since: textOrNull,
    })
    .exactOptional(),
  ending: z
    .literal(true)
    .exactOptional()
    .describe('reported as finished, while its process or its after_run continues'),
}) satisfies z.ZodType<RunReport>;

const taskMembers = {
  task: text,
  id: text,
  title: text,
  status: text,
  worktree: text,
  graph: text,
  state: z.enum(VERDICT_STATES),
  code: text,
  because: text,
  next_at: textOrNull,
  executor: textOrNull,
  priority: z.number(),
  assigned: textOrNull,
  after: z.array(text),
  tags: z.array(text),
};

export const taskAnswer = z.object(taskMembers) satisfies z.ZodType<TaskReport>;

export const whyAnswer = z.object({
  ...taskMembers,
  conditions: z.array(z.object({ name: text, met: z.boolean(), because: text })),
  runs: z.array(runAnswer),
}) satisfies z.ZodType<WhyReport>;

export const verdictsAnswer = z.object({
  id: text,
  task: text,
  worktree: text,
  from: text,
  to: text,
  spans: z.array(
    z.object({ from: text, to: textOrNull, state: z.enum(VERDICT_STATES), code: text, because: text }),
  ),
}) satisfies z.ZodType<VerdictsReport>;

const actionAnswer = z.object({
  at: text,
  actor: text.describe('page, token NAME, or operator'),
  action: text,
  task: textOrNull,
  worktree: textOrNull,
  target: textOrNull.describe('a repository, worktree or executor; null for everything, and for tasks'),
  detail: text,
}) satisfies z.ZodType<ActionReport>;

export const taskDetailAnswer = z.object({
  ...taskMembers,
  description: textOrNull,
  artifacts: z.array(z.unknown()),
  log: z.array(z.object({ timestamp: text, actor: text.exactOptional(), message: text })),
  fields: z.record(text, z.unknown()),
  runs: z.array(runAnswer),
  actions: z.array(actionAnswer).exactOptional().describe('what people had done to it, newest first'),
}) satisfies z.ZodType<TaskDetailReport>;

export const actionsAnswer = z.object({ actions: z.array(actionAnswer) });

export const promptAnswer = z.object({
  task: text,
  worktree: text,
  executor: text,
  run: textOrNull,
  prompt: text,
}) satisfies z.ZodType<PromptReport>;

const problems = z.array(z.object({ code: text, message: text }));

const inboxItem = z.object({
  kind: z.enum([
    'question',
    'failed',
    'parked',
    'configuration',
    'untrusted',
    'stale',
    'rewound',
    'budget',
    'worktree',
  ]),
  code: text,
  task: textOrNull,
  id: textOrNull,
  title: text,
  worktree: text,
  because: text,
  since: textOrNull,
  blocks: count,
  tasks: z.array(text),
  options: z.array(text).exactOptional(),
  command: text,
  action: z
    .enum(['answer', 'done', 'release', 'retry'])
    .nullable()
    .describe('what the command does to the task; null: it only shows how'),
}) satisfies z.ZodType<InboxItem>;

const claimedAnswer = z
  .array(z.object({ task: text, worktree: text, agent: textOrNull, since: textOrNull }))
  .exactOptional()
  .describe('running tasks that were claimed outside of this supervisor');

export const inboxAnswer = z.object({ generated_at: text, items: z.array(inboxItem) });

const budget = z.object({
  name: text,
  unit: z.enum(BUDGET_UNITS),
  cap: z.number(),
  per: z.enum(BUDGET_PERIODS),
  repo: textOrNull,
  profile: textOrNull,
  account: textOrNull,
  model: textOrNull,
  task: textOrNull,
  spent: z.number(),
  used: z.number(),
  running: z.number(),
  running_runs: count,
  untold: count,
  left: z.number(),
  state: z.enum(['ok', 'warn', 'spent']),
  on_spent: z.enum(['finish', 'stop']),
  next_at: textOrNull,
}) satisfies z.ZodType<BudgetReport>;

export const budgetsAnswer = z.object({ generated_at: text, budgets: z.array(budget) });

const share = z.number().min(0).nullable();

/** The machine at the last look. */
export const machineAnswer = z.object({
  at: text,
  memory: z.object({ available_bytes: z.number(), total_bytes: z.number(), pressure: share }).nullable(),
  load: z.object({ average: z.number(), cores: count, pressure: share }).nullable(),
  short: z.array(z.object({ kind: z.enum(['memory', 'load', 'disk']), because: text, since: text })),
}) satisfies z.ZodType<MachineReport>;

export const statusAnswer = z.object({
  generated_at: text,
  supervisor: z.object({
    running: z.boolean(),
    pid: z.number().int().nullable(),
    version: text,
    started_at: textOrNull,
    mode: text,
    state: text,
  }),
  limits: z.object({
    max_concurrent: count,
    running: count,
    queued: count,
    machine: machineAnswer.exactOptional(),
  }),
  inbox: z.array(inboxItem),
  worktrees: z.array(
    z.object({
      path: text,
      repo: text,
      branch: textOrNull,
      head: textOrNull,
      graph: textOrNull,
      state: text,
      because: text,
      counts: z.object({
        open: count,
        ready: count,
        running: count,
        scheduled: count,
        waiting: count,
        held: count,
        paused: count,
        'in-progress': count,
        done: count,
        failed: count,
        abandoned: count,
      }),
      copies: count.exactOptional().describe('tasks that another worktree dispatches; absent: none'),
      problems,
    }),
  ),
  runs: z.array(runAnswer),
  claimed: claimedAnswer,
  budgets: z.array(budget),
  held: z.array(
    z.object({
      task: text,
      worktree: text,
      state: z.enum(VERDICT_STATES),
      code: text,
      because: text,
      next_at: textOrNull,
    }),
  ),
  schedules: z.array(z.object({ task: text, worktree: text, schedule: text, next_at: textOrNull })),
  workers: z.array(
    z.object({
      name: text,
      profiles: z.array(text),
      resting: z.array(z.object({ executor: text, because: text })),
    }),
  ),
  problems,
}) satisfies z.ZodType<StatusReport>;

export const healthAnswer = z.object({
  status: z.literal('ok'),
  version: text,
  uptime_s: count,
  started_at: text,
});

export const tasksAnswer = z.object({ tasks: z.array(taskAnswer), next_cursor: textOrNull });

export const runsAnswer = z.object({ runs: z.array(runAnswer) });

/** `state` is the vocabulary of callbacks (`completed`, `failed`, `ready`), `status` the graph's own. */
export const completionAnswer = z.object({
  task: text,
  worktree: text,
  status: text,
  state: text,
  duplicate: z.boolean(),
  ignored: z
    .literal('artifacts')
    .exactOptional()
    .describe('the repeated report brought artifacts that the first one had not: they were not kept'),
  late: z.boolean(),
  attempts_left: count.nullable().exactOptional(),
  kept: z.literal(true).exactOptional().describe('not written yet: kept, and written when its graph is back'),
  because: text.exactOptional(),
}) satisfies z.ZodType<CompletionAnswer>;

export const heartbeatAnswer = z.object({
  directive: z.enum(['continue', 'cancel']),
  lease: z.object({ expires_at: textOrNull }),
  deadline: textOrNull,
  answer: text.exactOptional().describe('what a person answered to the last question'),
}) satisfies z.ZodType<HeartbeatAnswer>;

export const outputAnswer = z.object({
  size: count.describe('how much of the file is here, bytes: where the next piece begins'),
});

export const answeredAnswer = z.object({
  task: text,
  worktree: text,
  run: text,
  question: text,
  options: z.array(text),
  answer: text,
  duplicate: z.boolean(),
}) satisfies z.ZodType<AnsweredQuestion>;

export const claimAnswer = z.object({ run: runAnswer, ...claimedData.shape });

export const claimsAnswer = z.object({ tasks: z.array(claimedData) });

export const pauseAnswer = z.object({ target: textOrNull, paused: z.boolean() });

export const restartAnswer = z.object({ state: z.literal('restarting') });

export const drainAnswer = z.object({ state: z.literal('draining') });

export const reloadAnswer = z.object({ problems: z.array(text) });
