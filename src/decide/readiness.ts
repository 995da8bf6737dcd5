// May a task start now; if not, because of what. Judges exactly as wg's dispatcher does (interop 4.1–4.6), one graph
// at a time; knows nothing of executors, limits or other worktrees beyond what the view tells it.

import type { TaskId } from '../domain/ids.ts';
import { isSystemTask, isTerminal, satisfiesDependents, type Task, type TaskStatus } from '../domain/task.ts';
import type { Condition, VerdictState } from '../domain/verdict.ts';
import type { VerdictCode } from './codes.ts';
import { lazyBackEdges } from './cycles.ts';
import { instantText, parseInstant } from './instant.ts';
import { judgeCron } from './wg-cron.ts';
import type { PeerStatuses } from './world.ts';

/** Whether a task may start now. */
export type Readiness = { readonly ready: true } | NotReady;

export interface NotReady {
  readonly ready: false;
  readonly state: VerdictState;
  readonly code: VerdictCode;
  /** One sentence for people, naming ids. */
  readonly because: string;
  /** When the answer may change by time alone, ms; null: only when something changes. */
  readonly nextAt: number | null;
}

/** All that judging one graph's tasks takes. */
export interface ReadinessView {
  readonly tasks: ReadonlyMap<TaskId, Task>;
  readonly now: number;
  readonly peers: PeerStatuses;
  /** Whether `task` waits for `dependency` only as the closing edge of a cycle. */
  isBackEdge(dependency: TaskId, task: TaskId): boolean;
  /** Status of the same task in the worktree that dispatches it, when that is another one; else null. */
  statusElsewhere(task: TaskId): TaskStatus | null;
}

/** A view of one graph by itself. Back-edges are found only when somebody asks for one. */
export function readinessView(
  tasks: ReadonlyMap<TaskId, Task>,
  now: number,
  more: Partial<Omit<ReadinessView, 'tasks' | 'now'>> = {},
): ReadinessView {
  return {
    tasks,
    now,
    peers: more.peers ?? new Map(),
    isBackEdge: more.isBackEdge ?? lazyBackEdges(tasks),
    statusElsewhere: more.statusElsewhere ?? (() => null),
  };
}

const READY: Readiness = { ready: true };

/** Judges one task; the first thing against it is the answer. */
export function assessReadiness(task: Task, view: ReadinessView): Readiness {
  for (const judge of JUDGES) {
    const against = judge.against(task, view);
    if (against) return against;
  }
  return READY;
}

/** Judges one task by every condition, for `why`; nothing is skipped because something before it failed. */
export function explainReadiness(task: Task, view: ReadinessView): Condition[] {
  return JUDGES.map(({ name, fine, against }) => {
    const reason = against(task, view);
    return { name, met: reason === null, because: reason?.because ?? fine(task) };
  });
}

interface Judge {
  readonly name: string;
  /** What is said when nothing is against the task. */
  fine(task: Task): string;
  against(task: Task, view: ReadinessView): NotReady | null;
}

/** wg's order: status, paused, time, cron, dependencies, then the dispatcher's filters. */
const JUDGES: readonly Judge[] = [
  { name: 'status', fine: (task) => `it is ${task.status}`, against: statusAgainst },
  { name: 'paused', fine: () => 'it is not paused', against: pauseAgainst },
  {
    name: 'not before',
    fine: (task) => gateText('not_before', task.notBefore),
    against: (task, { now }) => gateAgainst('not-before', 'not_before', task.notBefore, now),
  },
  {
    name: 'ready after',
    fine: (task) => gateText('ready_after', task.readyAfter),
    against: (task, { now }) => gateAgainst('ready-after', 'ready_after', task.readyAfter, now),
  },
  {
    name: 'cron',
    fine: (task) => (task.cronEnabled ? `cron ${task.cronSchedule} is due` : 'it has no cron schedule'),
    against: cronAgainst,
  },
  {
    name: 'dependencies',
    fine: (task) => (task.after.length === 0 ? 'it waits for nothing' : `done: ${list(task.after)}`),
    against: dependenciesAgainst,
  },
  { name: 'assigned', fine: () => 'nobody holds it', against: assignedAgainst },
  { name: 'daemon tags', fine: () => "it carries no tag of wg's daemon loops", against: daemonTagAgainst },
  { name: 'respawn throttle', fine: () => 'its agents did not die lately', against: throttleAgainst },
  { name: 'failed starts', fine: (task) => startsText(task.spawnFailures), against: spawnFailuresAgainst },
  { name: 'wg machinery', fine: () => "it is no task of wg's own machinery", against: systemTaskAgainst },
  {
    name: 'known keys',
    fine: () => 'it carries no key whose rules only wg knows',
    against: foreignKeysAgainst,
  },
];

function statusAgainst(task: Task): NotReady | null {
  switch (task.status) {
    case 'open':
    case 'incomplete':
      return null;
    case 'done':
    case 'abandoned':
      return not('finished', `status-${task.status}`, `it is ${task.status}`);
    case 'failed':
      return not('finished', 'status-failed', failedText(task));
    case 'in-progress': {
      const since = task.startedAt ? ` since ${task.startedAt}` : '';
      const who = task.assigned
        ? `claimed by ${task.assigned}${since}`
        : `in progress${since}; nobody is named`;
      return not('running', 'status-in-progress', who);
    }
    default:
      return not('waiting', `status-${task.status}`, PARKED[task.status]);
  }
}

const PARKED = {
  waiting:
    'parked by `wg wait`; `wg service tick` or a running wg service wakes it when its condition is met',
  blocked: 'blocked; `wg service tick` or a running wg service opens it when its dependencies are done',
  'pending-validation': 'done, and waits for its validation (`wg approve` or `wg service tick`)',
  'pending-eval': 'done, and waits for its evaluation (a running wg service or `wg service tick`)',
  'failed-pending-eval': 'failed, and waits for the evaluation that may rescue it (a running wg service)',
} as const;

function failedText(task: Task): string {
  return task.failureReason ? `it failed: ${task.failureReason}` : 'it failed';
}

function pauseAgainst(task: Task): NotReady | null {
  if (!task.paused) return null;
  return not(
    'paused',
    'paused',
    `it is paused (\`wg publish ${task.id}\` or \`wg resume ${task.id}\` starts it)`,
  );
}

/** A time that does not parse gates nothing, as in wg. */
function gateAgainst(
  code: 'not-before' | 'ready-after',
  key: string,
  text: string | undefined,
  now: number,
): NotReady | null {
  if (text === undefined) return null;
  const at = parseInstant(text);
  if (at === null || now >= at) return null;
  return not('scheduled', code, `waits until ${instantText(at)} (${key})`, at);
}

function gateText(key: string, text: string | undefined): string {
  if (text === undefined) return `it has no ${key}`;
  return parseInstant(text) === null
    ? `${key} "${text}" has no offset or is no time: it gates nothing, as in wg`
    : `${key} ${text} has passed`;
}

function cronAgainst(task: Task, { now }: ReadinessView): NotReady | null {
  if (!task.cronEnabled) return null;
  const verdict = judgeCron(task, now);
  if (verdict.due) return null;
  if (verdict.nextAt === null) return not('held', 'cron-never', verdict.because);
  return not('scheduled', 'cron', verdict.because, verdict.nextAt);
}

type Blocker = {
  readonly kind: 'open' | 'failed' | 'missing' | 'peer' | 'evaluation';
  readonly text: string;
};

const DEPENDENCY_CODES = {
  missing: { state: 'held', code: 'dependency-missing' },
  failed: { state: 'held', code: 'dependency-failed' },
  evaluation: { state: 'waiting', code: 'evaluation-gate' },
  peer: { state: 'waiting', code: 'dependency-peer' },
  open: { state: 'waiting', code: 'dependency' },
} as const;

function dependenciesAgainst(task: Task, view: ReadinessView): NotReady | null {
  const blockers: Blocker[] = [];
  for (const id of task.after) {
    const blocker = blockerOf(id, task, view);
    if (blocker) blockers.push(blocker);
  }
  if (blockers.length === 0) return null;
  // What a person must put right is said first: nothing else could start the task.
  for (const kind of ['missing', 'failed', 'open', 'peer', 'evaluation'] as const) {
    if (!blockers.some((blocker) => blocker.kind === kind)) continue;
    const { state, code } = DEPENDENCY_CODES[kind];
    return not(state, code, `waits for ${list(blockers.map((blocker) => blocker.text))}`);
  }
  return null;
}

function blockerOf(id: TaskId, task: Task, view: ReadinessView): Blocker | null {
  const system = isSystemTask(task.id);
  const peer = isPeerReference(id);
  const here = peer ? undefined : view.tasks.get(id);
  const elsewhere = peer ? null : view.statusElsewhere(id);
  const status = peer ? view.peers.get(id) : here?.status;
  if (isSatisfied(status) || isSatisfied(elsewhere ?? undefined)) {
    if (system || isSystemTask(id)) return null;
    return evaluationBlocker(id, view);
  }
  if (system && (isEvaluating(status) || isEvaluating(elsewhere ?? undefined))) return null;
  if (view.isBackEdge(id, task.id)) return null;
  if (peer) return { kind: 'peer', text: `${id} (${status ?? 'cannot be read'})` };
  if (!here) return { kind: 'missing', text: `${id}, which does not exist` };
  if (here.status === 'failed') return { kind: 'failed', text: `${id} (failed)` };
  const paused = here.paused && here.status === 'open' ? ', paused' : '';
  return { kind: 'open', text: `${id} (${elsewhere ?? here.status}${paused})` };
}

/** wg's evaluation gate: `.evaluate-X` must be absent or over before X counts as done for ordinary tasks. */
function evaluationBlocker(id: TaskId, view: ReadinessView): Blocker | null {
  const evaluation = `.evaluate-${id}`;
  const gate = view.tasks.get(evaluation);
  if (!gate || isTerminal(gate.status)) return null;
  const elsewhere = view.statusElsewhere(evaluation);
  if (elsewhere !== null && isTerminal(elsewhere)) return null;
  return { kind: 'evaluation', text: `the evaluation of ${id}: ${evaluation} (${gate.status})` };
}

function isSatisfied(status: string | undefined): boolean {
  return status !== undefined && satisfiesDependents(status as TaskStatus);
}

function isEvaluating(status: string | undefined): boolean {
  return status === 'pending-eval' || status === 'failed-pending-eval';
}

/** `peer:task` with both halves names a task of another repository; wg never looks for it in this graph. */
export function isPeerReference(id: TaskId): boolean {
  const colon = id.indexOf(':');
  return colon > 0 && colon < id.length - 1;
}

function assignedAgainst(task: Task): NotReady | null {
  if (task.assigned === undefined) return null;
  const how = `\`wg unclaim ${task.id}\` frees it`;
  return not('held', 'assigned', `it is open, yet assigned to ${task.assigned}; ${how}`);
}

/** Tags by which wg's daemon marks its own standing tasks. */
const DAEMON_TAGS: ReadonlySet<string> = new Set([
  'compact-loop',
  'archive-loop',
  'chat-loop',
  'coordinator-loop',
  'registry-refresh-loop',
  'user-board',
]);

function daemonTagAgainst(task: Task): NotReady | null {
  const tag = task.tags.find((candidate) => DAEMON_TAGS.has(candidate));
  if (tag === undefined) return null;
  return not('held', 'daemon-tag', `its tag ${tag} says that wg's own daemon drives it`);
}

const THROTTLE_WINDOW_MS = 300_000;
const THROTTLE_STEP_MS = 60_000;
const THROTTLE_LIMIT = 5;

/** One death is forgiven; 2, 3 and 4 within five minutes wait 1, 2 and 4 minutes; 5 hold the task. */
function throttleAgainst(task: Task, { now }: ReadinessView): NotReady | null {
  if (task.recentDeaths.length < 2) return null;
  const deaths = task.recentDeaths.filter((at) => at > now - THROTTLE_WINDOW_MS).sort((a, b) => a - b);
  const count = deaths.length;
  const last = deaths[count - 1];
  if (count < 2 || last === undefined) return null;
  const oldestLeaves = (deaths[0] ?? last) + THROTTLE_WINDOW_MS;
  const died = `its agents died ${count} times within five minutes`;
  if (count >= THROTTLE_LIMIT) {
    return not('held', 'respawn-throttle', died, oldestLeaves);
  }
  const until = last + THROTTLE_STEP_MS * 2 ** (count - 2);
  if (now >= until) return null;
  // The oldest death leaves the window, and the wait may end, before that.
  const because = `${died}; tried again at ${instantText(until)}`;
  return not('scheduled', 'respawn-throttle', because, Math.min(until, oldestLeaves));
}

/** wg's default max_spawn_failures. */
const MAX_SPAWN_FAILURES = 5;

function spawnFailuresAgainst(task: Task): NotReady | null {
  if (task.spawnFailures < MAX_SPAWN_FAILURES) return null;
  const again = `\`supervisor retry ${task.id}\` clears that`;
  return not('held', 'spawn-failures', `it could not be started ${task.spawnFailures} times; ${again}`);
}

function startsText(failures: number): string {
  return failures === 0
    ? 'it never failed to start'
    : `it failed to start ${failures} times of ${MAX_SPAWN_FAILURES}`;
}

/** wg skips its own tasks whose subject was abandoned; the rest of its machinery is judged by one hook. */
function systemTaskAgainst(task: Task, view: ReadinessView): NotReady | null {
  if (!isSystemTask(task.id)) return null;
  const abandoned = task.after.find((id) => view.tasks.get(id)?.status === 'abandoned');
  if (abandoned !== undefined)
    return not('held', 'dependency-abandoned', `its subject ${abandoned} was abandoned; wg never starts it`);
  return isWgMachinery(task)
    ? not(
        'waiting',
        'wg-system-task',
        `${task.id} is wg's own; a running wg service or \`wg service tick\` does it`,
      )
    : null;
}

const MACHINERY_TAGS: ReadonlySet<string> = new Set(['evaluation', 'flip', 'assignment', 'agency']);

/**
 * The hook for wg's agency scaffolding (interop 4.5 filters 7 and 8, 4.8): which system tasks are left to wg. For
 * now all but those that a person gave a command of their own.
 */
export function isWgMachinery(task: Pick<Task, 'exec' | 'tags'>): boolean {
  if (task.exec === undefined || task.exec.trim() === '') return true;
  return /^\s*wg\s/.test(task.exec) || task.tags.some((tag) => MACHINERY_TAGS.has(tag));
}

function foreignKeysAgainst(task: Task): NotReady | null {
  if (task.foreignKeys.length === 0) return null;
  const keys = list(task.foreignKeys);
  return not('held', 'needs-wg', `it carries ${keys}, whose rules only wg knows; dispatch it with wg`);
}

function not(
  state: VerdictState,
  code: VerdictCode,
  because: string,
  nextAt: number | null = null,
): NotReady {
  return { ready: false, state, code, because, nextAt };
}

/** At most four names; the rest as a number, so that a sentence stays a sentence. */
function list(names: readonly string[]): string {
  if (names.length <= 4) return names.join(', ');
  return `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
