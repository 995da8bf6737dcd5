// Distinguishes a rewind from a decision. git (stash, checkout, reset, a rebase) and slow writers bring back older
// lines of a graph; people and wg append to the current line. Every write leaves its own entry in the task's log, so
// a line without that entry is older than the write, whatever else it says.

import type { Run } from '../../domain/run.ts';
import type { LogEntry, Task, TaskDetail } from '../../domain/task.ts';
import { instantText, parseInstant } from '../instant.ts';
import type { GraphView, KnownResult, World } from '../world.ts';

/**
 * How a run lost its task.
 * - `decided`  it was given away, finished or created again by someone with the right to: the graph takes precedence
 * - `rewound`  an older line of it came back
 * - `gone`     there is no such line: deleted, or the whole file is older, or is just being written
 */
export type Loss = 'decided' | 'rewound' | 'gone';

/** A log entry, identified among all others. */
export function markOf(entry: LogEntry): string {
  return JSON.stringify([entry.timestamp, entry.actor ?? '', entry.message]);
}

/** The mark a write leaves on a line: its last log entry; '' for a line without a log. */
export function lastMark(task: Pick<TaskDetail, 'log'>): string {
  const last = task.log.at(-1);
  return last ? markOf(last) : '';
}

/** How a run lost its task. `detail` null: its log is unknown. */
export function lossOf(run: Run, detail: TaskDetail | null): Exclude<Loss, 'gone'> {
  if (!detail || run.startedAt === null || bearsClaim(detail, run)) return 'decided';
  // Acting on the older line since then was a decision, too.
  if (detail.status === 'in-progress')
    return isAfter(detail.startedAt, run.startedAt) ? 'decided' : 'rewound';
  const isEnded = detail.status !== 'open' && detail.status !== 'blocked';
  return isEnded && isAfter(detail.log.at(-1)?.timestamp, run.startedAt) ? 'decided' : 'rewound';
}

/** Whether the log contains the run's claim. A claim written by wg itself is known by its time alone. */
function bearsClaim(detail: TaskDetail, run: Run): boolean {
  const byWg = detail.foreignKeys.length > 0;
  return detail.log.some(({ actor, timestamp }) => {
    const at = parseInstant(timestamp);
    return byWg ? at !== null && at >= run.openedAt - CLOCKS_MS : actor === run.agent && at === run.startedAt;
  });
}

/** Tolerance between two programs of one machine that read the clock at the same moment, ms. */
const CLOCKS_MS = 1000;

function isAfter(text: string | undefined, at: number): boolean {
  const found = text === undefined ? null : parseInstant(text);
  return found !== null && found > at;
}

/** A task whose result is known, and whose line is older than that. */
export interface CameBack {
  readonly known: KnownResult;
  /** The result belongs to this line, or to the claim in it, and only that is missing: it may be written again. */
  readonly isProven: boolean;
}

/** Whether the line is older than the known result of its task; null: it is not, or it was changed on purpose. */
export function cameBack(
  known: KnownResult,
  view: Pick<GraphView, 'graph' | 'settings'>,
  task: Task,
  detail: () => TaskDetail | null,
  isSameContent: (known: KnownResult, task: TaskDetail) => boolean,
): CameBack | null {
  const isHere = known.graph === view.graph;
  if (!isSameTask(known, task, isHere) || (!isHere && view.settings.duplicates === 'each')) return null;
  if (stands(task, known)) return null;
  const whole = detail();
  // A result that was written and left no mark is indistinguishable from a decision.
  if (!whole || known.mark === '' || (known.mark !== null && whole.log.some((e) => markOf(e) === known.mark)))
    return null;
  if (task.status === 'in-progress' && isAfter(task.startedAt, known.at)) return null;
  const isSame = isSameContent(known, whole);
  // Changed after the result: the task was given new work.
  if (!isSame && isAfter(task.lastInteractionAt, known.at)) return null;
  const isOfRun = isHere || isClaimOf(known, task);
  return { known, isProven: isOfRun && isSame && task.foreignKeys.length === 0 };
}

/** A copy that has the claim of the very run that finished the task: it was merged while that run was under way. */
function isClaimOf({ run, agent }: KnownResult, task: Task): boolean {
  return run !== '' && task.status === 'in-progress' && task.assigned === agent;
}

/** Ids are reused; creation times are not. Without one, only the same file proves that it is the same task. */
function isSameTask(known: KnownResult, task: Task, isHere: boolean): boolean {
  return known.createdAt === null
    ? isHere && task.createdAt === undefined
    : known.createdAt === task.createdAt;
}

/** Whether the line agrees with the result, or is closed in another way and will not run on its own. */
function stands(task: Task, known: KnownResult): boolean {
  switch (task.status) {
    case 'done':
    case 'abandoned':
    case 'pending-validation':
    case 'pending-eval':
    case 'failed-pending-eval':
      return true;
    case 'failed':
      return known.ended === 'failed';
    default:
      return false;
  }
}

/** Since when something is missing, and until when that has no consequences; `until` null: the wait has ended. */
export interface Doubt {
  readonly since: number;
  readonly until: number | null;
}

/** The current doubt about what is missing. A clock that was set back starts it again. */
export function doubtOf(key: string, world: Pick<World, 'now' | 'config' | 'doubts'>): Doubt {
  const known = world.doubts?.get(key);
  const since = known !== undefined && known <= world.now ? known : world.now;
  const until = since + world.config.limits.rewindGraceMs;
  return { since, until: until > world.now ? until : null };
}

/** The verdict of a task whose run lost its claim to a rewind. */
export function rewoundRunWords(run: Run, task: Task, doubt: Doubt, onRewind: string) {
  const who = run.agent === '' ? run.id : run.agent;
  if (doubt.until !== null)
    return rewound(
      `the claim of ${who} is missing from its line; whether it comes back is looked at ${instantText(doubt.until)}`,
      doubt.until,
    );
  if (run.phase === 'finished')
    return rewound(`an older line of it came back (git?); the result of ${who} is being written again`);
  if (onRewind === 'restore' && task.foreignKeys.length === 0)
    return rewound(`an older line of it came back (git?); the claim of ${who} is being written again`);
  return rewound(
    `${who} works on it, but an older line of it came back (git?); its result is written when it comes, ` +
      `\`supervisor cancel ${task.id}\` ends it`,
  );
}

/** Who finished a task: the run or, if it was not this supervisor's, the reporter. */
export function enderOf({ run, agent }: Pick<KnownResult, 'run' | 'agent'>): string {
  if (run !== '') return `${run} (${agent})`;
  return agent === '' ? 'a person' : agent;
}

/** The verdict of a task that is known to be finished but whose line is older. */
export function rewoundResultWords({ known, isProven }: CameBack, doubt: Doubt, onRewind: string) {
  const what = known.ended === 'succeeded' ? 'was done' : 'failed';
  const by = `${enderOf(known)}, ${instantText(known.at)},`;
  if (doubt.until !== null)
    return rewound(
      `it ${what} by ${by} and its line is older; whether that comes back is looked at ${instantText(doubt.until)}`,
      doubt.until,
    );
  if (isProven && onRewind === 'restore')
    return rewound(`it ${what} by ${by} and an older line of it came back (git?); it is being written again`);
  return rewound(
    `it ${what} by ${by} but the line here is older (git?); \`supervisor done ${known.task}\` keeps it as done, ` +
      `\`supervisor retry ${known.task}\` runs it again`,
  );
}

function rewound(because: string, nextAt: number | null = null) {
  return { state: 'held', code: 'rewound', because, nextAt } as const;
}
