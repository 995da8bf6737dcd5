// Settings that profiles of several executor types have, as they are declared and as the program uses them.

import { z } from 'zod';
import { byteSizeOrNull } from '../domain/byte-size.ts';
import type { RetryPolicy } from '../domain/config.ts';
import { parseDuration } from '../domain/duration.ts';
import {
  duration,
  keptBytes,
  optional,
  places,
  secretValues,
  text,
  withDefault,
} from '../settings/setting.ts';

/** Keys of a retry policy; missing ones come from the surrounding policy. */
export const retryShape = {
  attempts: optional(z.int().min(1).max(1000), { text: 'Attempts in all, the first included.', example: 3 }),
  backoff: optional(duration, {
    text: 'Pause before the second attempt; it doubles from one to the next.',
    example: '10s',
  }),
  max_backoff: optional(duration, { text: 'The longest pause between attempts.', example: '5m' }),
};

/** Of every profile. */
export const commonShape = {
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

const hook = (text: string, example: string) => optional(z.string(), { text, example });

/** The same in [[repos]]. */
export const hookShape = {
  before_run: hook(
    'A shell command that runs before the agent, where it works; at most 60 s. If it fails, the task is released and tried again later; no attempt is counted.',
    'npm ci',
  ),
  after_run: hook(
    "The same after the agent's processes have ended, whatever the outcome (SUPERVISOR_OUTCOME). A failure is reported and has no other effect.",
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

/** Of profiles that start processes. */
export const spawnedShape = {
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
    'How much of each output file of a run is kept: the beginning and the end, with a line in between that says how much was left out. "0": everything.',
  ),
};

/** Of profiles whose work `supervisor worker` does. */
export const workersShape = {
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
  account: optional(text, {
    text: 'The account that all its workers share: a quota that one of them meets pauses all that has this account, here too, and budgets of the account count its runs. Absent: each worker has its own, and rests alone.',
    example: 'anthropic',
  }),
};

/** Run, branch and account of a worker's profile, as the program uses them. */
export function forWorkers({
  run,
  push,
  account,
}: {
  readonly run: string;
  readonly push: string;
  readonly account?: string | undefined;
}) {
  return { run, push, ...(account === undefined ? {} : { account }) };
}

/** The time limit of such profiles, and why. */
export const WORKERS_TIMEOUT = {
  is: '2h',
  why: 'As for claude; a worker that falls silent loses the task within a minute anyway.',
};

/** Their rules: the environment stays on this machine. */
export function workersTroubles({
  env = {},
}: {
  readonly env?: Readonly<Record<string, unknown>> | undefined;
}) {
  if (Object.keys(env).length === 0) return [];
  return [
    {
      path: ['env'],
      sentence: "is not sent to other machines; write it into the worker's own profile there",
    },
  ];
}

/** A retry policy with the given keys overriding another one. */
export function overRetry(
  written: {
    attempts?: number | undefined;
    backoff?: string | 0 | undefined;
    max_backoff?: string | 0 | undefined;
  },
  under: RetryPolicy,
): RetryPolicy {
  return {
    attempts: written.attempts ?? under.attempts,
    backoffMs: written.backoff === undefined ? under.backoffMs : parseDuration(written.backoff),
    maxBackoffMs: written.max_backoff === undefined ? under.maxBackoffMs : parseDuration(written.max_backoff),
  };
}

/** Place and hooks as the program uses them. */
export function hooksOf(written: {
  readonly before_run?: string | undefined;
  readonly after_run?: string | undefined;
  readonly worktree?: 'own' | 'shared' | undefined;
}) {
  const { before_run: beforeRun, after_run: afterRun, worktree } = written;
  return {
    ...(worktree === undefined ? {} : { worktree }),
    ...(beforeRun === undefined ? {} : { beforeRun }),
    ...(afterRun === undefined ? {} : { afterRun }),
  };
}

/** The settings of a profile that starts processes, as the program uses them. */
export function spawned(written: {
  readonly pass_env: readonly string[];
  readonly end_grace: string | 0;
  readonly max_output: string | number;
  readonly before_run?: string | undefined;
  readonly after_run?: string | undefined;
  readonly worktree?: 'own' | 'shared' | undefined;
}) {
  return {
    ...hooksOf(written),
    passEnv: written.pass_env,
    endGraceMs: parseDuration(written.end_grace),
    maxOutputBytes: byteSizeOrNull(written.max_output) ?? 0,
  };
}
