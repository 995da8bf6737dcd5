// From a line's fields to Task and TaskDetail. Expects fields that wg would load; looks nothing up.

import { isTerminal, type LogEntry, type Task, type TaskDetail, type TaskStatus } from '../domain/task.ts';
import { isKnownKey } from './task-shape.ts';

/** The messages that wg's respawn throttle counts (wg-rules 4.5). */
const DEATHS = ['process exited', 'PID reused', 'Triage:'];
/** wg gives up at five deaths within its window; more than these never matter. */
const DEATHS_KEPT = 8;

type Fields = Readonly<Record<string, unknown>>;

/** The task of a line. `priority` as wg reads it, which depends on the number's spelling. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one flat line per key, and called for every line of a graph.
export function taskOf(fields: Fields, priority: number): Task {
  const task: { -readonly [K in keyof Task]: Task[K] } = {
    id: fields.id as string,
    title: fields.title as string,
    status: statusOf(fields.status),
    priority,
    after: list(fields.after ?? fields.blocked_by),
    before: list(fields.before ?? fields.blocks),
    tags: list(fields.tags),
    cronEnabled: fields.cron_enabled === true,
    paused: fields.paused === true,
    retryCount: count(fields.retry_count),
    spawnFailures: count(fields.spawn_failures),
    dispatchCount: count(fields.dispatch_count),
    hasCycleConfig: isPresent(fields.cycle_config),
    recentDeaths: deathsIn(fields.log),
    foreignKeys: foreignKeysOf(fields),
  };
  const agent = fields.agent ?? legacyAgent(fields.identity);
  if (typeof fields.assigned === 'string') task.assigned = fields.assigned;
  if (typeof agent === 'string') task.agent = agent;
  if (typeof fields.exec === 'string') task.exec = fields.exec;
  if (typeof fields.exec_mode === 'string') task.execMode = fields.exec_mode;
  if (typeof fields.timeout === 'string') task.timeout = fields.timeout;
  if (typeof fields.model === 'string') task.model = fields.model;
  if (typeof fields.provider === 'string') task.provider = fields.provider;
  if (typeof fields.profile === 'string') task.wgProfile = fields.profile;
  if (typeof fields.tier === 'string') task.tier = fields.tier;
  if (isPresent(fields.lifecycle)) task.hasLifecycle = true;
  if (typeof fields.completion_contract === 'string' && fields.completion_contract !== 'land')
    task.contract = fields.completion_contract;
  if (typeof fields.completion_disposition === 'string') task.disposition = fields.completion_disposition;
  if (Array.isArray(fields.input_dependencies)) task.inputsFrom = contributionsIn(fields.input_dependencies);
  if (typeof fields.not_before === 'string') task.notBefore = fields.not_before;
  if (typeof fields.ready_after === 'string') task.readyAfter = fields.ready_after;
  if (typeof fields.cron_schedule === 'string') task.cronSchedule = fields.cron_schedule;
  if (typeof fields.last_cron_fire === 'string') task.lastCronFire = fields.last_cron_fire;
  if (typeof fields.next_cron_fire === 'string') task.nextCronFire = fields.next_cron_fire;
  if (typeof fields.created_at === 'string') task.createdAt = fields.created_at;
  // Only for tasks whose schedule may be new: there are many finished ones.
  if (typeof fields.last_interaction_at === 'string' && !isTerminal(task.status))
    task.lastInteractionAt = fields.last_interaction_at;
  if (typeof fields.started_at === 'string') task.startedAt = fields.started_at;
  if (typeof fields.completed_at === 'string') task.completedAt = fields.completed_at;
  if (typeof fields.failure_reason === 'string') task.failureReason = fields.failure_reason;
  if (typeof fields.verify === 'string') task.verify = fields.verify;
  if (typeof fields.validation === 'string') task.validation = fields.validation;
  if (typeof fields.executor === 'string') task.executor = fields.executor;
  if (typeof fields.schedule === 'string') task.schedule = fields.schedule;
  if (typeof fields.last_interaction_at === 'string') task.lastInteractionAt = fields.last_interaction_at;
  if (typeof fields.timezone === 'string') task.timezone = fields.timezone;
  return task;
}

/** The whole task of a line. */
export function taskDetailOf(fields: Fields, priority: number): TaskDetail {
  return {
    ...taskOf(fields, priority),
    ...(typeof fields.description === 'string' ? { description: fields.description } : {}),
    skills: list(fields.skills),
    inputs: list(fields.inputs),
    deliverables: list(fields.deliverables),
    artifacts: list(fields.artifacts),
    log: logOf(fields.log),
    fields,
  };
}

const NONE: readonly never[] = Object.freeze([]);

function list(value: unknown): readonly string[] {
  return Array.isArray(value) && value.length > 0 ? value : NONE;
}

/** wg reads an edge without a kind as a contribution, and looks at no other kind. */
function contributionsIn(edges: readonly unknown[]): readonly string[] {
  return edges.flatMap((edge) => {
    if (typeof edge !== 'object' || edge === null) return [];
    const { task_id, kind = 'contribution' } = edge as Record<string, unknown>;
    return typeof task_id === 'string' && kind === 'contribution' ? [task_id] : [];
  });
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function statusOf(value: unknown): TaskStatus {
  if (value === undefined) return 'open';
  // Files of an older wg; it reads this as done.
  return value === 'pending-review' ? 'done' : (value as TaskStatus);
}

/** wg derives a hash from the old identity; here it only matters that there is an owner, and which. */
function legacyAgent(identity: unknown): string | undefined {
  if (typeof identity !== 'object' || identity === null) return undefined;
  const { role_id, motivation_id } = identity as Record<string, unknown>;
  return `${role_id}/${motivation_id}`;
}

function logOf(value: unknown): readonly LogEntry[] {
  if (!Array.isArray(value)) return NONE;
  return value.map((entry: Record<string, unknown>) => ({
    timestamp: entry.timestamp as string,
    ...(typeof entry.actor === 'string' ? { actor: entry.actor } : {}),
    ...(typeof entry.user === 'string' ? { user: entry.user } : {}),
    message: entry.message as string,
  }));
}

/**
 * Every instant is kept, however old: the line does not change as time passes, so the judging code checks the clock.
 */
function deathsIn(value: unknown): readonly number[] {
  if (!Array.isArray(value)) return NONE;
  let found: number[] | null = null;
  for (const entry of value as { timestamp: string; message: string }[]) {
    if (!DEATHS.some((words) => entry.message.includes(words))) continue;
    const at = Date.parse(entry.timestamp);
    if (Number.isNaN(at)) continue;
    found ??= [];
    found.push(at);
  }
  if (found === null) return NONE;
  return found.sort((a, b) => a - b).slice(-DEATHS_KEPT);
}

/**
 * Unknown keys whose object describes states imply rules for changing the task. So does a `lifecycle` with an active
 * worker; an idle one is only wg's memory, and wg itself follows the task's status.
 */
function foreignKeysOf(fields: Fields): readonly string[] {
  let found: string[] | null = null;
  for (const key in fields) {
    if (isKnownKey(key)) continue;
    if (!hasRules(key, fields)) continue;
    found ??= [];
    found.push(key);
  }
  return found ?? NONE;
}

function hasRules(key: string, fields: Fields): boolean {
  if (key === 'lifecycle') return !isAtRest(fields[key]);
  if (key === 'completion_candidate') return mayBeTakenUp(statusOf(fields.status));
  return holdsState(fields[key]);
}

/** wg's workers continue from the candidate of an open task; that of a running task comes from its worker. */
function mayBeTakenUp(status: TaskStatus): boolean {
  return status !== 'in-progress' && !isTerminal(status);
}

/** Members that show that an object under an unknown key describes states, with rules of its writer. */
const STATE_MEMBERS = [
  'state',
  'status',
  'phase',
  'attempt',
  'attempts',
  'revision',
  'revisions',
  'transitions',
];

/** wg's memory of finished attempts: no active worker, and no step of wg's own in progress. */
const REST_MEMBERS: ReadonlySet<string> = new Set([
  ...['generation', 'revision', 'fence', 'attempt_sequence', 'ledger_head', 'audit'],
  ...['pi_process_epoch', 'pi_continuation_epoch', 'pi_process_identity_digest'],
]);

function isAtRest(lifecycle: unknown): boolean {
  if (typeof lifecycle !== 'object' || lifecycle === null || !('generation' in lifecycle)) return false;
  return 'fence' in lifecycle && Object.keys(lifecycle).every((member) => REST_MEMBERS.has(member));
}

function holdsState(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return STATE_MEMBERS.some((member) => Object.hasOwn(value, member));
}
