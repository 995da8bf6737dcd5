// A node of the graph, as the supervisor reads it. Field meanings are wg's own; the supervisor adds the keys
// `executor`, `schedule` and `timezone`, which wg drops whenever it rewrites the file (so tags carry them, too).

import type { TaskId } from './ids.ts';

/** Every status that wg accepts; with any other value wg cannot load the file. */
export const TASK_STATUSES = [
  'open',
  'in-progress',
  'waiting',
  'done',
  'blocked',
  'failed',
  'abandoned',
  'pending-validation',
  'pending-eval',
  'failed-pending-eval',
  'incomplete',
] as const;

export type TaskStatus = (typeof TASK_STATUSES)[number];

/** One line of a task's own log. */
export interface LogEntry {
  /** RFC 3339. */
  readonly timestamp: string;
  readonly actor?: string;
  readonly user?: string;
  readonly message: string;
}

/** What deciding needs to know about a task; small enough to keep a hundred thousand in memory. */
export interface Task {
  readonly id: TaskId;
  readonly title: string;
  readonly status: TaskStatus;
  /** 0 and up, higher first: critical 100, high 50, normal 10, low 5, idle 0. */
  readonly priority: number;
  /** The current or last claimant, normally `agent-N`. wg keeps it after done and failed. */
  readonly assigned?: string;
  /** wg's agency identity: the durable owner, not a process. */
  readonly agent?: string;
  /** Ids of its dependencies; `peer:task` names a task of another repository. */
  readonly after: readonly TaskId[];
  /** The mirror of `after`; written for wg, never read for readiness. */
  readonly before: readonly TaskId[];
  readonly tags: readonly string[];
  readonly exec?: string;
  readonly execMode?: string;
  /** Hard limit of one attempt in wg's format: seconds, or with s, m, h. */
  readonly timeout?: string;
  readonly model?: string;
  /** The system of that model, as earlier ages of wg wrote it beside the name. */
  readonly provider?: string;
  /** A profile of wg's own that chooses the model. */
  readonly wgProfile?: string;
  /** `fast`, `standard` or `premium`: wg's settings name a model for each. */
  readonly tier?: string;
  /** RFC 3339 as found; an unparsable one gates nothing (wg behaviour). */
  readonly notBefore?: string;
  readonly readyAfter?: string;
  readonly cronSchedule?: string;
  readonly cronEnabled: boolean;
  readonly lastCronFire?: string;
  readonly nextCronFire?: string;
  readonly paused: boolean;
  readonly createdAt?: string;
  /** wg bumps it with every substantive write (`last_interaction_at`); absent counts as created_at. */
  readonly lastInteractionAt?: string;
  readonly startedAt?: string;
  readonly completedAt?: string;
  readonly retryCount: number;
  readonly spawnFailures: number;
  readonly dispatchCount: number;
  readonly failureReason?: string;
  readonly verify?: string;
  readonly validation?: string;
  readonly hasCycleConfig: boolean;
  /** wg counts this task's attempts itself, as it has since July 2026. */
  readonly hasLifecycle?: true;
  /** What the task promises to bring, as wg has asked since July 2026; absent: work that lands. */
  readonly contract?: string;
  /** What it brought (`landed`, `delivered`, …), written with done; absent: nothing was written down. */
  readonly disposition?: string;
  /** Those of `after` whose delivered output is this task's input. */
  readonly inputsFrom?: readonly TaskId[];
  /** Our key `executor`: a profile name or an http(s) URL. */
  readonly executor?: string;
  /** Our key `schedule`: `HH:MM`, an ISO instant or a 5-field cron expression. */
  readonly schedule?: string;
  /** Our key `timezone`: the IANA name of the schedule's zone. */
  readonly timezone?: string;
  /** Instants (ms) of recent log entries that wg's respawn throttle counts (wg-rules 4.5). */
  readonly recentDeaths: readonly number[];
  /** Keys whose transition rules are unknown, such as `lifecycle`; such a task is never edited natively. */
  readonly foreignKeys: readonly string[];
}

/** A whole task, parsed on demand from its line: for prompts, payloads and `show`. */
export interface TaskDetail extends Task {
  readonly description?: string;
  readonly skills: readonly string[];
  readonly inputs: readonly string[];
  readonly deliverables: readonly string[];
  readonly artifacts: readonly string[];
  readonly log: readonly LogEntry[];
  /** The parsed line itself, with every key. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const DISPOSITIONS: Readonly<Record<string, string>> = {
  land: 'landed',
  deliver: 'delivered',
  report: 'reported',
  explore: 'explored',
};

/** What a done task brought, by wg's rule: what is written down, else that work that was to land has landed; null: nothing. */
export function dispositionOf({
  disposition,
  contract,
}: Pick<Task, 'contract' | 'disposition'>): string | null {
  return disposition ?? (contract === undefined ? 'landed' : null);
}

/** The fields that say with `done` what the task brought; none for a task that carries no contract. */
export function dispositionFields({ contract }: Pick<Task, 'contract'>): Readonly<Record<string, string>> {
  const brought = contract === undefined ? undefined : DISPOSITIONS[contract];
  return brought === undefined ? {} : { completion_disposition: brought };
}

/** Done, failed and abandoned: nothing more will happen without a change. */
export function isTerminal(status: TaskStatus): boolean {
  return status === 'done' || status === 'failed' || status === 'abandoned';
}

/** Done or abandoned: its dependents may start (wg: failed does not satisfy, abandoned does). */
export function satisfiesDependents(status: TaskStatus): boolean {
  return status === 'done' || status === 'abandoned';
}

/** Ids that begin with a dot belong to wg's agency. */
export function isSystemTask(id: TaskId): boolean {
  return id.startsWith('.');
}

/** The value of the first tag `prefix…`, without the prefix; undefined if there is none. */
export function tagValue(task: Pick<Task, 'tags'>, prefix: string): string | undefined {
  const tag = task.tags.find((t) => t.startsWith(prefix) && t.length > prefix.length);
  return tag?.slice(prefix.length);
}

/** An open task of which nothing is known but its id. */
export function bareTask(id: TaskId): Task {
  return {
    id,
    title: id,
    status: 'open',
    priority: 0,
    after: [],
    before: [],
    tags: [],
    cronEnabled: false,
    paused: false,
    retryCount: 0,
    spawnFailures: 0,
    dispatchCount: 0,
    hasCycleConfig: false,
    recentDeaths: [],
    foreignKeys: [],
  };
}

/** The same as a whole. */
export function bareDetail(id: TaskId): TaskDetail {
  const none = { skills: [], inputs: [], deliverables: [], artifacts: [], log: [], fields: {} };
  return { ...bareTask(id), ...none };
}
