// What becomes of a schedule's instants that cannot simply be run when they come. No zones, no expressions.

/** What is done with instants that came while nobody looked: asleep, off, not running. */
export const CATCHUPS = ['latest', 'skip', 'all'] as const;

/** What is done with an instant that comes while the task's previous run is not over. */
export const OVERLAPS = ['skip', 'queue_one', 'replace'] as const;

export interface SchedulePolicy {
  /** `latest`: one run for any number missed; `skip`: none; `all`: one for each, at most ten. */
  readonly catchup: (typeof CATCHUPS)[number];
  /** Instants missed for longer than this are not made up for, ms. */
  readonly catchupWindowMs: number;
  readonly overlap: (typeof OVERLAPS)[number];
  /** Due for longer than this and still not begun counts as missed, ms; null: it waits as long as it takes. */
  readonly startDeadlineMs: number | null;
  /** Each task starts up to this much later, by a fixed amount made from its id, ms. */
  readonly jitterMs: number;
}
