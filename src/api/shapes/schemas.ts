// Requests of the API: zod schemas of bodies and queries. They validate and describe the API. Responses are in
// answers.ts.

import { z } from 'zod';
import { OUTPUT_FILES } from '../../domain/graph-files.ts';
import { ACCOUNT_CODES, FAILURE_KINDS } from '../../domain/outcome.ts';
import { TASK_STATUSES } from '../../domain/task.ts';
import { VERDICT_STATES } from '../../domain/verdict.ts';
import { HOOKS } from '../../executors/process/hooks/hook-files.ts';
import { PIECE_MAX_BYTES } from '../../run/remote-output.ts';

/** Many languages write null for "not given"; it means the same here. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullish();

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const NO_CONTROLS = /^[^\u0000-\u001f\u007f]*$/;

/** One line of text for people and logs. */
const line = (max: number) => z.string().min(1).max(max).regex(NO_CONTROLS, 'must be one line of text');

const leaseToken = optional(z.string().min(1).max(512)).describe('the token of the run, instead of a header');
const agentName = optional(line(200)).describe('who did the work');

/** A task id as in a path: an id of the graph, `wt~id`, or a run id for runs. */
export const taskId = z.string().min(1).max(1024).regex(NO_CONTROLS, 'must not hold control characters');

const worktree = z.string().min(1).max(4096).regex(NO_CONTROLS, 'must not hold control characters');

/** The worktree of an id: required, or preferred. */
export const taskQuery = z.strictObject({ worktree: worktree.optional(), near: worktree.optional() });

/** A part of time; by default the last day. */
export const verdictsQuery = taskQuery.extend({
  from: z.iso.datetime({ offset: true }).optional(),
  to: z.iso.datetime({ offset: true }).optional(),
});

export const tasksQuery = z.strictObject({
  worktree: worktree.optional(),
  state: z.enum(VERDICT_STATES).optional(),
  status: z.enum(TASK_STATUSES).optional(),
  executor: line(2048).optional(),
  cursor: z
    .string()
    .max(4096)
    .regex(/^[A-Za-z0-9_-]+$/, 'must be a next_cursor of an earlier answer')
    .optional(),
  limit: z.coerce.number().int().min(1).max(10_000).optional(),
});

export const runsQuery = z.strictObject({
  run: z.string().min(1).max(64).optional(),
  task: taskId.optional(),
  worktree: worktree.optional(),
  open: z.enum(['true', 'false']).optional(),
  failed: z.enum(['true', 'false']).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  grep: z.string().min(1).max(200).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).optional(),
});

export const noQuery = z.strictObject({});

/** Everything is optional, and unknown members are ignored. */
export const emptyBody = z.object({});

export const retryBody = z.object({
  done_too: z.boolean().optional().describe('a task that is done is opened again, too'),
});

const seconds = (max: number) => z.number().min(0).max(max);

/** An external orchestrator's own name for a task: a Temporal task token, an execution id. */
const externalRef = optional(z.string().min(1).max(4096)).describe(
  'opaque; returned with every event and notification of the run',
);

const leaseSeconds = optional(seconds(86_400)).describe(
  'how long the lease lasts after each heartbeat; 300 when absent, 0: it does not expire',
);

const errorText = z.string().min(1).max(20_000);
const errorMessage = z.string().min(1).max(2000);

/** The error, as a text or as an object with a message. */
/** Tokens and money, as far as they are known. */
const usage = z.object({
  cost_usd: optional(z.number().min(0).max(1e6)),
  input_tokens: optional(z.number().min(0).max(1e12)),
  output_tokens: optional(z.number().min(0).max(1e12)),
  cache_read_input_tokens: optional(z.number().min(0).max(1e12)),
  cache_creation_input_tokens: optional(z.number().min(0).max(1e12)),
  turns: optional(z.number().min(0).max(1e6)),
  duration_ms: optional(z.number().min(0).max(1e12)),
});
export type UsageBody = z.infer<typeof usage>;

const reportedError = z.union([
  errorMessage,
  z.object({
    message: errorMessage,
    code: optional(z.union([z.string().max(200), z.number()])),
    details: z.unknown().optional(),
  }),
]);

export const completeBody = z.object({
  lease_token: leaseToken,
  result: z.unknown().optional().describe('any JSON value; kept with the task'),
  summary: optional(z.string().max(20_000)),
  artifacts: z.unknown().optional().describe('any JSON value; kept with the task'),
  agent: agentName,
  status: optional(z.enum(['completed', 'done', 'succeeded', 'success', 'failed', 'error'])).describe(
    'failed and error report a failure',
  ),
  error: optional(reportedError),
  reason: optional(errorText),
  retryable: optional(z.boolean()),
  commit: optional(z.string().max(200)),
  external_id: optional(z.string().max(4096)),
  usage: optional(usage),
});
export type CompleteBody = z.infer<typeof completeBody>;

export const failBody = z.object({
  lease_token: leaseToken,
  error: optional(reportedError),
  reason: optional(errorText),
  summary: optional(z.string().max(20_000)),
  artifacts: z.unknown().optional(),
  retryable: optional(z.boolean()).describe('whether trying again could help; true when absent'),
  retry_after_s: optional(seconds(30 * 86_400)).describe('not to be tried again before'),
  agent: agentName,
  failure: optional(z.enum(FAILURE_KINDS)).describe(
    'what kind of failure it was, where the agent did not say so itself; reported when absent',
  ),
  usage: optional(usage),
});
export type FailBody = z.infer<typeof failBody>;

export const heartbeatBody = z.object({
  lease_token: leaseToken,
  progress: optional(
    z.union([
      z.string().max(2000),
      z.object({ percent: optional(z.number().min(0).max(100)), message: optional(z.string().max(2000)) }),
    ]),
  ),
  message: optional(z.string().max(2000)),
  extend_s: optional(seconds(86_400).min(1)).describe('from now; the agreed lease when absent'),
  external_ref: externalRef,
  waiting: optional(z.boolean()).describe('false: it continues without an answer to its question'),
  usage: optional(usage).describe('what the run used so far, all of it'),
  model: optional(z.string().min(1).max(200)).describe('the model that it uses'),
});
export type HeartbeatBody = z.infer<typeof heartbeatBody>;

export const outputBody = z.object({
  lease_token: leaseToken,
  file: z.enum(OUTPUT_FILES),
  offset: z
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .describe('where it belongs in that file, bytes'),
  data: z
    .base64()
    .max(Math.ceil(PIECE_MAX_BYTES / 3) * 4)
    .describe('the bytes, in base64'),
});

export const inputBody = z.object({
  lease_token: leaseToken,
  question: z.string().min(1).max(20_000),
  options: optional(z.array(z.string().min(1).max(2000)).max(50)),
  id: optional(z.string().min(1).max(200)).describe(
    'a name for this asking: sent again, it is no second question',
  ),
  waits: optional(z.boolean()).describe(
    'true: it is sent again every few seconds until it is answered, and waits for its turn while another asking is open',
  ),
});

export const answerBody = z.object({
  answer: z.string().min(1).max(20_000).describe('what the worker hears with its next heartbeat'),
  question: optional(z.string().min(1).max(20_000)).describe('answer only if this is what it asks'),
});

export const releaseBody = z.object({
  lease_token: leaseToken,
  reason: optional(z.string().min(1).max(20_000)).describe('several lines become one'),
  delay_s: optional(seconds(30 * 86_400)).describe('not to be dispatched before'),
  account: optional(
    z.object({ code: z.enum(ACCOUNT_CODES), delay_s: optional(seconds(30 * 86_400)) }),
  ).describe(
    'what its account lacks, and for how long if that is known; pauses the account that the profile names',
  ),
});

export type AccountBody = NonNullable<z.infer<typeof releaseBody>['account']>;

export const claimBody = z.object({
  worker_id: line(200).describe('who takes the task'),
  lease_s: leaseSeconds,
  external_ref: externalRef,
});

export const claimManyBody = z.object({
  worker_id: line(200).describe('who takes the tasks'),
  max_tasks: optional(z.number().int().min(1).max(50)).describe('1 when absent'),
  lease_s: leaseSeconds,
  wait_s: optional(seconds(50)).describe('how long to wait for the first task; 0 when absent'),
  executors: optional(z.array(line(2048)).max(100)).describe(
    'profile names; every profile of type external when absent',
  ),
  resting: optional(
    z.array(z.object({ executor: line(2048), because: z.string().min(1).max(2000) })).max(100),
  ).describe('profiles that the worker would take, and why it does not at present: shown by `why`'),
  topics: optional(z.array(line(200)).max(100)).describe('tags, or X for the tag topic:X'),
  worktrees: optional(z.array(worktree).max(100)),
  task_ids: optional(z.array(taskId).max(1000)),
  external_ref: externalRef,
});

export const dispatchBody = z.object({
  executor: optional(line(2048)).describe('a profile, for this once; by its route when absent'),
  notify_url: optional(z.url({ protocol: /^https?$/ }).max(4096)).describe(
    'receives the outcome once it has finished',
  ),
  external_ref: externalRef,
});

/** The query of a pre-signed callback, for tools that can set neither headers nor fields. */
export const callbackQuery = z.strictObject({
  outcome: z.enum(['complete', 'fail']).optional(),
  agent: line(200).optional(),
});

export const cancelBody = z.object({ reason: optional(line(2000)) });

export const pauseBody = z.object({
  target: optional(line(4096)).describe('a repository (path or name) or an executor; nothing: everything'),
  reason: optional(line(2000)),
});

export const resumeBody = z.object({ target: optional(line(4096)) });

/** Since when; an instant with its zone. */
export const sinceQuery = z.strictObject({ since: z.iso.datetime({ offset: true }).optional() });

const steps = z.coerce.number().int().min(0).max(10).optional();

/** How far around a task to look. */
export const neighboursQuery = taskQuery.extend({
  up: steps,
  down: steps,
  limit: z.coerce.number().int().min(1).max(500).optional(),
});

export const nextQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(1000).optional() });

export const graphQuery = z.strictObject({ worktree });

const position = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional();

/** Ids that begin so. */
export const idsQuery = z.strictObject({
  prefix: z.string().max(1024).default(''),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});

/** Which bytes of a run's output. */
export const outputQuery = z.strictObject({
  of: z.enum(HOOKS).optional(),
  from: position,
  before: position,
  bytes: z.coerce
    .number()
    .int()
    .min(1)
    .max(1 << 20)
    .optional(),
});

/** Many tasks at once, by id. */
export const manyBody = z.object({
  tasks: z.array(taskId).min(1).max(10_000),
  reason: optional(line(2000)),
});

const tags = optional(z.array(line(200)).max(50));

/** Which tags to add, and which to take away. */
export const tagBody = z.object({ add: tags, remove: tags });

export const manyTagsBody = tagBody.extend({ tasks: z.array(taskId).min(1).max(10_000) });

export const actionsQuery = z.strictObject({
  task: taskId.optional(),
  worktree: worktree.optional(),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
});
