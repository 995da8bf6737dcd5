// What happens to a schedule's instants that cannot run when they come. No zones, no expressions.

/** The rule for instants missed while the supervisor was not running, or the machine asleep or off. */
export const CATCHUPS = ['latest', 'skip', 'all'] as const;

/** The rule for an instant that comes before the task's previous run has finished. */
export const OVERLAPS = ['skip', 'queue_one', 'replace'] as const;

export interface SchedulePolicy {
  /** `latest`: one run for any number missed; `skip`: none; `all`: one for each, at most ten. */
  readonly catchup: (typeof CATCHUPS)[number];
  /** Instants missed for longer than this are not made up for, ms. */
  readonly catchupWindowMs: number;
  readonly overlap: (typeof OVERLAPS)[number];
  /** Due for longer than this without a start counts as missed, ms; null: no limit. */
  readonly startDeadlineMs: number | null;
  /** Each task starts up to this much later, by a fixed amount derived from its id, ms. */
  readonly jitterMs: number;
}
