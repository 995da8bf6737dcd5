// Tasks that an agent parked with `wg wait`: whether their conditions are met, can never be met, or are met at a
// known time (wg-rules 4.7, `waiting`).

import { durationOrNull } from '../../domain/duration.ts';
import type { TaskId } from '../../domain/ids.ts';
import type { TaskDetail } from '../../domain/task.ts';
import { instantText, parseInstant } from '../instant.ts';
import { type TickerMove, type TickerView, textField, tickerMove } from './ticker-view.ts';

/** The state of one condition, or of all of a task's together. */
type Met =
  | { readonly kind: 'met'; readonly because: string }
  | { readonly kind: 'open'; readonly at: number | null }
  | { readonly kind: 'never'; readonly because: string };

type Condition = Readonly<Record<string, unknown>> & { readonly type: string };

interface Wait {
  readonly mode: 'all' | 'any';
  readonly conditions: readonly Condition[];
}

/** The move of a waiting task, if there is one, and when time alone may bring one, ms. */
export function waitingMove(
  task: TaskDetail,
  view: TickerView,
): { readonly move: TickerMove | null; readonly nextAt: number | null } {
  const wait = waitOf(task);
  if (!wait) return { move: null, nextAt: null };
  const result = together(
    wait,
    wait.conditions.map((condition) => judge(condition, task, view)),
  );
  if (result.kind === 'open' && isCircular(task.id, view))
    return { move: failed(task, view, 'the tasks that it waits for wait for it'), nextAt: null };
  switch (result.kind) {
    case 'open':
      return { move: null, nextAt: result.at };
    case 'never':
      return { move: failed(task, view, result.because), nextAt: null };
    case 'met': {
      const before = textField(task, 'checkpoint');
      const summary = `Resumed: ${result.because}.${before ? ` Checkpoint: ${before}` : ''}`;
      const fields = {
        status: 'open',
        wait_condition: undefined,
        assigned: undefined,
        checkpoint: summary,
      };
      return {
        move: tickerMove(view, task.id, 'waiting', fields, `Agent resumed: ${result.because}`),
        nextAt: null,
      };
    }
  }
}

function failed(task: TaskDetail, view: TickerView, because: string): TickerMove {
  const reason = `Wait condition can never be met: ${because}`;
  const fields = { status: 'failed', wait_condition: undefined, failure_reason: reason };
  return tickerMove(view, task.id, 'waiting', fields, reason);
}

function together(wait: Wait, results: readonly Met[]): Met {
  const met = results.filter((result) => result.kind === 'met');
  const never = results.find((result) => result.kind === 'never');
  const because = met.map((result) => result.because).join(' and ');
  const all = wait.mode === 'all';
  if (all ? met.length === results.length : met.length > 0)
    return { kind: 'met', because: because || 'nothing to wait for' };
  if (never && (all || results.every((result) => result.kind === 'never'))) return never;
  const times = results.flatMap((result) =>
    result.kind === 'open' && result.at !== null ? [result.at] : [],
  );
  return { kind: 'open', at: times.length === 0 ? null : Math.min(...times) };
}

const OPEN: Met = { kind: 'open', at: null };

function judge(condition: Condition, task: TaskDetail, view: TickerView): Met {
  const parkedAt = parkedSince(task);
  switch (condition.type) {
    case 'task-status': {
      const id = String(condition.task_id);
      const other = view.tasks.get(id);
      if (!other) return { kind: 'never', because: `there is no task ${id}` };
      if (other.status === condition.status) return { kind: 'met', because: `${id} is ${other.status}` };
      // A failed task may be retried and a done one reopened; an abandoned one is final.
      return other.status === 'abandoned' ? { kind: 'never', because: `${id} was abandoned` } : OPEN;
    }
    case 'timer': {
      const at = timerAt(String(condition.resume_after), parkedAt);
      if (at === null)
        return { kind: 'never', because: `its timer "${condition.resume_after}" cannot be read` };
      return at <= view.now
        ? { kind: 'met', because: `its timer ended at ${instantText(at)}` }
        : { kind: 'open', at };
    }
    case 'human-input':
    case 'message': {
      const fits = view
        .messages(task.id)
        .find(
          (message) =>
            message.at > parkedAt &&
            message.sender !== task.assigned &&
            (condition.type === 'message' || !isProgram(message.sender)),
        );
      return fits ? { kind: 'met', because: `a message from ${fits.sender} arrived` } : OPEN;
    }
    case 'file-changed': {
      const path = String(condition.path);
      const at = view.modifiedAt(path);
      return at !== null && isLater(at, Number(condition.mtime_at_wait))
        ? { kind: 'met', because: `${path} changed` }
        : OPEN;
    }
    default:
      return OPEN;
  }
}

function isProgram(sender: string): boolean {
  return sender === 'coordinator' || sender === 'supervisor' || sender.startsWith('agent-');
}

/** The clock starts with the last parking, ms; 0 if that was not recorded. */
function parkedSince(task: TaskDetail): number {
  const entry = task.log.findLast(({ message }) => message.includes('Agent parked'));
  return (entry && parseInstant(entry.timestamp)) ?? 0;
}

/** An instant, or a duration since the parking. */
function timerAt(text: string, parkedAt: number): number | null {
  const at = parseInstant(text);
  if (at !== null) return at;
  const ms = durationOrNull(/^\d+$/.test(text) ? `${text}s` : text);
  return ms === null ? null : parkedAt + ms;
}

/** The recorded time may be in seconds, milliseconds, micro- or nanoseconds: compared in its own unit. */
function isLater(atMs: number, recorded: number): boolean {
  for (const perMs of [1 / 1000, 1, 1000]) {
    const now = Math.floor(atMs * perMs);
    if (recorded < now * 100) return now > recorded;
  }
  return atMs > Math.ceil(recorded / 1e6);
}

/** Follows `task-status` conditions from one waiting task to the next, back to the start. */
function isCircular(start: TaskId, view: TickerView): boolean {
  const seen = new Set<TaskId>();
  const queue: TaskId[] = [start];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (seen.has(id) || view.tasks.get(id)?.status !== 'waiting') continue;
    seen.add(id);
    const detail = view.detail(id);
    const wait = detail && waitOf(detail);
    // With an alternative, no cycle blocks it.
    if (!wait || (wait.mode === 'any' && wait.conditions.length > 1)) continue;
    for (const condition of wait.conditions) {
      if (condition.type !== 'task-status') continue;
      if (condition.task_id === start) return true;
      queue.push(String(condition.task_id));
    }
  }
  return false;
}

function waitOf(task: TaskDetail): Wait | null {
  const found = task.fields.wait_condition;
  if (typeof found !== 'object' || found === null) return null;
  const { mode, conditions } = found as Record<string, unknown>;
  if (!Array.isArray(conditions)) return null;
  return { mode: mode === 'any' ? 'any' : 'all', conditions };
}
