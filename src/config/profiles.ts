// One [executors.NAME] table → a profile, or the reason why it is invalid. Shared by supervisor.toml and worktrees.

import { AGENT_TYPES } from '../domain/agent-cli.ts';
import { byteSizeOrNull } from '../domain/byte-size.ts';
import type { RetryPolicy } from '../domain/config.ts';
import { parseDuration } from '../domain/duration.ts';
import {
  type BrokenProfile,
  EXECUTOR_TYPES,
  type ExecutorType,
  type Origin,
  type Profile,
  type SecretValue,
} from '../domain/profile.ts';
import { httpDelivery } from './http-delivery.ts';
import type { KeyLines, KeyPath } from './locate.ts';
import { type ConfigProblem, configProblem, describeIssues, keyText, notOneOf } from './problems.ts';
import { profileNameTrouble, profileTroubles } from './profile-rules.ts';
import { profileSchemas, type WrittenProfile } from './profile-schema.ts';
import { schedulePolicy } from './schedule-policy.ts';
import { isTable } from './toml.ts';

/** Profiles of one file, the broken ones separately. */
export interface ReadProfiles {
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly broken: ReadonlyMap<string, BrokenProfile>;
  readonly problems: readonly ConfigProblem[];
}

/** Profiles that exist without configuration; for these `type` may be omitted. */
const BUILT_IN_TYPES: ReadonlyMap<string, ExecutorType> = new Map([
  // Which program speaks ACP, only a profile can say.
  ...AGENT_TYPES.filter((type) => type !== 'acp').map((type) => [type, type] as const),
  ['command', 'command'],
  ['external', 'external'],
  ['scheduled', 'schedule'],
]);

/** The built-in profiles. Defining one of these names replaces it. */
export function builtInProfiles(retry: RetryPolicy): Profile[] {
  const origin: Origin = { file: 'built-in' };
  return [...BUILT_IN_TYPES].map(([name, type]) => ({
    ...toProfile(name, origin, profileSchemas[type].parse({ type }), retry),
    overridable: true,
  }));
}

/** Default permissions of an agent that works for strangers; the other CLIs have none, so they must be set. */
const STRANGERS_MODES: Partial<Record<ExecutorType, string>> = {
  claude: 'default',
  codex: 'read-only',
  gemini: 'default',
  acp: 'deny',
};

/** Reads the `executors` table of a parsed document. A broken profile is reported and affects no other. */
export function readProfiles(
  file: string,
  executors: unknown,
  lines: KeyLines,
  retry: RetryPolicy,
): ReadProfiles {
  const profiles = new Map<string, Profile>();
  const broken = new Map<string, BrokenProfile>();
  const problems: ConfigProblem[] = [];
  if (executors === undefined) return { profiles, broken, problems };
  if (!isTable(executors)) {
    const line = lines.line(['executors']);
    problems.push(configProblem(file, line, 'executors', 'must be tables, written [executors.NAME]'));
    return { profiles, broken, problems };
  }
  for (const [name, written] of Object.entries(executors)) {
    const line = lines.line(['executors', name]);
    const origin: Origin = line === null ? { file } : { file, line };
    const result = readProfile(file, name, written, lines, origin, retry);
    if ('profile' in result) profiles.set(name, result.profile);
    else {
      problems.push(...result.problems);
      broken.set(name, {
        name,
        origin,
        problem: result.problems.map((problem) => problem.message).join('; '),
      });
    }
  }
  return { profiles, broken, problems };
}

type ReadProfile = { readonly profile: Profile } | { readonly problems: readonly ConfigProblem[] };

function readProfile(
  file: string,
  name: string,
  written: unknown,
  lines: KeyLines,
  origin: Origin,
  retry: RetryPolicy,
): ReadProfile {
  const prefix: KeyPath = ['executors', name];
  const problem = (path: KeyPath, sentence: string): ConfigProblem => {
    const whole = [...prefix, ...path];
    return configProblem(file, lines.line(whole), keyText(whole), sentence);
  };
  const nameTrouble = profileNameTrouble(name);
  if (nameTrouble !== null) return { problems: [problem([], nameTrouble)] };
  if (!isTable(written)) return { problems: [problem([], `must be a table, written [executors.${name}]`)] };
  const type = written.type ?? BUILT_IN_TYPES.get(name);
  if (type === undefined)
    return { problems: [problem(['type'], `is missing; known types are ${EXECUTOR_TYPES.join(', ')}`)] };
  if (!isExecutorType(type)) return { problems: [problem(['type'], notOneOf(type, EXECUTOR_TYPES))] };

  const schema = profileSchemas[type];
  const mode = written.untrusted === true ? STRANGERS_MODES[type] : undefined;
  const value = { ...(mode === undefined ? {} : { permission_mode: mode }), ...written, type };
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    return { problems: describeIssues({ file, lines, schema, value, issues: parsed.error.issues, prefix }) };
  const troubles = profileTroubles(name, parsed.data);
  if (troubles.length > 0) return { problems: troubles.map(({ path, sentence }) => problem(path, sentence)) };
  return { profile: toProfile(name, origin, parsed.data, retry) };
}

function isExecutorType(type: unknown): type is ExecutorType {
  return (EXECUTOR_TYPES as readonly unknown[]).includes(type);
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

function toProfile(name: string, origin: Origin, written: WrittenProfile, retry: RetryPolicy): Profile {
  const base = {
    name,
    origin,
    maxConcurrent: written.max_concurrent ?? null,
    timeoutMs: parseDuration(written.timeout),
    retry: overRetry(written.retry ?? {}, retry),
    match: [
      ...new Set([...(written.match ?? []), ...(written.tag_match === undefined ? [] : [written.tag_match])]),
    ],
    ...(written.route === undefined ? {} : { route: [...new Set(written.route)] }),
    env: written.env ?? {},
    overridable: written.overridable,
    ...(written.untrusted ? { untrusted: true as const } : {}),
  };
  switch (written.type) {
    case 'command':
      return {
        ...base,
        ...spawned(written),
        type: 'command',
        command: written.command ?? null,
        shell: written.shell ?? null,
        cwd: written.cwd ?? null,
        endLine: written.end_line ?? null,
      };
    case 'http':
      return {
        ...base,
        type: 'http',
        endpoint: written.endpoint,
        method: written.method,
        headers: written.headers ?? {},
        body: written.body ?? null,
        completion: written.completion,
        statusUrl: written.status_url ?? null,
        pollIntervalMs: parseDuration(written.poll_interval),
        secrets: secretList(written.secret),
        format: written.format,
        ...httpDelivery(written),
      };
    case 'schedule':
      return {
        ...base,
        type: 'schedule',
        schedule: written.schedule ?? null,
        via: written.via,
        timezone: written.timezone ?? null,
        policy: schedulePolicy(written),
      };
    case 'external':
      return {
        ...base,
        type: 'external',
        staleAfterMs: parseDuration(written.stale_after),
        onStale: written.on_stale,
      };
    case 'remote':
      return { ...base, type: 'remote', run: written.run, push: written.push };
    case 'bullmq':
      return {
        ...base,
        type: 'bullmq',
        run: written.run,
        push: written.push,
        url: written.url,
        queue: written.queue ?? name,
        leaseMs: parseDuration(written.lease),
        insecure: written.insecure,
      };
    default:
      return {
        ...base,
        ...spawned(written),
        type: written.type,
        command: written.command,
        args: written.args,
        model: written.model ?? null,
        permissionMode: written.permission_mode,
        silenceTimeoutMs: parseDuration(written.silence_timeout),
        ...(written.resume ? { resume: true } : {}),
        ...(written.login_check ? {} : { loginCheck: false }),
        account: written.account,
      };
  }
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

function spawned(written: {
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

function secretList(secret: SecretValue | SecretValue[] | undefined): SecretValue[] {
  if (secret === undefined) return [];
  return Array.isArray(secret) ? secret : [secret];
}
