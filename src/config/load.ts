// supervisor.toml → Config. A broken profile blocks its own tasks; any other problem rejects the whole file, so that
// no half-understood configuration is ever applied.

import { dirname, resolve } from 'node:path';
import { byteSizeOrNull } from '../domain/byte-size.ts';
import type { Config, ListenSetting, RepoSettings, RetryPolicy, RootSettings } from '../domain/config.ts';
import { DESKTOP_TARGET } from '../domain/config.ts';
import { parseDuration } from '../domain/duration.ts';
import { SupervisorError } from '../domain/errors.ts';
import { hooksOf, overRetry } from '../executors/shared-settings.ts';
import { wholeSchedulePolicy } from '../settings/schedule-policy.ts';
import { localTimezone } from '../settings/timezone.ts';
import { budgetTroubles, toBudgets } from './budgets.ts';
import { readConfigText } from './config-text.ts';
import { readListen } from './listen.ts';
import { type KeyLines, locateKeys } from './locate.ts';
import { expandHome } from './paths.ts';
import { type ConfigProblem, configProblem, describeIssues } from './problems.ts';
import { builtInProfiles, type ReadProfiles, readProfiles } from './profiles.ts';
import { machineSchema, type WrittenConfig } from './schema.ts';
import { parseToml } from './toml.ts';

/** What loading needs to know about the machine. */
export interface LoadFacts {
  /** The user's home folder, for `~`. */
  readonly home: string;
}

/** A usable configuration, and the problems of single profiles. */
export interface LoadedConfig {
  readonly config: Config;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Loads supervisor.toml; null or a missing file means defaults with the built-in profiles. Throws SupervisorError
 * `config` for any problem outside profiles: its sentence names file, line and key, and `details.problems` has all.
 */
export function loadMachineConfig(file: string | null, facts: LoadFacts): LoadedConfig {
  const text = file === null ? null : readConfigText(file);
  return parseMachineConfig(text === null ? null : file, text ?? '', facts);
}

/** The same from text; `file` is where it came from, null for the built-in defaults. */
export function parseMachineConfig(file: string | null, text: string, facts: LoadFacts): LoadedConfig {
  const name = file ?? 'built-in';
  const toml = parseToml(text);
  if (!toml.ok) throw refused([configProblem(name, toml.line, '', toml.message)]);
  const lines = locateKeys(text);
  const value = toml.document;
  const parsed = machineSchema.safeParse(value);
  if (!parsed.success)
    throw refused(
      describeIssues({
        file: name,
        lines,
        schema: machineSchema,
        value,
        issues: parsed.error.issues,
        prefix: [],
      }),
    );
  const written = parsed.data;
  const trouble = crossTroubles(name, written, lines);
  if (trouble.length > 0) throw refused(trouble);
  const retry = overRetry(written.retry, DEFAULT_RETRY);
  const read = readProfiles(name, value.executors, lines, retry);
  const base = file === null ? facts.home : dirname(file);
  return {
    config: toConfig(file, written, read, retry, (path) => resolve(base, expandHome(path, facts.home))),
    problems: read.problems,
  };
}

const DEFAULT_RETRY: RetryPolicy = { attempts: 1, backoffMs: 10_000, maxBackoffMs: 300_000 };

function refused(problems: readonly ConfigProblem[]): SupervisorError {
  const [first, ...rest] = problems;
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more)`;
  return new SupervisorError('config', `${first?.message ?? 'the configuration is refused'}${more}`, {
    hint: 'mend it, then run `supervisor config check`',
    details: { file: first?.file, line: first?.line, key: first?.key, problems },
  });
}

/** Rules across settings. */
function crossTroubles(file: string, written: WrittenConfig, lines: KeyLines): ConfigProblem[] {
  const { api, retry } = written;
  const problems: ConfigProblem[] = [];
  const listen = listenOf(api);
  if (typeof listen === 'string')
    problems.push(configProblem(file, lines.line(['api', 'listen']), 'api.listen', listen));
  if (parseDuration(retry.max_backoff) < parseDuration(retry.backoff))
    problems.push(
      configProblem(
        file,
        lines.line(['retry', 'max_backoff']),
        'retry.max_backoff',
        'must not be shorter than backoff',
      ),
    );
  problems.push(...budgetTroubles(file, written.budgets, lines));
  return problems;
}

function listenOf(api: WrittenConfig['api']): ListenSetting | string {
  return readListen(api.listen, { allowRemote: api.allow_remote, publicUrl: api.public_url ?? null });
}

function toConfig(
  file: string | null,
  written: WrittenConfig,
  read: ReadProfiles,
  retry: RetryPolicy,
  absolute: (path: string) => string,
): Config {
  const { supervisor, limits, machine, shutdown, retention, api, log } = written;
  const listen = listenOf(api);
  if (typeof listen === 'string') throw new Error(`[api] listen ${listen}`);
  const builtIn = builtInProfiles(retry).filter(
    ({ name }) => !read.profiles.has(name) && !read.broken.has(name),
  );
  return {
    file,
    maxConcurrent: supervisor.max_concurrent,
    mode: supervisor.mode,
    timezone: supervisor.timezone ?? localTimezone(),
    timezoneIsMachines: supervisor.timezone === undefined,
    schedule: wholeSchedulePolicy(written.schedule),
    whenWgDaemon: supervisor.when_wg_daemon,
    repos: written.repos.map((repo) => toRepo(repo, absolute)),
    roots: written.roots.map((root): RootSettings => ({ ...root, path: absolute(root.path) })),
    profiles: new Map([...builtIn.map((profile) => [profile.name, profile] as const), ...read.profiles]),
    brokenProfiles: read.broken,
    retry,
    limits: {
      maxLineBytes: limits.max_line_bytes,
      maxGraphBytes: limits.max_graph_bytes,
      maxBodyBytes: limits.max_body_bytes,
      safetyPassMs: parseDuration(limits.safety_pass),
      relistMs: parseDuration(limits.relist),
      rewindGraceMs: parseDuration(limits.rewind_grace),
    },
    machine: {
      memoryPressure: machine.memory_pressure,
      minMemoryBytes: byteSizeOrNull(machine.min_memory) ?? 0,
      maxLoad: machine.max_load,
      cpuPressure: machine.cpu_pressure,
      minDiskBytes: byteSizeOrNull(machine.min_disk) ?? 0,
    },
    shutdown: { graceMs: parseDuration(shutdown.grace), lingerMs: parseDuration(shutdown.linger) },
    retention: { runsMs: parseDuration(retention.runs), outputMs: parseDuration(retention.output) },
    api: {
      listen,
      publicUrl: api.public_url ?? null,
      allowRemote: api.allow_remote,
      allowedHosts: api.allowed_hosts,
      allowedOrigins: api.allowed_origins,
      page: api.page,
    },
    ...(written.budgets.length === 0 ? {} : { budgets: toBudgets(written.budgets, absolute) }),
    notify: written.notify.map(({ url, format, token, digest, secret, events, held_after }) => ({
      url: url ?? DESKTOP_TARGET,
      ...(format === 'webhook' ? {} : { format }),
      ...(token === undefined ? {} : { token }),
      ...(digest === undefined ? {} : { digestAt: digest }),
      secrets: secret === undefined ? [] : Array.isArray(secret) ? secret : [secret],
      events,
      heldAfterMs: parseDuration(held_after),
    })),
    log,
  };
}

function toRepo(repo: WrittenConfig['repos'][number], absolute: (path: string) => string): RepoSettings {
  const glob = (pattern: string) => (pattern.startsWith('~/') ? absolute(pattern) : pattern);
  return {
    path: absolute(repo.path),
    weight: repo.weight,
    maxConcurrent: repo.max_concurrent ?? null,
    maxConcurrentPerWorktree: repo.max_concurrent_per_worktree ?? null,
    include: repo.include.map(glob),
    exclude: repo.exclude.map(glob),
    trust: repo.trust,
    duplicates: repo.duplicates,
    onRewind: repo.on_rewind,
    ...hooksOf(repo),
  };
}
