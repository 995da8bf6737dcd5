// A profile: a named, configured executor. Durations are milliseconds here, strings in the files.

import { type AgentType, isAgentType } from './agent-cli.ts';
import type { RepoSettings, RetryPolicy } from './config.ts';
import type { ProjectRoute } from './model-route.ts';
import type { SchedulePolicy } from './schedule-policy.ts';

/**
 * The profiles of executor types, agent CLIs aside. A type that nothing else knows adds its own from its own file, by
 * `declare module '../domain/profile.ts' { interface ProfileTypes { … } }`.
 */
export interface ProfileTypes {
  command: CommandProfile;
  http: HttpProfile;
  schedule: ScheduleProfile;
  external: ExternalProfile;
  remote: RemoteProfile;
  bullmq: BullmqProfile;
}

export type ExecutorType = AgentType | keyof ProfileTypes;
export type Profile = AgentProfile | ProfileTypes[keyof ProfileTypes];

/** Where a profile (or any setting) was defined, for errors and `supervisor executors`. */
export interface Origin {
  /** Absolute path of the file, or 'built-in', or 'task' for an ad-hoc URL. */
  readonly file: string;
  /** 1-based line of `[executors.NAME]`, when known. */
  readonly line?: number;
}

/** A header or environment value: literal text (placeholders allowed) or the name of an environment variable. */
export type SecretValue = string | { readonly env: string };

/** What the profiles of all types have. */
export interface ProfileBase {
  readonly name: string;
  readonly origin: Origin;
  /** How many of its runs may be in flight at once, including handed-off ones; null: no limit of its own. */
  readonly maxConcurrent: number | null;
  /** Wall-clock limit of one attempt in ms; 0 means none. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  /** Tag patterns that route a task here; `x:*` is a prefix. */
  readonly match: readonly string[];
  /** Patterns of models that run here, such as `pi:*`; absent: none. */
  readonly route?: readonly string[];
  readonly env: Readonly<Record<string, SecretValue>>;
  /** A worktree's profile of the same name may replace this one. */
  readonly overridable: boolean;
  /** Also runs tasks of untrusted repositories; only a machine's profile can. Absent: no. */
  readonly untrusted?: true;
}

/** Settings of profiles that spawn processes, for environment and exit. */
interface SpawnedProfile extends ProfileBase {
  /** Names of variables that are passed on, besides the allow-list; `X*` is a prefix. */
  readonly passEnv: readonly string[];
  /** How long the process may live on after it said that it is finished, ms; 0: no limit. */
  readonly endGraceMs: number;
  /** How much of each of its output files is kept; 0: all of it. */
  readonly maxOutputBytes: number;
  /** `own`: each task has a worktree of its own. Absent: as the repository says. */
  readonly worktree?: 'own' | 'shared';
  /** Shell commands that run where the agent works, before and after it; '': none. Absent: the repository's. */
  readonly beforeRun?: string;
  readonly afterRun?: string;
}

/** A profile of an agent CLI. */
export interface AgentProfile extends SpawnedProfile {
  readonly type: AgentType;
  readonly command: string;
  readonly args: readonly string[];
  readonly model: string | null;
  /** In the CLI's own syntax. */
  readonly permissionMode: string;
  /** The mode of an ACP agent's session. Absent: its default. */
  readonly mode?: string;
  /** Stop the run after this much silence, ms; 0 means never. */
  readonly silenceTimeoutMs: number;
  /** The attempt after one that failed or was stopped continues in its session. Absent: only after one that was cut off. */
  readonly resume?: boolean;
  /** False: its CLI is not asked beforehand whether it is logged in. */
  readonly loginCheck?: false;
  /** Tasks of one account share its quota pause. */
  readonly account: string;
}

export interface CommandProfile extends SpawnedProfile {
  readonly type: 'command';
  /** argv template; null if `shell` or the task's own exec runs. */
  readonly command: readonly string[] | null;
  /** Shell template; placeholders are passed as quoted arguments. */
  readonly shell: string | null;
  readonly cwd: string | null;
  /** An output line that contains this text finishes the work successfully. Null: only the exit status counts. */
  readonly endLine: string | null;
}

/** How to deliver to an endpoint. Durations in ms. */
export interface HttpDelivery {
  /** For the DNS lookup, for the connection and for TLS, each. */
  readonly connectMs: number;
  /** From the connection to the last byte of the response. */
  readonly responseMs: number;
  /** Deliveries of one attempt in total. */
  readonly attempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** From the first delivery of an attempt to the last. */
  readonly windowMs: number;
  /** Requests in flight at once. */
  readonly inFlight: number;
  /** Sustained dispatches per second; null: no limit. */
  readonly perSecond: number | null;
  /** Dispatches allowed in a burst. */
  readonly burst: number;
}

export interface HttpProfile extends ProfileBase {
  readonly type: 'http';
  readonly endpoint: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, SecretValue>>;
  /** A body template (a JSON value with placeholders in its strings); null: the standard payload. */
  readonly body: unknown;
  readonly completion: 'callback' | 'response' | 'poll';
  readonly statusUrl: string | null;
  readonly pollIntervalMs: number;
  /** Standard Webhooks secrets, newest first; empty: unsigned. */
  readonly secrets: readonly SecretValue[];
  readonly format: 'standard' | 'cloudevents';
  /** `bare`: the Idempotency-Key header without the quotes that its draft requires. Absent: quoted. */
  readonly idempotencyKey?: 'quoted' | 'bare';
  /** Overrides of the executor's own defaults. */
  readonly delivery?: Partial<HttpDelivery>;
}

export interface ScheduleProfile extends ProfileBase {
  readonly type: 'schedule';
  /** Default schedule of tasks that name none. */
  readonly schedule: string | null;
  /** The profile that runs the task when it is due. */
  readonly via: string;
  /** IANA name for tasks that name none; null: the machine's setting. */
  readonly timezone: string | null;
  /** Its own schedule policy; missing keys come from the machine's setting. */
  readonly policy: Partial<SchedulePolicy>;
}

export interface ExternalProfile extends ProfileBase {
  readonly type: 'external';
  readonly staleAfterMs: number;
  readonly onStale: 'flag' | 'retry' | 'fail';
}

/** Work that `supervisor worker` does on another machine. */
interface ForWorkers extends ProfileBase {
  /** The profile that a worker runs which has none of this profile's own name. */
  readonly run: string;
  /** Template of the branch that the result is pushed to; '': nothing is pushed. */
  readonly push: string;
  /** The account that all its workers share. Absent: each has its own. */
  readonly account?: string;
}

/** Work that a worker takes from this supervisor's own API. */
export interface RemoteProfile extends ForWorkers {
  readonly type: 'remote';
}

/** Work that a worker takes from a queue of BullMQ, which lies in Redis or Valkey. */
export interface BullmqProfile extends ForWorkers {
  readonly type: 'bullmq';
  /** Address of the Redis, `redis://` or `rediss://`. */
  readonly url: SecretValue;
  /** Name of the queue: what workers call the profile. */
  readonly queue: string;
  /** A worker that was silent for this long has lost the task, ms. */
  readonly leaseMs: number;
  /** Unencrypted connections beyond this machine are allowed. */
  readonly insecure: boolean;
}

/** A profile whose work `supervisor worker` does. */
export type WorkerProfile = RemoteProfile | BullmqProfile;

/** Whether another program may have its work without our knowing; sending it again is safe. */
export function isDelivered(type: ExecutorType): boolean {
  return asksService(type) || waitsInQueue(type);
}

/** Whether a service is asked to do its work, and answers on its own. */
export function asksService(type: string): boolean {
  return type === 'http';
}

/** Whether nothing is started for it: it is held in the graph for the agent that claims it. */
export function isHold(type: string): boolean {
  return type === 'external';
}

/** Whether a worker takes its work from this supervisor: it is offered, and begins when one takes it. */
export function isOffered(type: string): boolean {
  return type === 'remote';
}

/** Whether its work waits in a queue of its own after it was delivered: the time of an attempt runs from when it begins. */
export function waitsInQueue(type: string): boolean {
  return type === 'bullmq';
}

/** Whether its work is done in another place than its worktree: by a service, an orchestrator or a worker. */
export function isDoneElsewhere(type: ExecutorType): boolean {
  return asksService(type) || goesElsewhere(type);
}

/** Whether nothing that it uses counts here: another party pays, or it is decided and not run. */
export function isFree(type: ExecutorType): boolean {
  return isHold(type) || type === 'schedule';
}

/** Whether its work runs elsewhere from the start: it uses no slot of this machine. */
export function goesElsewhere(type: ExecutorType): boolean {
  return isHold(type) || isForWorkers(type);
}

/** Whether its tasks get a worktree of their own: by the profile, else by the repository. */
export function hasOwnWorktree(profile: Profile, settings: Pick<RepoSettings, 'worktree'> | null): boolean {
  return isSpawned(profile) && (profile.worktree ?? settings?.worktree) === 'own';
}

/** Whether its work is a process on this machine. */
export function runsHere(type: ExecutorType): boolean {
  return type === 'command' || isAgentType(type);
}

/** Whether `supervisor worker` does the work: it verifies its own result, in the worktree that has the commits. */
export function isForWorkers(type: ExecutorType): boolean {
  return isOffered(type) || waitsInQueue(type);
}

/** Whether a profile runs an agent CLI, which has an account. */
export function isAgentProfile(profile: Profile): profile is AgentProfile {
  return isAgentType(profile.type);
}

/** The account that its work is billed to and whose quota pauses it, as far as this supervisor knows. */
export function accountOf(profile: Profile | null): string | null {
  if (profile === null) return null;
  return isAgentProfile(profile) || isWorkerProfile(profile) ? (profile.account ?? null) : null;
}

/** Whether `supervisor worker` does the work of a profile. */
export function isWorkerProfile(profile: Profile): profile is WorkerProfile {
  return isForWorkers(profile.type);
}

/** Whether a profile runs the task's own exec command: it has none of its own. */
export function runsExec(profile: Profile): boolean {
  return profile.type === 'command' && profile.command === null && profile.shell === null;
}

/** Whether the service that does the work of a profile calls back over HTTP, and so has to reach this supervisor. */
export function isCalledBack(profile: Profile): boolean {
  return profile.type === 'http' && profile.completion === 'callback';
}

/** Whether a profile starts processes on this machine. */
export function isSpawned(profile: Profile): profile is AgentProfile | CommandProfile {
  return runsHere(profile.type);
}

/** A profile that cannot be used: it blocks the tasks that need it, with file, line and key, and nothing else. */
export interface BrokenProfile {
  readonly name: string;
  readonly origin: Origin;
  /** One sentence: file, line, key, and the nearest known key. */
  readonly problem: string;
}

/** The profiles that apply to one graph: the machine's, and the worktree's own if it is trusted. */
export interface ProfileSet {
  readonly byName: ReadonlyMap<string, Profile>;
  readonly broken: ReadonlyMap<string, BrokenProfile>;
  /** What is wrong with the worktree's own config.toml, whichever profiles win, one sentence each. Absent: nothing. */
  readonly problems?: readonly string[];
  /** Set if the worktree has profiles that are ignored because its repository is not trusted: their names. */
  readonly untrusted: readonly string[];
  /** The repository is not trusted: nothing chosen by its content runs. Absent: it is. */
  readonly repositoryUntrusted?: true;
  /** The argument for `supervisor trust` that would activate them; absent: not known. */
  readonly trustPath?: string;
  /** Built-in profiles whose program is not installed: nothing is routed to them implicitly. Absent: none. */
  readonly missing?: ReadonlySet<string>;
  /** Which system the project's own settings ask for if a task names no model; absent: none. */
  readonly project?: ProjectRoute;
  /** The same for tasks that name a tier and no model, by the name of the tier. */
  readonly tiers?: Readonly<Record<string, ProjectRoute>>;
  /** Why that is not known; absent: it is known. */
  readonly projectUnread?: string;
}
