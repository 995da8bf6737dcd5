// What happens to a schedule's instants as time passes: which run, which are owed, which are skipped. A step from one
// memory to the next; knows no tasks, zones or clock.

import { formatDuration } from '../../domain/duration.ts';
import type { SchedulePolicy } from '../../domain/schedule-policy.ts';
import type { PassedInstants, ScheduleMemory } from '../world.ts';
import { latestInstants, nextInstant, type Schedule } from './schedule.ts';

/**
 * The task's state as far as its schedule cares.
 * - `open`    it could run, now or once its dependencies are done
 * - `busy`    its previous run has not finished
 * - `paused`  a person paused it
 */
export type Situation = 'open' | 'busy' | 'paused';

/** The inputs of a step. */
export interface StepFrom {
  readonly schedule: Schedule;
  readonly memory: ScheduleMemory;
  readonly now: number;
  readonly policy: SchedulePolicy;
  /** The task's share of the jitter: how long after each instant it runs, ms. */
  readonly offsetMs: number;
  readonly situation: Situation;
}

/** The result of a step. */
export interface Step {
  /** The object that was passed in if nothing changed. */
  readonly memory: ScheduleMemory;
  /** The instant to run now, by its nominal time; null: none. */
  readonly due: number | null;
  /** When it would run next, ms; null: never again. */
  readonly nextAt: number | null;
  /** When time alone changes something at the latest, ms. */
  readonly lookAt: number | null;
  readonly passed: readonly PassedInstants[];
}

/** An instant noticed within this time is on time: the supervisor decides at least every minute. */
const ON_TIME_MS = 90_000;

/** At most this many missed instants are made up for, and counted. */
const MOST_OWED = 10;

/** Steps from what is remembered to now. */
export function stepSchedule(from: StepFrom): Step {
  return from.schedule.kind === 'cron' ? stepRecurring(from) : stepOnce(from);
}

function stepRecurring(from: StepFrom): Step {
  const { schedule, memory, policy, offsetMs } = from;
  const at = from.now - offsetMs;
  const since = Math.max(memory.baselineAt, memory.lastNominalAt ?? memory.baselineAt);
  const known = memory.pendingRuns ?? [];
  let next = nextInstant(schedule, since);
  let pendingRuns = known;
  let { baselineAt } = memory;
  const passed: PassedInstants[] = [];
  if (next !== null && next <= at) {
    // One more than can be owed, so that ten and more than ten can be distinguished.
    const came = latestInstants(schedule, at, MOST_OWED + 1).filter((instant) => instant > since);
    baselineAt = came.at(-1) ?? next;
    next = nextInstant(schedule, baselineAt);
    const chosen = choose(came, known, at, from);
    pendingRuns = chosen.pendingRuns;
    if (chosen.passed) passed.push(chosen.passed);
  }
  const waiting = withinDeadline(pendingRuns, at, policy);
  if (waiting.passed) passed.push(waiting.passed);
  const changed = baselineAt !== memory.baselineAt || waiting.pendingRuns !== known;
  const first = waiting.pendingRuns[0] ?? null;
  // The clock was set back since: wait until that time comes again.
  const due = first !== null && first <= at ? first : null;
  if (first !== null && due === null) next = first;
  return {
    memory: changed ? remembered(memory, baselineAt, waiting.pendingRuns) : memory,
    due,
    nextAt: next === null ? null : next + offsetMs,
    lookAt: earliest(next, deadlineOf(due, policy), offsetMs),
    passed,
  };
}

/** Of the due instants, oldest first, and those still owed: which are owed now. */
function choose(
  came: readonly number[],
  pendingRuns: readonly number[],
  at: number,
  { policy, situation }: StepFrom,
): { readonly pendingRuns: readonly number[]; readonly passed: PassedInstants | null } {
  if (situation === 'paused') return { pendingRuns, passed: passedBy('missed', came, 'it is paused') };
  const worthIt = came.filter((instant) => isWorthIt(instant, at, policy));
  if (situation === 'busy') {
    const because = `its previous run was not over (overlap = "${policy.overlap}")`;
    const wanted = policy.overlap === 'skip' ? [] : worthIt.slice(-1);
    const kept = wanted.length > 0 ? wanted : pendingRuns;
    return {
      pendingRuns: kept,
      passed: passedBy('skipped_overlap', without([...pendingRuns, ...came], kept), because),
    };
  }
  const all = policy.catchup === 'all';
  const kept = all
    ? [...pendingRuns, ...worthIt].slice(-MOST_OWED)
    : worthIt.length > 0
      ? worthIt.slice(-1)
      : pendingRuns;
  const gone = without([...pendingRuns, ...came], kept);
  return { pendingRuns: kept, passed: passedBy('missed', gone, whyMissed(gone.at(-1) ?? 0, at, policy)) };
}

/** On time, or late and to be made up for. */
function isWorthIt(instant: number, at: number, policy: SchedulePolicy): boolean {
  if (at - instant <= ON_TIME_MS) return true;
  return policy.catchup !== 'skip' && at - instant <= policy.catchupWindowMs;
}

function whyMissed(instant: number, at: number, policy: SchedulePolicy): string {
  if (isWorthIt(instant, at, policy)) return 'one run makes up for all that were missed';
  if (policy.catchup === 'skip') return 'the supervisor was not running when it came (catchup = "skip")';
  return `it was missed for longer than ${formatDuration(policy.catchupWindowMs)} (catchup_window)`;
}

function stepOnce(from: StepFrom): Step {
  const { schedule, memory, policy, offsetMs, now } = from;
  const at = now - offsetMs;
  const { lastNominalAt } = memory;
  // Already let through once: what reopens the task (a retry, a person) need not wait another day.
  if (lastNominalAt !== null) return still(memory, lastNominalAt);
  const known = memory.pendingRuns ?? [];
  const came = known[0] ?? nextInstant(schedule, memory.baselineAt);
  if (came === null) return still(memory, null);
  if (came > at) return { ...still(memory, null), nextAt: came + offsetMs, lookAt: came + offsetMs };
  const waiting = withinDeadline([came], at, policy);
  if (waiting.pendingRuns.length > 0 && (known.length > 0 || isWorthIt(came, at, policy))) {
    const deadline = deadlineOf(came, policy);
    return {
      memory: known.length > 0 ? memory : remembered(memory, memory.baselineAt, [came]),
      due: came,
      nextAt: null,
      lookAt: deadline === null ? null : deadline + offsetMs,
      passed: [],
    };
  }
  const passed = waiting.passed ?? passedBy('missed', [came], whyMissed(came, at, policy));
  // A time of day comes again; an instant does not.
  const next = schedule.kind === 'clock' ? nextInstant(schedule, at) : null;
  const nextAt = next === null ? null : next + offsetMs;
  return {
    memory: remembered(memory, Math.max(at, came), []),
    due: null,
    nextAt,
    lookAt: nextAt,
    passed: passed ? [passed] : [],
  };
}

function still(memory: ScheduleMemory, due: number | null): Step {
  return { memory, due, nextAt: null, lookAt: null, passed: [] };
}

/** Skips what has been owed for longer than its start_deadline. Returns the same list if nothing is skipped. */
function withinDeadline(
  pendingRuns: readonly number[],
  at: number,
  { startDeadlineMs }: SchedulePolicy,
): { readonly pendingRuns: readonly number[]; readonly passed: PassedInstants | null } {
  if (startDeadlineMs === null) return { pendingRuns, passed: null };
  const late = pendingRuns.filter((instant) => at - instant >= startDeadlineMs);
  if (late.length === 0) return { pendingRuns, passed: null };
  const because = `it could not start within ${formatDuration(startDeadlineMs)} (start_deadline)`;
  return { pendingRuns: without(pendingRuns, late), passed: passedBy('missed', late, because) };
}

function deadlineOf(pendingRuns: number | null, { startDeadlineMs }: SchedulePolicy): number | null {
  return pendingRuns === null || startDeadlineMs === null ? null : pendingRuns + startDeadlineMs;
}

function remembered(
  memory: ScheduleMemory,
  baselineAt: number,
  pendingRuns: readonly number[],
): ScheduleMemory {
  const { pendingRuns: _, ...kept } = memory;
  return { ...kept, baselineAt, ...(pendingRuns.length > 0 ? { pendingRuns } : {}) };
}

function passedBy(
  kind: PassedInstants['kind'],
  instants: readonly number[],
  because: string,
): PassedInstants | null {
  const nominalAt = instants.at(-1);
  return nominalAt === undefined ? null : { kind, nominalAt, count: instants.length, because };
}

function without(instants: readonly number[], kept: readonly number[]): number[] {
  return instants.filter((instant) => !kept.includes(instant));
}

function earliest(a: number | null, b: number | null, offsetMs: number): number | null {
  if (a === null && b === null) return null;
  return Math.min(a ?? Number.POSITIVE_INFINITY, b ?? Number.POSITIVE_INFINITY) + offsetMs;
}
