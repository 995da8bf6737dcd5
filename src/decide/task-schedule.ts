// A task and its schedule: which one counts, what must be remembered of it, and whether it holds the task just now.

import type { ScheduleProfile } from '../domain/profile.ts';
import { type Task, tagValue } from '../domain/task.ts';
import type { VerdictCode } from './codes.ts';
import { instantText, parseInstant } from './instant.ts';
import { dueOccurrence, parseSchedule, type Schedule, type ScheduleCache } from './schedule.ts';
import type { ScheduleMemory } from './world.ts';

/** What a schedule says of a task now. */
export interface ScheduleJudgement {
  /** Null when nothing holds the task. */
  readonly hold: {
    readonly state: 'scheduled' | 'held';
    readonly code: VerdictCode;
    readonly because: string;
    readonly nextAt: number | null;
  } | null;
  /** The nominal instant that made it due, ms; null without a schedule of our own. */
  readonly occurrence: number | null;
  /** To be written down: the schedule is seen for the first time, or was changed. */
  readonly note: ScheduleMemory | null;
  /** The schedule's own words, for `why`; null without one. */
  readonly text: string | null;
}

const FREE: ScheduleJudgement = { hold: null, occurrence: null, note: null, text: null };

/** The task's own schedule: key, tag, or the default of the schedule profile it was routed to. */
export function scheduleText(
  task: Pick<Task, 'schedule' | 'tags'>,
  profile: ScheduleProfile | null,
): string | null {
  return (
    nonEmpty(task.schedule) ??
    nonEmpty(tagValue(task, 'schedule:')) ??
    nonEmpty(profile?.schedule ?? undefined)
  );
}

function nonEmpty(text: string | undefined): string | null {
  const trimmed = text?.trim();
  return trimmed ? trimmed : null;
}

/** Whether a schedule of our own says anything of the task at all; most tasks have none. */
export function hasSchedule(task: Pick<Task, 'schedule' | 'tags'>, profile: ScheduleProfile | null): boolean {
  return profile !== null || scheduleText(task, null) !== null;
}

/** Judges the schedule of a task that is ready otherwise. */
export function judgeSchedule(
  task: Task,
  profile: ScheduleProfile | null,
  memory: ScheduleMemory | undefined,
  zone: string,
  now: number,
  cache: ScheduleCache,
): ScheduleJudgement {
  const text = scheduleText(task, profile);
  if (text === null) {
    if (!profile || hasOtherTime(task)) return FREE;
    const because = `its executor ${profile.name} waits for a time, and the task names none; give it a schedule`;
    return { ...FREE, hold: { state: 'held', code: 'no-schedule', because, nextAt: null } };
  }
  const parsed = parseSchedule(text, zone, cache);
  if (!parsed.ok)
    return {
      ...FREE,
      text,
      hold: { state: 'held', code: 'bad-schedule', because: parsed.problem, nextAt: null },
    };
  const expression = `${text} ${zone} ${task.createdAt ?? '-'}`;
  const note = memory?.expression === expression ? null : firstSight(task, expression, memory, now);
  return { ...judge(task, parsed.schedule, note ?? memory, text, zone, now), note };
}

function judge(
  task: Task,
  schedule: Schedule,
  memory: ScheduleMemory | undefined,
  text: string,
  zone: string,
  now: number,
): ScheduleJudgement {
  const known = memory ?? { expression: '', baselineAt: now, lastNominalAt: null };
  if (known.lastNominalAt !== null && isUnfinished(task, schedule))
    return { ...FREE, text, occurrence: known.lastNominalAt };
  const due = dueOccurrence(schedule, known, now);
  if (due.due) return { ...FREE, text, occurrence: due.nominal };
  const hold =
    due.nextAt === null
      ? ({
          state: 'held',
          code: 'schedule-over',
          because: `its schedule ${text} has no instant left`,
          nextAt: null,
        } as const)
      : ({
          state: 'scheduled',
          code: 'schedule',
          because: `waits until ${instantText(due.nextAt)} (schedule ${text}, ${zone})`,
          nextAt: due.nextAt,
        } as const);
  return { ...FREE, text, hold };
}

/**
 * The task was dispatched for its last occurrence and is open again. A schedule for once is past its gate for good.
 * A recurring one goes on with that occurrence when the run gave the task back (retry, release: both remove
 * started_at); when the task had ended and was opened anew, it waits for the next.
 */
function isUnfinished(task: Task, schedule: Schedule): boolean {
  return schedule.kind !== 'cron' || task.startedAt === undefined;
}

/** wg's own gates are times too. */
function hasOtherTime(task: Task): boolean {
  return task.cronEnabled || task.notBefore !== undefined || task.readyAfter !== undefined;
}

/**
 * Counted from when the schedule can have been set: an edited one from now, so that it catches up on nothing; one
 * that was there when we first looked from the task's last change, so that what fell due meanwhile runs once.
 */
function firstSight(
  task: Task,
  expression: string,
  memory: ScheduleMemory | undefined,
  now: number,
): ScheduleMemory {
  // A memory of another creation belongs to a task of this name that was deleted.
  const edited = memory?.expression.endsWith(` ${task.createdAt ?? '-'}`) ?? false;
  const text = edited ? undefined : (task.lastInteractionAt ?? task.createdAt);
  const set = text === undefined ? null : parseInstant(text);
  return { expression, baselineAt: set === null ? now : Math.min(set, now), lastNominalAt: null };
}
