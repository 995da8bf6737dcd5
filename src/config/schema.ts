// Every setting of supervisor.toml: its rule, its default and the reason for it. Values here are as written; load.ts
// converts them.

import { z } from 'zod';
import { BUDGET_PERIODS } from '../domain/budget.ts';
import { NOTIFY_EVENTS, NOTIFY_FORMATS } from '../domain/config.ts';
import { CATCHUPS, OVERLAPS } from '../domain/schedule-policy.ts';
import { hookShape, placeShape } from '../executors/shared-settings.ts';
import {
  bytes,
  duration,
  optional,
  places,
  required,
  rhythm,
  secretValue,
  text,
  withDefault,
  zone,
} from '../settings/setting.ts';

const supervisorShape = {
  max_concurrent: withDefault(
    places,
    8,
    'How many runs may be active at once on this machine. An agent takes about 1 GB of memory; handed-off work does not count.',
  ),
  mode: withDefault(
    z.enum(['dispatch', 'observe']),
    'dispatch',
    '"observe" decides and reports but starts and writes nothing: a safe first look.',
  ),
  timezone: optional(zone, {
    text: "The zone of schedules that name none. Default: this machine's.",
    example: 'Europe/Berlin',
  }),
  when_wg_daemon: withDefault(
    z.enum(['yield', 'ignore']),
    'yield',
    "What to do where wg's own daemon serves a graph: leave the graph to it, because it ignores other claims, or dispatch all the same.",
  ),
};

const repoShape = {
  path: required(text, {
    text: 'The repository, or any worktree or folder of it. "~" is your home.',
    example: '~/src/shop',
  }),
  weight: withDefault(
    z.number().positive().max(1000),
    1,
    'Its share when there is more work than room: 2 gets twice as much as 1.',
  ),
  max_concurrent: optional(places, {
    text: 'Most runs at once in the whole repository. Default: no limit of its own.',
    example: 4,
  }),
  max_concurrent_per_worktree: optional(places, {
    text: 'Most runs at once in one worktree; 1 keeps agents from editing the same files. Default: no limit of its own.',
    example: 1,
  }),
  include: withDefault(
    z.array(text),
    [],
    'Only worktrees that fit one of these globs; none means all. Without a slash a glob is matched against the folder name, else against the whole path.',
  ),
  exclude: withDefault(z.array(text), [], 'Not worktrees that fit one of these.'),
  trust: withDefault(
    z.boolean(),
    true,
    "Whether what its content chooses is run: [executors] in the worktrees' own config.toml, a task's exec, verify and address, agents on its text. true: you named this repository yourself.",
  ),
  ...placeShape,
  ...hookShape,
  duplicates: withDefault(
    z.enum(['once', 'each']),
    'once',
    'Where a graph is committed, every worktree has a copy of the same tasks. "once" dispatches each from one worktree, "each" takes every copy for a task of its own.',
  ),
  on_rewind: withDefault(
    z.enum(['restore', 'hold', 'rerun']),
    'restore',
    'Where git or a slow writer put an older line of a task back. "restore": claim or result are written again where that can be proven, else the task is held; "hold": it is held until `supervisor retry`; "rerun": the older line counts.',
  ),
};

const rootShape = {
  path: required(text, {
    text: 'A folder; repositories found below it are supervised too.',
    example: '~/work',
  }),
  depth: withDefault(
    z.int().min(0).max(10),
    3,
    'How many levels down to look. Hidden folders and node_modules are skipped, and nothing inside a repository is looked at.',
  ),
  trust: withDefault(
    z.boolean(),
    false,
    'As for [[repos]]. false: anyone who can put a repository there could run programs. `supervisor trust PATH` trusts one; external tasks, and profiles with untrusted = true, need no trust.',
  ),
};

const scheduleShape = {
  catchup: withDefault(
    z.enum(CATCHUPS),
    'latest',
    'Instants missed while the supervisor was not running or the machine asleep: "latest" makes one run of however many, "skip" none, "all" one of each, at most ten.',
  ),
  catchup_window: withDefault(
    duration,
    '7d',
    'Instants missed for longer than this are skipped: what could wait for a week is no longer meant.',
  ),
  overlap: withDefault(
    z.enum(OVERLAPS),
    'skip',
    'An instant that comes while the task is still at work: "skip" lets it go, "queue_one" runs it afterwards, "replace" ends what runs.',
  ),
  start_deadline: withDefault(
    duration,
    '0',
    'Due for longer than this and not started, because capacity or another task was missing: skipped. "0": it waits as long as it takes.',
  ),
  jitter: withDefault(
    duration,
    '0',
    'Starts each task up to this much later, always by the same amount: for many tasks of one time.',
  ),
};

const limitsShape = {
  max_line_bytes: withDefault(
    z.int().min(1024),
    16 * 1024 * 1024,
    'Longest line of a graph that is read. 16 MiB is far beyond any task and bounds memory.',
  ),
  max_graph_bytes: withDefault(z.int().min(1024), 1024 * 1024 * 1024, 'Largest graph that is read.'),
  max_body_bytes: withDefault(
    z.int().min(1024),
    1024 * 1024,
    'Largest request body that the API takes; larger results go by reference.',
  ),
  safety_pass: withDefault(
    rhythm,
    '30s',
    'How often every graph is looked at although nothing was heard: file events can be missed.',
  ),
  relist: withDefault(
    rhythm,
    '60s',
    'How often worktrees are listed although nothing was heard. Cheap: git runs only where something changed.',
  ),
  rewind_grace: withDefault(
    duration,
    '5s',
    'How long a claim or a result must be missing from a graph before anything follows from that: `git stash` and pop, a rebase, or a file that is written in place have finished by then.',
  ),
};

const percent = z.number().min(0).max(100);

const machineShape = {
  memory_pressure: withDefault(
    percent,
    10,
    'Per cent of the last 10 s in which some process waited for memory (`some avg10` of Linux PSI). A machine that does not swap is at 0. 0: not looked at.',
  ),
  min_memory: withDefault(
    bytes,
    '256MB',
    'Memory that stays available, also once those that run have grown to what runs of their profile took before; 5 % on a machine with less than 5 GB. 0: not looked at.',
  ),
  max_load: withDefault(
    z.number().min(0).max(100_000),
    100,
    'Load average of one minute per core, together with cpu_pressure: agents mostly wait, and a build or a test run on every core is no reason to hold them. Only a machine that hardly gets anywhere is. 0: not looked at.',
  ),
  cpu_pressure: withDefault(
    percent,
    90,
    'Per cent of the last minute in which some process waited for a processor (`some avg60` of Linux PSI, where there is one). 0: max_load decides alone.',
  ),
  min_disk: withDefault(
    bytes,
    '500MB',
    'Room that stays free on the disks of the worktree and of the state folder; 5 % on a disk with less than 10 GB. 0: not looked at.',
  ),
};

const retryShape = {
  attempts: withDefault(
    z.int().min(1).max(1000),
    1,
    'Attempts in all, the first included. 1: an agent that failed once is a matter for a person.',
  ),
  backoff: withDefault(duration, '10s', 'Pause before the second attempt; it doubles from one to the next.'),
  max_backoff: withDefault(duration, '5m', 'The longest pause between attempts.'),
};

const shutdownShape = {
  grace: withDefault(duration, '10s', 'From the polite signal to the hard one when a run is ended.'),
  linger: withDefault(duration, '30s', 'How long an agent may tidy up after its task was declared done.'),
};

const retentionShape = {
  runs: withDefault(
    rhythm,
    '30d',
    'How long the ledger remembers a run that has ended: what `runs` and `show` list, and attempts that count.',
  ),
  output: withDefault(
    rhythm,
    '14d',
    "How long the folder of a run that has ended is kept in the graph's agents/: its output and prompt. Folders of other dispatchers stay.",
  ),
};

const apiShape = {
  listen: withDefault(
    z.string(),
    'auto',
    'TCP for callbacks: "auto" opens a free loopback port when a profile needs callbacks, "off" never, "127.0.0.1:7420" says where. The local socket is always there.',
  ),
  public_url: optional(z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }), {
    text: 'The base URL that agents elsewhere call back to, such as that of a reverse proxy or tunnel.',
    example: 'https://supervisor.example.net',
  }),
  allow_remote: withDefault(
    z.boolean(),
    false,
    'Must be true, and public_url an https URL, to listen beyond loopback.',
  ),
  allowed_hosts: withDefault(
    z.array(text),
    [],
    'Further Host headers to take. Others are refused: that stops DNS rebinding.',
  ),
  allowed_origins: withDefault(
    z.array(text),
    [],
    'Web origins that may call. None: no web page has any business here.',
  ),
  page: withDefault(
    z.boolean(),
    true,
    'The page that `supervisor open` opens in a browser. On loopback only, whatever listen says.',
  ),
};

const positive = z.number().min(0).max(1e15);

const budgetShape = {
  name: optional(text, { text: 'What it is called. Default: made from what it says.', example: 'day' }),
  usd: optional(positive, { text: 'The cap in US dollars, as agents tell what they cost.', example: 20 }),
  tokens: optional(positive, {
    text: 'The cap in tokens, cached ones included: for subscriptions, and for agents that tell no cost.',
    example: 50_000_000,
  }),
  runs: optional(positive, { text: 'The cap in runs.', example: 100 }),
  per: withDefault(
    z.enum(BUDGET_PERIODS),
    'day',
    'Days and weeks (from Monday) are those of the zone of schedules. "task": all attempts of one task since the last `supervisor retry`.',
  ),
  repo: optional(text, {
    text: 'Only work in this repository: its name, or a path of it. Default: all.',
    example: 'shop',
  }),
  profile: optional(text, { text: 'Only runs of this profile.', example: 'claude' }),
  account: optional(text, { text: 'Only runs of the profiles with this account.', example: 'anthropic' }),
  model: optional(text, { text: 'Only runs with this model; "*" stands for any text.', example: '*opus*' }),
  warn_at: withDefault(z.number().min(1).max(100), 80, 'Per cent of the cap from which on `status` warns.'),
  on_spent: withDefault(
    z.enum(['finish', 'stop']),
    'finish',
    'Agents that run when it is spent: "finish" lets them finish, "stop" stops them and reopens their tasks. Neither starts anything new.',
  ),
};

const notifyShape = {
  format: withDefault(
    z.enum(NOTIFY_FORMATS),
    'webhook',
    'The shape of what is sent: webhook (JSON as documented), ntfy, slack, discord, or desktop (notify-send, on macOS osascript; no url). All but webhook send one message per event with repository, task, reason and the command that settles it.',
  ),
  url: optional(z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }), {
    text: 'Where it is sent: the webhook, or the ntfy topic. Needed by all formats but desktop.',
    example: 'https://hooks.example.net/workgraph',
  }),
  token: optional(secretValue, {
    text: 'Sent as a bearer token, for a protected ntfy topic. Default: none.',
    example: { env: 'NTFY_TOKEN' },
  }),
  digest: optional(z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as "18:00"'), {
    text: 'The time of day, by `timezone`, of a message with what happened since the last one. Default: none.',
    example: '18:00',
  }),
  secret: optional(
    z.union([secretValue, z.array(secretValue)], {
      error: 'must be a text, { env = "NAME" } or a list of these',
    }),
    {
      text: 'Signs what is sent as Standard Webhooks does. A list rotates: newest first. Default: unsigned.',
      example: { env: 'NOTIFY_WEBHOOK_SECRET' },
    },
  ),
  events: withDefault(
    z.array(z.enum(NOTIFY_EVENTS)).min(1),
    ['task.completed', 'task.failed', 'task.stale', 'task.input_required', 'task.held', 'supervisor.problem'],
    'The events it receives; task.started and task.retrying are left out because they are many.',
  ),
  held_after: withDefault(
    rhythm,
    '1h',
    'How long a task may be held or queued before a notification. An hour is longer than most queues and shorter than a working day.',
  ),
};

const logShape = {
  level: withDefault(
    z.enum(['debug', 'info', 'warn', 'error']),
    'info',
    'The least important messages that are written.',
  ),
  format: withDefault(
    z.enum(['auto', 'json', 'pretty']),
    'auto',
    '"auto" is pretty on a terminal and JSON lines elsewhere.',
  ),
};

/** A missing section is a section with all its defaults. */
const section = <S extends z.core.$ZodLooseShape>(shape: S, description: string) =>
  z
    .strictObject(shape)
    .prefault({} as never)
    .meta({ description });

/** supervisor.toml without the profiles, which are judged one by one: a broken one must not invalidate the others. */
export const machineSchema = z.strictObject({
  supervisor: section(supervisorShape, 'The machine as a whole.'),
  repos: z
    .array(z.strictObject(repoShape))
    .default([])
    .meta({ description: 'A repository to supervise; one block for each.' }),
  roots: z
    .array(z.strictObject(rootShape))
    .default([])
    .meta({ description: 'Folders to search for repositories.' }),
  retry: section(retryShape, 'What happens after a failed attempt, unless a profile says otherwise.'),
  schedule: section(
    scheduleShape,
    'What schedules do when they cannot be kept to the letter, unless a schedule profile says otherwise.',
  ),
  limits: section(limitsShape, 'Limits and intervals.'),
  machine: section(
    machineShape,
    'How little of the machine may be left: from there on no further agent or command is started. What runs is left alone, and what waits is queued.',
  ),
  shutdown: section(shutdownShape, 'Shutdown.'),
  retention: section(retentionShape, 'Retention.'),
  api: section(apiShape, 'How agents and tools reach the supervisor.'),
  budgets: z.array(z.strictObject(budgetShape)).default([]).meta({
    description:
      'What agents may spend; one block for each, with usd, tokens or runs, or several of these. Nothing new starts where spent, running and expected would pass the cap.',
  }),
  notify: z
    .array(
      z
        .strictObject(notifyShape)
        .refine(({ url, format }) => url !== undefined || format === 'desktop', {
          path: ['url'],
          error: 'is missing; only format = "desktop" needs none',
        })
        .refine(({ url, format }) => format !== 'ntfy' || !url || new URL(url).pathname.length > 1, {
          path: ['url'],
          error: 'names no topic: write it as its path, like https://ntfy.example.net/my-topic',
        }),
    )
    .default([])
    .meta({ description: 'Webhook notifications, retried until delivered; one block for each.' }),
  log: section(logShape, 'What it writes about itself.'),
  executors: z.record(z.string(), z.unknown()).default({}),
});

/** supervisor.toml as written, checked, with defaults; profiles unchecked. */
export type WrittenConfig = z.output<typeof machineSchema>;

/** Sections in the order people meet them. */
export const SECTION_ORDER = [
  'supervisor',
  'repos',
  'roots',
  'retry',
  'schedule',
  'limits',
  'machine',
  'shutdown',
  'retention',
  'api',
  'budgets',
  'notify',
  'log',
] as const;
