// A task and its schedule: which one counts, in which zone and by which policy, what must be remembered, and whether
// it delays the task now.

import type { Config } from '../../domain/config.ts';
import { formatDuration } from '../../domain/duration.ts';
import type { ProfileSet, ScheduleProfile } from '../../domain/profile.ts';
import type { SchedulePolicy } from '../../domain/schedule-policy.ts';
import { type Task, tagValue } from '../../domain/task.ts';
import type { VerdictCode } from '../codes.ts';
import { instantText, parseInstant } from '../instant.ts';
import type { PassedInstants, ScheduleMemory, ScheduleState } from '../world.ts';
import { type Situation, stepSchedule } from './occurrences.ts';
import { isMoved, nextInstant, parseSchedule, type Schedule, type ScheduleCache } from './schedule.ts';
import { hashOfText } from './wg-jitter.ts';

/** What judging a schedule needs. */
export interface ScheduleQuestion {
  readonly task: Task;
  /** The schedule profile that the task was routed to, if it was. */
  readonly profile: ScheduleProfile | null;
  readonly profiles: Pick<ProfileSet, 'byName'>;
  readonly config: Pick<Config, 'timezone' | 'schedule'>;
  readonly memory: ScheduleMemory | undefined;
  readonly now: number;
  readonly cache: ScheduleCache;
  /** `open` when left out. */
  readonly situation?: Situation;
}

/** The state of a task's schedule now. */
export interface ScheduleJudgement {
  /** Null if nothing delays the task. */
  readonly hold: {
    readonly state: 'scheduled' | 'held';
    readonly code: VerdictCode;
    readonly because: string;
    readonly nextAt: number | null;
  } | null;
  /** The nominal instant that made it due, ms; null without a schedule of our own. */
  readonly occurrence: number | null;
  /** To be recorded: the schedule is new, was changed, or advanced. */
  readonly note: ScheduleMemory | null;
  /** To be reported once that is recorded. */
  readonly passed: readonly PassedInstants[];
  /** Its state; null without a schedule of our own. */
  readonly state: ScheduleState | null;
  readonly recurring: boolean;
  /** When time alone changes something at the latest, ms. */
  readonly lookAt: number | null;
  /** Which runs must make room for the next instant. */
  readonly replaces: boolean;
}

const FREE: ScheduleJudgement = {
  hold: null,
  occurrence: null,
  note: null,
  passed: [],
  state: null,
  recurring: false,
  lookAt: null,
  replaces: false,
};

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

/** Whether a schedule of our own applies to the task at all; to most it does not. */
export function hasSchedule(task: Pick<Task, 'schedule' | 'tags'>, profile: ScheduleProfile | null): boolean {
  return profile !== null || scheduleText(task, null) !== null;
}

/** The profile of this name applies to every schedule of its worktree that is routed to no other schedule profile. */
const SPOKESMAN = 'scheduled';

/** Zone and policy: the task's own zone, then the schedule profile's, then the machine's. */
export function scheduleSettings(
  question: Pick<ScheduleQuestion, 'profile' | 'profiles' | 'config'> & {
    readonly task: Pick<Task, 'timezone' | 'tags'>;
  },
): { readonly zone: string; readonly policy: SchedulePolicy } {
  const { task, profile, profiles, config } = question;
  const spokesman = profiles.byName.get(SPOKESMAN);
  const general = spokesman?.type === 'schedule' ? spokesman : null;
  const speaker = profile ?? general;
  return {
    zone:
      nonEmpty(task.timezone) ??
      nonEmpty(tagValue(task, 'timezone:')) ??
      speaker?.timezone ??
      general?.timezone ??
      config.timezone,
    policy: speaker ? { ...config.schedule, ...speaker.policy } : config.schedule,
  };
}

/** Judges the schedule of a task. */
export function judgeSchedule(question: ScheduleQuestion): ScheduleJudgement {
  const { task, profile, cache, now, situation = 'open' } = question;
  const text = scheduleText(task, profile);
  if (text === null) {
    if (!profile || hasOtherTime(task)) return FREE;
    const because = `its executor ${profile.name} waits for a time, and the task names none; give it a schedule`;
    return { ...FREE, hold: { state: 'held', code: 'no-schedule', because, nextAt: null } };
  }
  const { zone, policy } = scheduleSettings(question);
  const parsed = parseSchedule(text, zone, cache);
  if (!parsed.ok)
    return {
      ...FREE,
      state: { text, zone, nextAt: null },
      hold: { state: 'held', code: 'bad-schedule', because: parsed.problem, nextAt: null },
    };
  const { schedule } = parsed;
  const recurring = schedule.kind === 'cron';
  if (!recurring && situation === 'busy') return { ...FREE, state: { text, zone, nextAt: null } };
  const memory = rememberedOf(question, schedule, `${text} ${zone} ${task.createdAt ?? '-'}`);
  const unfinished = situation === 'open' && recurring ? unfinishedOf(task, memory) : null;
  const offsetMs = jitterOf(task.id, policy.jitterMs);
  const step = stepSchedule({
    schedule,
    memory,
    now,
    policy,
    offsetMs,
    situation: unfinished === null ? situation : 'busy',
  });
  // The replacing instant runs instead of the one that was released.
  const due =
    unfinished === null || (policy.overlap === 'replace' && step.due !== null) ? step.due : unfinished;
  return {
    hold: due === null ? holdOf(step.nextAt, offsetMs, schedule, text, zone) : null,
    occurrence: due,
    note: step.memory === question.memory ? null : step.memory,
    passed: step.passed,
    state: { text, zone, nextAt: step.nextAt },
    recurring,
    lookAt: step.lookAt,
    replaces: situation === 'busy' && policy.overlap === 'replace' && step.due !== null,
  };
}

/** When the supervisor's own recurring schedule comes next, ms; null: it has none, or never comes again. */
export function nextOwnInstant(question: ScheduleQuestion): number | null {
  const { task, profile, memory, now, cache } = question;
  const text = scheduleText(task, profile);
  if (text === null) return null;
  const { zone, policy } = scheduleSettings(question);
  const parsed = parseSchedule(text, zone, cache);
  if (!parsed.ok || parsed.schedule.kind !== 'cron') return null;
  const since = memory ? Math.max(memory.baselineAt, memory.lastNominalAt ?? 0) : now;
  const next = nextInstant(parsed.schedule, since);
  return next === null ? null : next + jitterOf(task.id, policy.jitterMs);
}

function holdOf(
  nextAt: number | null,
  offsetMs: number,
  schedule: Schedule,
  text: string,
  zone: string,
): ScheduleJudgement['hold'] {
  if (nextAt !== null) {
    const moved = isMoved(schedule, nextAt - offsetMs)
      ? '; the clocks change then, and that time does not exist'
      : '';
    const jitter = offsetMs > 0 ? `; ${formatDuration(offsetMs)} of it are jitter` : '';
    const because = `waits until ${instantText(nextAt)} (schedule ${text}, ${zone}${moved}${jitter})`;
    return { state: 'scheduled', code: 'schedule', because, nextAt };
  }
  const because =
    schedule.kind === 'instant'
      ? `its time ${text} passed and was not made up for; give it another, or none (--schedule "") to run it now`
      : `its schedule ${text} has no instant left`;
  return { state: 'held', code: 'schedule-over', because, nextAt: null };
}

/**
 * A recurring task that its run released (retry, release: both remove started_at) continues with that instant; one
 * that finished and was reopened waits for the next.
 */
function unfinishedOf(task: Task, memory: ScheduleMemory): number | null {
  if (memory.lastIsOver) return null;
  return task.startedAt === undefined || task.status === 'incomplete' ? memory.lastNominalAt : null;
}

/** wg's own gates are times too. */
function hasOtherTime(task: Task): boolean {
  return task.cronEnabled || task.notBefore !== undefined || task.readyAfter !== undefined;
}

/** The task's share of the jitter: always the same, derived from its id. */
function jitterOf(id: string, jitterMs: number): number {
  return jitterMs === 0 ? 0 : Number(hashOfText(id) % BigInt(jitterMs));
}

/**
 * What is remembered of this very schedule. An edited one counts from now, so that it catches up on nothing; one that
 * existed before the supervisor first saw it counts from the task's last change, so that what fell due meanwhile
 * runs.
 */
function rememberedOf(
  { task, memory, now }: ScheduleQuestion,
  schedule: Schedule,
  expression: string,
): ScheduleMemory {
  if (memory?.expression === expression) return memory;
  // A memory with another creation time belongs to a deleted task of this name.
  const edited = memory !== undefined && lastWord(memory.expression) === lastWord(expression);
  if (memory && edited && wordsButZone(memory.expression) === wordsButZone(expression))
    return inOtherZone(memory, schedule, expression, now);
  const text = edited ? undefined : (task.lastInteractionAt ?? task.createdAt);
  const set = text === undefined ? null : parseInstant(text);
  const baselineAt = set === null ? now : Math.min(set, now);
  // An instant already in the past when it was written is meant to run at once.
  const wasOver = schedule.kind === 'instant' && nextInstant(schedule, baselineAt) === null;
  const pendingRuns = wasOver ? { pendingRuns: [schedule.at] } : {};
  return { expression, baselineAt, lastNominalAt: null, ...pendingRuns };
}

/** Another zone moves future instants; what has run, is owed or was skipped stays. */
function inOtherZone(
  memory: ScheduleMemory,
  schedule: Schedule,
  expression: string,
  now: number,
): ScheduleMemory {
  return { ...memory, expression, baselineAt: schedule.kind === 'instant' ? memory.baselineAt : now };
}

function lastWord(expression: string): string {
  return expression.slice(expression.lastIndexOf(' ') + 1);
}

function wordsButZone(expression: string): string {
  return expression.split(' ').slice(0, -2).join(' ');
}
