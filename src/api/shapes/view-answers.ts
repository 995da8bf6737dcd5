// What the wider views answer: zod schemas of the shapes in domain/overview.ts.

import { z } from 'zod';
import type {
  DigestReport,
  GraphReport,
  HistoryReport,
  NeighboursReport,
  OutputReport,
  OverviewReport,
  PressureReport,
  RepoReport,
  TimetableReport,
} from '../../domain/overview.ts';
import { machineAnswer, statusAnswer, taskAnswer } from './answers.ts';

const text = z.string();
const count = z.number().int().min(0);

export const nextAnswer = taskAnswer.pick({
  task: true,
  id: true,
  title: true,
  worktree: true,
  state: true,
  code: true,
  because: true,
  next_at: true,
  executor: true,
});

export const overviewAnswer = statusAnswer.omit({ held: true, schedules: true }).extend({
  repositories: count,
  next: z.array(nextAnswer),
  next_count: count,
}) satisfies z.ZodType<OverviewReport>;

export const digestAnswer = z.object({
  since: text,
  until: text,
  done: count.describe('tasks that were done, by whomever'),
  failed: count,
  runs: count,
  cost_usd: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  items: z.array(
    z.object({
      run: text,
      task: text,
      worktree: text,
      executor: text,
      outcome: z.enum(['succeeded', 'failed', 'stopped', 'deferred']),
      message: text,
      at: text,
      cost_usd: z.number().nullable(),
    }),
  ),
}) satisfies z.ZodType<DigestReport>;

const textOrNull = z.string().nullable();
const pause = z.object({ code: text, because: text, until: textOrNull }).nullable();

export const pressureAnswer = z.object({
  generated_at: text,
  max_concurrent: count,
  running: count,
  queued: count,
  paused: pause,
  machine: machineAnswer.exactOptional(),
  profiles: z.array(
    z.object({
      name: text,
      type: text,
      origin: text,
      max_concurrent: count.nullable(),
      running: count,
      elsewhere: count.describe('handed off, without a slot'),
      queued: count,
      account: textOrNull,
      paused: pause,
      day: z.object({ runs: count, failed: count, cost_usd: z.number(), tokens: z.number() }),
      footprint: z.object({ runs: count, bytes: z.number(), cores: z.number() }).exactOptional(),
    }),
  ),
  repos: z.array(
    z.object({
      repo: text,
      running: count,
      queued: count,
      max_concurrent: count.nullable(),
      paused: pause,
    }),
  ),
  reasons: z.array(z.object({ state: text, code: text, because: text, tasks: count })),
}) satisfies z.ZodType<PressureReport>;

export const nextWorkAnswer = z.object({ tasks: z.array(nextAnswer) });

const counts = statusAnswer.shape.worktrees.element.shape.counts;

export const reposAnswer = z.object({
  repos: z.array(
    z.object({
      repo: text,
      worktrees: z.array(text),
      counts,
      problems: z.array(z.object({ code: text, message: text })),
    }) satisfies z.ZodType<RepoReport>,
  ),
});

export const graphAnswer = z.object({
  worktree: text,
  graph: text,
  tasks: z.array(taskAnswer),
  edges: z.array(z.object({ from: text, to: text })),
}) satisfies z.ZodType<GraphReport>;

export const neighboursAnswer = z.object({
  task: text,
  worktree: text,
  nodes: z.array(
    taskAnswer
      .pick({ task: true, title: true, status: true, state: true, code: true, because: true })
      .extend({
        depth: z.number().int().describe('steps from the task; negative ones it waits for'),
        hidden_up: count,
        hidden_down: count,
        critical: z.boolean().describe('on the longest chain of unfinished tasks through the task'),
      }),
  ),
  edges: z.array(z.object({ from: text, to: text, critical: z.boolean() })),
  critical_tasks: count,
}) satisfies z.ZodType<NeighboursReport>;

export const historyAnswer = z.object({
  task: text,
  worktree: text,
  from: text,
  to: textOrNull,
  spans: z.array(
    z.object({
      kind: z.enum(['waits', 'runs', 'elsewhere']),
      from: text,
      to: textOrNull.describe('null: it continues'),
      code: text,
      because: text,
      run: text.exactOptional(),
      attempt: count.exactOptional(),
      executor: text.exactOptional(),
    }),
  ),
}) satisfies z.ZodType<HistoryReport>;

export const timetableAnswer = z.object({
  from: text,
  to: text,
  zone: text,
  schedules: z.array(
    z.object({
      task: text,
      title: text,
      worktree: text,
      schedule: text,
      zone: text,
      state: text,
      because: text,
      next_at: textOrNull,
      next: z.array(text).describe('within a day'),
      last: z.array(
        z.object({
          at: text,
          result: z.enum(['done', 'failed', 'stopped', 'running', 'replaced', 'missed', 'skipped']),
          because: text,
        }),
      ),
    }),
  ),
}) satisfies z.ZodType<TimetableReport>;

export const idsAnswer = z.object({ ids: z.array(text) });

export const outputAnswer = z.object({
  run: text,
  file: textOrNull.describe('null: it wrote nothing, or nothing is kept any more'),
  size: count.describe('bytes of the file'),
  from: count,
  to: count,
  text: text.describe('plain text, without escapes; an agent’s stream as people read it'),
  over: z.boolean().describe('nothing more comes'),
}) satisfies z.ZodType<OutputReport>;

export const manyAnswer = z.object({
  done: count,
  results: z.array(
    z.object({
      task: text.describe('as it was named'),
      local_id: text.exactOptional(),
      worktree: text.exactOptional(),
      done: z.boolean(),
      because: text.exactOptional().describe('why not'),
    }),
  ),
});
