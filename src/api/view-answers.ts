// What the wider views answer: zod schemas of the shapes in domain/overview.ts.

import { z } from 'zod';
import type { DigestReport, OverviewReport } from '../domain/overview.ts';
import { statusAnswer, taskAnswer } from './answers.ts';

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
