// What agents are sent and workers get: the `data` of a dispatch, as a schema for the API's description. The bytes
// themselves are built in executors/http/payload.ts; a test compares them.

import { z } from 'zod';

const text = z.string();
const textOrNull = z.string().nullable();

/** Everything one attempt needs to know. */
export const dispatchData = z.object({
  task: z.object({
    id: text.describe('machine-wide, such as wt3f9a01~build-api'),
    local_id: text,
    details_url: textOrNull.describe('GET it with the token of this attempt: the whole task'),
    truncated: z
      .array(z.enum(['instructions', 'depends_on', 'inputs', 'deliverables']))
      .describe('what was too long for this message and was cut'),
    title: text,
    instructions: text,
    inputs: z.array(text),
    deliverables: z.array(text),
    skills: z.array(text),
    tags: z.array(text),
    priority: z.number(),
    graph: text,
    depends_on: z.array(
      z.object({ id: text, title: text, status: text, artifacts: z.array(text), log: z.array(text) }),
    ),
  }),
  worktree: z.object({
    id: text,
    path: text,
    branch: textOrNull,
    head: textOrNull,
    remote: textOrNull.describe('where it can be fetched from; without credentials'),
  }),
  repo: z.object({ name: text, path: text }),
  attempt: z.object({
    id: text,
    number: z.number().int().min(1),
    max: z.number().int().min(1),
    fence: z.number().int().min(1),
    agent: text,
    dispatched_at: text,
    deadline: textOrNull.describe('the end of the attempt; nothing moves it'),
    previous_failure: textOrNull,
  }),
  lease: z.object({
    token: text.describe('for this attempt alone'),
    expires_at: textOrNull.describe('heartbeats move it'),
    heartbeat_every_s: z.number(),
  }),
  callback: z
    .object({
      base: text,
      complete_url: text,
      fail_url: text,
      heartbeat_url: text,
      release_url: text,
      input_url: text,
      signed_url: textOrNull.describe('needs no header: this URL is the permission to finish the attempt'),
    })
    .nullable()
    .describe('use these URLs as they are; never build them'),
});

/** How `supervisor worker` begins a task. */
const work = z.object({
  schema: z.number().int().describe('1; a worker refuses what it does not know'),
  profile: text,
  run: text.describe('what to run where the worker has no profile of that name'),
  exec: textOrNull,
  model: textOrNull,
  project_model: textOrNull,
  verify: textOrNull.describe('run by the worker before it reports success'),
  push: textOrNull.describe('the branch that its commits are pushed to'),
  hooks: z
    .object({ before_run: textOrNull, after_run: textOrNull })
    .optional()
    .describe("the repository's, run by the worker around the agent where its profile has none of its own"),
  traceparent: text,
  budgets_left: z.array(text).optional().describe('what may still be spent, in sentences'),
});

/** The response to a claim; `work` for tasks of workers. */
export const claimedData = dispatchData.extend({ work: work.optional() });
export type ClaimedData = z.infer<typeof claimedData>;

/** The body of a dispatch. */
export const dispatchPayload = z.object({
  type: z.literal('task.dispatched'),
  timestamp: text,
  data: dispatchData,
});

/** The body of a notification. */
export const notificationPayload = z.object({
  type: text.describe('such as task.completed'),
  timestamp: text,
  data: z.record(z.string(), z.unknown()),
});
