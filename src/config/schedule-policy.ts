// The keys that say what schedules do when they cannot be kept to the letter, from texts to milliseconds. The same for
// [schedule] and for profiles of type schedule.

import { parseDuration } from '../domain/duration.ts';
import type { SchedulePolicy } from '../domain/schedule-policy.ts';

/** Those keys as written; each may be left out. */
export interface WrittenPolicy {
  readonly catchup?: SchedulePolicy['catchup'] | undefined;
  readonly catchup_window?: string | 0 | undefined;
  readonly overlap?: SchedulePolicy['overlap'] | undefined;
  readonly start_deadline?: string | 0 | undefined;
  readonly jitter?: string | 0 | undefined;
}

/** What was written of a policy. Durations must have been checked. */
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

/** What holds where nothing is written. */
const DEFAULT_POLICY: SchedulePolicy = {
  catchup: 'latest',
  catchupWindowMs: 7 * 86_400_000,
  overlap: 'skip',
  startDeadlineMs: null,
  jitterMs: 0,
};

/** A whole policy. */
export function wholeSchedulePolicy(written: WrittenPolicy): SchedulePolicy {
  return { ...DEFAULT_POLICY, ...schedulePolicy(written) };
}
