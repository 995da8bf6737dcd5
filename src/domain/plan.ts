// What would run, and by which rule.

import type { GraphPath, TaskId } from './ids.ts';
import type { Profile } from './profile.ts';

/** A ready task with its route: everything a dispatch needs. */
export interface Plan {
  readonly graph: GraphPath;
  readonly task: TaskId;
  /** Path of the worktree that the work happens in. */
  readonly worktree: string;
  readonly repo: string;
  readonly profile: Profile;
  /** Names the rule that chose the profile, e.g. `tag executor:deploy-agent`. */
  readonly because: string;
  /** wg's effective priority: age and direct dependents counted in. */
  readonly priority: number;
  /** Set when a schedule made the task due: the nominal instant, ms. */
  readonly occurrence: number | null;
  /** The model that it would work with; absent or null: its program's own. */
  readonly model?: string | null;
  /** What is left of each budget that it counts for, in words. */
  readonly budgetsLeft?: readonly string[];
}
