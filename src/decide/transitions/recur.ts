// Recurring tasks: one task is used again and again. When done, it is reopened for its next instant, as wg's own
// daemon does with its cron tasks (wg-rules 4.3); a failed one stays failed.

import type { GraphPath, TaskId, TaskRef } from '../../domain/ids.ts';
import type { Run } from '../../domain/run.ts';
import type { Task, TaskDetail } from '../../domain/task.ts';
import { graphTime, instantText, parseInstant } from '../instant.ts';
import type { NotReady } from '../readiness/readiness-view.ts';
import { nextOwnInstant, type ScheduleQuestion } from '../schedules/task-schedule.ts';
import { nextWgCron, parseWgCron, type WgCron } from '../schedules/wg-cron.ts';
import { nextCronFire, wgCronJitter } from '../schedules/wg-jitter.ts';
import type { TaskPatch } from '../settle.ts';
import { logLine } from '../wg-spelling.ts';
import type { Action, World } from '../world.ts';

/** A recurring task that is done. */
export interface Reopening extends TaskRef {
  /** When it comes next, ms; null if known only when it is reopened. */
  readonly nextAt: number | null;
}

/** The identity of one run of a recurring task: the same instant of the same task never runs twice. */
export function runKey(task: TaskId, nominalAt: number): string {
  return `${task}@${instantText(nominalAt)}`;
}

/** When a recurring task comes next, by our schedule or wg's cron; null if it does not recur. */
export function nextRecurrence(question: ScheduleQuestion): { readonly nextAt: number | null } | null {
  const { task, now } = question;
  // Only wg knows the other rules of such a task.
  if (task.foreignKeys.length > 0) return null;
  const own = nextOwnInstant(question);
  if (own !== null) return { nextAt: own };
  const cron = cronOf(task);
  return cron ? { nextAt: nextFireOf(task, cron, now) } : null;
}

function cronOf(task: Task): WgCron | null {
  return task.cronEnabled && task.cronSchedule !== undefined ? parseWgCron(task.cronSchedule) : null;
}

/** The next_cron_fire to write, ms. */
function nextFireOf(task: Task, cron: WgCron, now: number): number | null {
  const fired = task.nextCronFire === undefined ? null : parseInstant(task.nextCronFire);
  return nextCronFire(task.id, cron, now, fired === null ? null : slotOf(task.id, cron, fired));
}

/** wg's largest jitter, ms. */
const LARGEST_JITTER_MS = 900_000;

/** The slot that a next_cron_fire stands for: the one whose jitter leads there, else the instant itself. */
function slotOf(id: TaskId, cron: WgCron, fired: number): number {
  let slot = nextWgCron(cron, fired - LARGEST_JITTER_MS - 1000);
  while (slot !== null && slot <= fired + LARGEST_JITTER_MS) {
    const following = nextWgCron(cron, slot);
    const period = following === null ? 0 : (following - slot) / 1000;
    if (slot + wgCronJitter(id, period) * 1000 === fired) return slot;
    slot = following;
  }
  return fired;
}

/** The patch that reopens a done task for its next instant. Null if it is not done any more. */
export function recurPatch(recur: {
  readonly task: TaskDetail;
  readonly now: number;
  /** When our own schedule comes next, ms; null without one. */
  readonly nextAt: number | null;
}): TaskPatch | null {
  const { task, now } = recur;
  if (task.status !== 'done') return null;
  const cron = cronOf(task);
  const fire = cron ? nextFireOf(task, cron, now) : null;
  const nextAt = recur.nextAt ?? fire;
  const until = nextAt === null ? '' : `; next run at ${instantText(nextAt)}`;
  return {
    fields: {
      status: 'open',
      assigned: undefined,
      completed_at: undefined,
      // The next run is a new conversation.
      session_id: undefined,
      checkpoint: undefined,
      ...(cron
        ? { last_cron_fire: graphTime(now), next_cron_fire: fire === null ? undefined : graphTime(fire) }
        : {}),
    },
    log: logLine(now, 'supervisor', `Opened again by its schedule${until}`),
  };
}

/** The verdict of a recurring task that failed. */
export function whileFailed(task: Task, reason: NotReady): NotReady {
  const because = `${reason.because}; its schedule is paused until \`supervisor retry ${task.id}\` reopens it`;
  return { ...reason, because };
}

/** The verdict of a recurring task between done and open. */
export function untilReopened(reason: NotReady, nextAt: number | null, now: number): NotReady {
  const until = nextAt === null ? '' : ` for ${instantText(nextAt)}`;
  const ahead = nextAt !== null && nextAt > now ? nextAt : null;
  return { ...reason, because: `${reason.because}; it is opened again${until}`, nextAt: ahead };
}

/**
 * Whether a done task may be reopened now. Its dependents must see it done: while one of them could start it stays
 * done, at most until its next instant has come.
 */
export function mayReopen(
  reopening: Reopening,
  world: Pick<World, 'now' | 'runs'>,
  tasks: ReadonlyMap<TaskId, Task>,
  ready: Iterable<TaskId>,
): boolean {
  const { graph, task, nextAt } = reopening;
  if (nextAt !== null && nextAt <= world.now) return true;
  const waitsForIt = (id: TaskId) => tasks.get(id)?.after.includes(task) ?? false;
  for (const id of ready) if (waitsForIt(id)) return false;
  return !world.runs.some((run) => run.phase === 'opened' && run.graph === graph && waitsForIt(run.task));
}

/** Stops the runs that the next instant of their task replaces. */
export function stopsForReplaced(
  graph: GraphPath,
  replaced: readonly TaskId[],
  runs: readonly Run[],
): Action[] {
  const because = 'its next instant came (overlap = "replace")';
  return runs.flatMap((run): Action[] => {
    const isBegun = run.phase === 'started' || run.phase === 'handed-off';
    if (!isBegun || run.graph !== graph || !replaced.includes(run.task)) return [];
    return [{ kind: 'stop', run, reason: 'replaced', because }];
  });
}
