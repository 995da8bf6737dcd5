// What is allowed below [executors.NAME], in supervisor.toml and in a worktree's config.toml alike.

import { z } from 'zod';
import { AGENT_CLIS, type AgentType } from '../domain/agent-cli.ts';
import type { ExecutorType } from '../domain/profile.ts';
import { CATCHUPS, OVERLAPS } from '../domain/schedule-policy.ts';
import { httpDeliveryShape } from './http-delivery.ts';
import {
  duration,
  keptBytes,
  optional,
  places,
  required,
  rhythm,
  secretValue,
  secretValues,
  text,
  withDefault,
  zone,
} from './setting.ts';

/** Keys of a retry policy; missing ones come from the surrounding policy. */
export const retryShape = {
  attempts: optional(z.int().min(1).max(1000), { text: 'Attempts in all, the first included.', example: 3 }),
  backoff: optional(duration, {
    text: 'Pause before the second attempt; it doubles from one to the next.',
    example: '10s',
  }),
  max_backoff: optional(duration, { text: 'The longest pause between attempts.', example: '5m' }),
};

const commonShape = {
  max_concurrent: optional(places, {
    text: 'How many of its runs may be in flight at once, handed-off ones included. Default: no limit of its own.',
    example: 2,
  }),
  retry: optional(z.strictObject(retryShape), {
    text: 'Overrides [retry] for tasks that run here.',
    example: { attempts: 3, backoff: '10s', max_backoff: '5m' },
  }),
  match: optional(z.array(text), {
    text: 'Tags that route a task here; "area:*" is every tag that begins with "area:". Default: none.',
    example: ['agent:deploy', 'area:*'],
  }),
  route: optional(z.array(text), {
    text: 'Models that are run here: "pi:*" is every model that asks for pi, "nex:openrouter:*" every one of that provider. Default: none but those of the profile\'s own name.',
    example: ['pi:*'],
  }),
  tag_match: optional(text, { text: 'One more such tag, as a plain text.', example: 'deploy:*' }),
  env: optional(secretValues, {
    text: 'Environment of spawned agents, beside the allow-list: texts, or { env = "NAME" } to pass one on under a name.',
    example: { DEPLOY_TOKEN: { env: 'DEPLOY_TOKEN' } },
  }),
  overridable: withDefault(
    z.boolean(),
    false,
    "Whether a trusted worktree's profile of the same name replaces this one. false: what you configured for this machine holds.",
  ),
  untrusted: withDefault(
    z.boolean(),
    false,
    'Whether it works for repositories that are not trusted, too: strangers then choose the text of its prompt, so an agent may not have all permissions. Counts in supervisor.toml alone.',
  ),
};

const timeout = (value: string, why: string) =>
  withDefault(duration, value, `Longest time one attempt may take; "0" means none. ${why}`);

const hook = (text: string, example: string) => optional(z.string(), { text, example });

/** The same in [[repos]]. */
export const hookShape = {
  before_run: hook(
    'A shell command that runs where the agent works, before it; at most 60 s. Fails it, the task is released and tried again later, no attempt counted.',
    'npm ci',
  ),
  after_run: hook(
    "The same once the agent's processes have ended, however it ended (SUPERVISOR_OUTCOME). Fails it, that is told and changes nothing.",
    'docker compose down',
  ),
};

/** The same in [[repos]]. */
export const placeShape = {
  worktree: optional(z.enum(['own', 'shared']), {
    text: '"own": each task works in a git worktree of its own, on a branch wg/TASK, with the files of .worktreeinclude and a block of ports (WG_PORT_BASE); it is removed once it is clean and its commits are on another branch. Default: that of its graph.',
    example: 'own',
  }),
};

const spawnedShape = {
  ...placeShape,
  ...hookShape,
  pass_env: withDefault(
    z.array(
      z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*\*?$/, { error: 'must be a variable, or its beginning and "*"' }),
    ),
    [],
    'Variables of the supervisor that are handed on beside the allow-list, for instance ["AWS_*", "GH_TOKEN"].',
  ),
  end_grace: withDefault(
    duration,
    '60s',
    'How long a program may stay that said it is finished; then it is ended and its word counts. "0": for ever.',
  ),
  max_output: withDefault(
    keptBytes,
    '256MB',
    'As much is kept of what a run prints into each of its files: the beginning and the end, and a line in between that says how much was left out. The program is not held up by it. "0": everything.',
  ),
};

function agentSchema<T extends AgentType>(type: T) {
  const { title, program, account, permissionMode } = AGENT_CLIS[type];
  return z.strictObject({
    type: z.literal(type).meta({ description: `Spawns ${title}.` }),
    ...commonShape,
    timeout: timeout(
      '2h',
      'Two hours are more than nearly every task takes and less than a night lost to a stuck one.',
    ),
    command: withDefault(text, program, 'The program: a name found in PATH, or a path.'),
    args: withDefault(z.array(z.string()), [], 'Further arguments, after the built-in ones.'),
    model: optional(text, {
      text: "The model; a task's own model wins. Default: the program's.",
      example: 'sonnet',
    }),
    permission_mode: withDefault(
      text,
      permissionMode,
      'What the agent may do unasked. No one is there to answer, so anything less stops at its first question.',
    ),
    silence_timeout: withDefault(
      duration,
      '0',
      'Ends a run that said nothing for this long; "0": never, because long tool calls are silent and legitimate.',
    ),
    resume: withDefault(
      z.boolean(),
      false,
      'Whether the attempt after one that failed or was stopped continues in its session, with all that it read and tried. false: only after one whose time ran out; others begin afresh.',
    ),
    login_check: withDefault(
      z.boolean(),
      true,
      'Whether the CLI is asked before the first task whether it is logged in, where it has a question that costs nothing. false: a run finds out.',
    ),
    account: withDefault(text, account, 'Tasks of one account share its quota pause.'),
    ...spawnedShape,
  });
}

/** ACP has three answers to what an agent may do, and no default program. */
const acpSchema = agentSchema('acp').extend({
  command: required(text, {
    text: 'A program that speaks ACP on its standard input and output: a name found in PATH, or a path.',
    example: 'goose',
  }),
  args: withDefault(z.array(z.string()), [], 'Its arguments, such as ["acp"].'),
  permission_mode: withDefault(
    z.enum(['allow', 'ask', 'deny']),
    'allow',
    'What happens to its permission requests: "ask" makes each a question that `supervisor answer` settles.',
  ),
});

const commandShape = {
  type: z.literal('command').meta({ description: 'Runs a program in the worktree.' }),
  ...commonShape,
  timeout: timeout('2h', 'As for claude.'),
  command: optional(z.array(text).min(1, { error: 'must name a program' }), {
    text: "Program and arguments; placeholders allowed. Without command and shell, the task's own exec is run.",
    example: ['npm', 'run', 'agent', '--', '{{task.id}}'],
  }),
  shell: optional(text, {
    text: 'A shell text instead. Placeholders arrive as quoted arguments, never spliced into the text.',
    example: 'make deploy && echo {{task.title}}',
  }),
  cwd: optional(text, {
    text: 'Where it runs, relative to the worktree. Default: the worktree.',
    example: 'tools',
  }),
  end_line: optional(text, {
    text: 'A line of output that holds this text says that the work succeeded; what still runs then has end_grace.',
    example: '"type":"result"',
  }),
  ...spawnedShape,
};

const httpShape = {
  type: z.literal('http').meta({ description: 'Sends the task to an agent that is a web service.' }),
  ...commonShape,
  timeout: timeout('24h', 'The agent works on its own; after a day a person should have a look.'),
  endpoint: required(text, { text: 'Where the task is sent.', example: 'http://localhost:3531/api/task' }),
  method: withDefault(z.enum(['POST', 'PUT', 'PATCH']), 'POST', 'The HTTP method.'),
  headers: optional(secretValues, {
    text: 'Further headers: texts with placeholders, or { env = "NAME" } for secrets.',
    example: { authorization: { env: 'DEPLOY_AUTHORIZATION' } },
  }),
  body: optional(
    z.union([z.string(), z.record(z.string(), z.unknown())], { error: 'must be a text or a table' }),
    {
      text: 'The body, as a table or a JSON text with placeholders. Default: the payload described in the documentation.',
      example: {
        task_id: '{{task.id}}',
        source: 'workgraph',
        category: '{{task.category}}',
        context: '{{task.description}}',
      },
    },
  ),
  completion: withDefault(
    z.enum(['callback', 'response', 'poll']),
    'callback',
    'How the end becomes known: the agent calls back, its answer is the result, or its status URL is asked.',
  ),
  status_url: optional(text, {
    text: 'What is asked with completion = "poll". Default: what the agent\'s answer names, else ENDPOINT/TASK.',
    example: 'http://localhost:3531/api/task/{{task.id}}',
  }),
  poll_interval: withDefault(rhythm, '5s', 'How often the status URL is asked.'),
  secret: optional(
    z.union([secretValue, z.array(secretValue)], {
      error: 'must be a text, { env = "NAME" } or a list of these',
    }),
    {
      text: 'Signs requests as Standard Webhooks does. A list rotates: newest first. Default: unsigned.',
      example: { env: 'DEPLOY_WEBHOOK_SECRET' },
    },
  ),
  format: withDefault(
    z.enum(['standard', 'cloudevents']),
    'standard',
    'The envelope of the payload that is ours.',
  ),
  ...httpDeliveryShape,
};

const scheduleShape = {
  type: z
    .literal('schedule')
    .meta({ description: 'Holds a task until its time, then dispatches it elsewhere.' }),
  ...commonShape,
  timeout: timeout('0', 'The profile that does the work has its own.'),
  schedule: optional(text, {
    text: 'For tasks that name none: "HH:MM", an ISO instant, or five cron fields.',
    example: '09:00',
  }),
  via: withDefault(text, 'default', 'The profile that does the work when the time has come.'),
  timezone: optional(zone, {
    text: 'The zone of its schedules; a task may name its own. Default: that of [supervisor].',
    example: 'Europe/Berlin',
  }),
  catchup: optional(z.enum(CATCHUPS), {
    text: 'Overrides [schedule], as do the next four.',
    example: 'skip',
  }),
  catchup_window: optional(duration, { text: 'As in [schedule].', example: '1d' }),
  overlap: optional(z.enum(OVERLAPS), { text: 'As in [schedule].', example: 'queue_one' }),
  start_deadline: optional(duration, { text: 'As in [schedule].', example: '15m' }),
  jitter: optional(duration, { text: 'As in [schedule].', example: '5m' }),
};

const externalShape = {
  type: z
    .literal('external')
    .meta({ description: 'Marks a task as taken by an orchestrator outside and waits for its word.' }),
  ...commonShape,
  timeout: timeout('0', 'The worker decides how long it takes; see stale_after.'),
  stale_after: withDefault(
    duration,
    '24h',
    'How long without a sign of life before it counts as stale; "0": never.',
  ),
  on_stale: withDefault(
    z.enum(['flag', 'retry', 'fail']),
    'flag',
    'What then happens. flag only says so in status: the work may well continue.',
  ),
};

const workersShape = {
  ...commonShape,
  timeout: timeout('2h', 'As for claude; a worker that falls silent loses the task within a minute anyway.'),
  run: withDefault(
    text,
    'claude',
    'What a worker runs that has no profile of this name itself: a profile of its own, or claude, codex, command.',
  ),
  push: withDefault(
    z.string(),
    'wg/{{task.id}}/a{{run.fence}}',
    'The branch that the worker pushes its commits to; a new one for each attempt, so that no late worker harms another. "": nothing is pushed.',
  ),
};

const remoteShape = {
  type: z
    .literal('remote')
    .meta({ description: 'Waits for `supervisor worker` on another machine, which does the work there.' }),
  ...workersShape,
};

const bullmqShape = {
  type: z.literal('bullmq').meta({
    description:
      'Puts the task into a queue in Redis, from which `supervisor worker --queue` takes it. Needs the packages bullmq and ioredis beside the supervisor.',
  }),
  ...workersShape,
  url: withDefault(
    secretValue,
    { env: 'SUPERVISOR_QUEUE_URL' },
    'Address of the Redis, redis:// or, beyond this machine, rediss://. A password belongs into the environment: into this variable or SUPERVISOR_QUEUE_PASSWORD.',
  ),
  queue: optional(text, {
    text: 'Name of the queue, which workers give as --profile. Default: the name of the profile.',
    example: 'farm',
  }),
  lease: withDefault(duration, '60s', 'A worker that is silent for this long has lost the task.'),
  insecure: withDefault(
    z.boolean(),
    false,
    'Allows redis:// to another machine: everyone between them could take over the work.',
  ),
};

/** One schema for each executor type. */
export const profileSchemas = {
  claude: agentSchema('claude'),
  codex: agentSchema('codex'),
  pi: agentSchema('pi'),
  gemini: agentSchema('gemini'),
  opencode: agentSchema('opencode'),
  acp: acpSchema,
  command: z.strictObject(commandShape),
  http: z.strictObject(httpShape),
  schedule: z.strictObject(scheduleShape),
  external: z.strictObject(externalShape),
  remote: z.strictObject(remoteShape),
  bullmq: z.strictObject(bullmqShape),
} as const satisfies Record<ExecutorType, z.ZodType>;

/** Any profile, distinguished by `type`: for the JSON Schema. */
export const anyProfile = z.discriminatedUnion('type', [
  profileSchemas.claude,
  profileSchemas.codex,
  profileSchemas.pi,
  profileSchemas.gemini,
  profileSchemas.opencode,
  profileSchemas.acp,
  profileSchemas.command,
  profileSchemas.http,
  profileSchemas.schedule,
  profileSchemas.external,
  profileSchemas.remote,
  profileSchemas.bullmq,
]);

/** A profile as written, checked, with defaults. */
export type WrittenProfile = z.output<typeof anyProfile>;
