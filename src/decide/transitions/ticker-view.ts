// What wg's own transitions read (wg-rules 4.7) and how they answer: changes to single tasks, to be written under the
// graph's lock. Shared by the parts of the ticker.

import type { Tasks } from '../../domain/graph.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { TaskDetail } from '../../domain/task.ts';
import { graphTime } from '../instant.ts';
import type { TaskPatch } from '../settle.ts';
import type { PeerStatuses } from '../world.ts';

/** A message to a task, as `messages/<task>.jsonl` holds it. */
export interface TaskMessage {
  readonly id: number;
  /** When it was sent, ms. */
  readonly at: number;
  readonly sender: string;
  readonly body: string;
  /** wg's word: sent, delivered, read, acknowledged. */
  readonly status: string;
}

/** The settings of wg's `[agency]` table that these rules honour. */
export interface TickerSettings {
  /** Scores at or above this rescue a failed task. */
  readonly evalGateThreshold: number;
  /** How often an evaluation without a score is requested again. */
  readonly gateMaxAttempts: number;
}

/** wg's defaults. */
export const TICKER_DEFAULTS: TickerSettings = { evalGateThreshold: 0.7, gateMaxAttempts: 2 };

/** One graph with everything that its standing rules read. */
export interface TickerView {
  readonly tasks: Tasks;
  readonly now: number;
  readonly peers: PeerStatuses;
  readonly settings: TickerSettings;
  detail(id: TaskId): TaskDetail | null;
  /** Tasks that ever received a message. */
  readonly addressed: ReadonlySet<TaskId>;
  messages(id: TaskId): readonly TaskMessage[];
  /** The newest counting score of the task's evaluations; null: none. */
  score(id: TaskId): number | null;
  /** When a file named by a wait condition last changed, ms; null: it does not exist. */
  modifiedAt(path: string): number | null;
}

/** What one rule does to one task. */
export interface TickerMove {
  readonly task: TaskId;
  /** The rule, for the log. */
  readonly rule: string;
  readonly patch: TaskPatch;
  /** A task to add beside it. */
  readonly add?: Readonly<Record<string, unknown>>;
}

/** The author of these rules' log lines. */
const ACTOR = 'supervisor';

/** A move with its log line. */
export function tickerMove(
  view: Pick<TickerView, 'now'>,
  task: TaskId,
  rule: string,
  fields: Readonly<Record<string, unknown>>,
  message: string,
): TickerMove {
  const log = { timestamp: graphTime(view.now), actor: ACTOR, message };
  return { task, rule, patch: { fields, log } };
}

/** A counter of the line, 0 if absent. */
export function counter(task: TaskDetail, key: string): number {
  const value = task.fields[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** A string of the line, or undefined. */
export function textField(task: TaskDetail, key: string): string | undefined {
  const value = task.fields[key];
  return typeof value === 'string' ? value : undefined;
}
