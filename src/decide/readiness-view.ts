// What a judgement of one task looks at, and how it says no. Shared by the parts of readiness.

import type { Tasks } from '../domain/graph.ts';
import type { TaskId } from '../domain/ids.ts';
import type { TaskStatus } from '../domain/task.ts';
import type { VerdictState } from '../domain/verdict.ts';
import type { WgCapabilities } from '../domain/wg-capabilities.ts';
import type { VerdictCode } from './codes.ts';
import type { PeerStatuses } from './world.ts';

/** A task that may not start now, and because of what. */
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
  readonly tasks: Tasks;
  readonly now: number;
  readonly peers: PeerStatuses;
  /** There is a `wg` command to run. */
  readonly wgOnPath: boolean;
  /** What that command can do, where it told. */
  readonly wgCan?: WgCapabilities;
  /** Whether `task` waits for `dependency` only as the closing edge of a cycle. */
  isBackEdge(dependency: TaskId, task: TaskId): boolean;
  /** Status of the same task in the worktree that dispatches it, when that is another one; else null. */
  statusElsewhere(task: TaskId): TaskStatus | null;
}

/** The answer no. */
export function notReady(
  state: VerdictState,
  code: VerdictCode,
  because: string,
  nextAt: number | null = null,
): NotReady {
  return { ready: false, state, code, because, nextAt };
}

/** At most four names; the rest as a number, so that a sentence stays a sentence. */
export function nameList(names: readonly string[]): string {
  if (names.length <= 4) return names.join(', ');
  return `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
