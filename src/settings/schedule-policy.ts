// The keys for schedules whose instants cannot run on time, from strings to milliseconds. The same for [schedule] and
// for profiles of type schedule.

import { parseDuration } from '../domain/duration.ts';
import type { SchedulePolicy } from '../domain/schedule-policy.ts';

/** Those keys as written; each is optional. */
export interface WrittenPolicy {
  readonly catchup?: SchedulePolicy['catchup'] | undefined;
  readonly catchup_window?: string | 0 | undefined;
  readonly overlap?: SchedulePolicy['overlap'] | undefined;
  readonly start_deadline?: string | 0 | undefined;
  readonly jitter?: string | 0 | undefined;
}

/** The keys of a policy that are present. Durations must have been checked. */
export function schedulePolicy(written: WrittenPolicy): Partial<SchedulePolicy> {
  const { catchup, catchup_window, overlap, start_deadline, jitter } = written;
  return {
    ...(catchup === undefined ? {} : { catchup }),
    ...(catchup_window === undefined ? {} : { catchupWindowMs: parseDuration(catchup_window) }),
    ...(overlap === undefined ? {} : { overlap }),
    ...(start_deadline === undefined ? {} : { startDeadlineMs: parseDuration(start_deadline) || null }),
    ...(jitter === undefined ? {} : { jitterMs: parseDuration(jitter) }),
  };
}

/** The defaults. */
const DEFAULT_POLICY: SchedulePolicy = {
  catchup: 'latest',
  catchupWindowMs: 7 * 86_400_000,
  overlap: 'skip',
  startDeadlineMs: null,
  jitterMs: 0,
};

/** A complete policy. */
export function wholeSchedulePolicy(written: WrittenPolicy): SchedulePolicy {
  return { ...DEFAULT_POLICY, ...schedulePolicy(written) };
}
