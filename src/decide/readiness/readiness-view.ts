// What judging one task reads, and how a refusal is expressed. Shared by the parts of readiness.

import type { Tasks } from '../../domain/graph.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { TaskStatus } from '../../domain/task.ts';
import type { VerdictState } from '../../domain/verdict.ts';
import type { WgCapabilities } from '../../domain/wg-capabilities.ts';
import type { VerdictCode } from '../codes.ts';
import type { PeerStatuses } from '../world.ts';

/** A task that may not start now, and why. */
export interface NotReady {
  readonly ready: false;
  readonly state: VerdictState;
  readonly code: VerdictCode;
  /** One sentence for people, naming ids. */
  readonly because: string;
  /** When the answer may change by time alone, ms; null: only when something changes. */
  readonly nextAt: number | null;
}

/** All that judging one graph's tasks needs. */
export interface ReadinessView {
  readonly tasks: Tasks;
  readonly now: number;
  readonly peers: PeerStatuses;
  /** A `wg` command can be run. */
  readonly wgOnPath: boolean;
  /** The capabilities that command reported. */
  readonly wgCan?: WgCapabilities;
  /** Whether `task` waits for `dependency` only as the closing edge of a cycle. */
  isBackEdge(dependency: TaskId, task: TaskId): boolean;
  /** Status of the same task in the worktree that dispatches it, if that is another one; else null. */
  statusElsewhere(task: TaskId): TaskStatus | null;
}

/** A refusal. */
export function notReady(
  state: VerdictState,
  code: VerdictCode,
  because: string,
  nextAt: number | null = null,
): NotReady {
  return { ready: false, state, code, because, nextAt };
}

/** At most four names, the others as a number, to keep it a sentence. */
export function nameList(names: readonly string[]): string {
  if (names.length <= 4) return names.join(', ');
  return `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
