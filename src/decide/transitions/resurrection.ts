// Messages that reopen a finished task (wg-rules 4.7): a message to a done task asks for more work on it.

import { isSystemTask, type TaskDetail } from '../../domain/task.ts';
import { graphTime, parseInstant } from '../instant.ts';
import {
  counter,
  type TaskMessage,
  type TickerMove,
  type TickerView,
  textField,
  tickerMove,
} from './ticker-view.ts';

const MAX_RESURRECTIONS = 5;
const COOLDOWN_MS = 60_000;

/** The transitions of a done task with messages, and when time alone may bring one, ms. */
export function resurrectionMoves(
  task: TaskDetail,
  view: TickerView,
): { readonly moves: readonly TickerMove[]; readonly nextAt: number | null } {
  const nothing = { moves: [], nextAt: null };
  if (task.status !== 'done' || isSystemTask(task.id) || task.tags.includes('resurrect:false'))
    return nothing;
  const unread = unreadMessages(task, view);
  const last = unread.at(-1);
  if (!last || counter(task, 'resurrection_count') >= MAX_RESURRECTIONS) return nothing;
  const before = parseInstant(textField(task, 'last_resurrected_at') ?? '');
  if (before !== null && view.now < before + COOLDOWN_MS) return { moves: [], nextAt: before + COOLDOWN_MS };
  const stamp = {
    resurrection_count: counter(task, 'resurrection_count') + 1,
    last_resurrected_at: graphTime(view.now),
  };
  const from = [...new Set(unread.map((message) => message.sender))].join(', ');
  if (goesOnDownstream(task, view)) return { moves: respond(task, unread, stamp, from, view), nextAt: null };
  const fields = { status: 'open', assigned: undefined, completed_at: undefined, ...stamp };
  const moves = [tickerMove(view, task.id, 'resurrection', fields, `Reopened by messages from ${from}`)];
  const assign = view.tasks.get(`.assign-${task.id}`);
  if (assign?.status === 'done' && assign.foreignKeys.length === 0)
    moves.push(
      tickerMove(
        view,
        assign.id,
        'resurrection',
        { status: 'open', assigned: undefined, completed_at: undefined },
        `Reopened with ${task.id}`,
      ),
    );
  return { moves, nextAt: null };
}

/**
 * Unread messages. Each reopens a task once: those that existed when the last attempt began, or when the task was
 * last reopened for messages, are not counted again.
 */
function unreadMessages(task: TaskDetail, view: TickerView): readonly TaskMessage[] {
  const since = Math.max(
    parseInstant(textField(task, 'last_resurrected_at') ?? '') ?? 0,
    parseInstant(task.startedAt ?? '') ?? 0,
  );
  return view
    .messages(task.id)
    .filter(
      ({ status, sender, at }) =>
        status === 'sent' &&
        at > since &&
        (sender === 'user' ||
          sender === 'coordinator' ||
          (sender.startsWith('agent-') && sender !== task.assigned)),
    );
}

/** A dependent already uses the result: it is not taken away. */
function goesOnDownstream(task: TaskDetail, view: TickerView): boolean {
  return task.before.some((id) => {
    const status = view.tasks.get(id)?.status;
    return !isSystemTask(id) && (status === 'in-progress' || status === 'done');
  });
}

function respond(
  task: TaskDetail,
  unread: readonly TaskMessage[],
  stamp: Readonly<Record<string, unknown>>,
  from: string,
  view: TickerView,
): readonly TickerMove[] {
  const id = `.respond-to-${task.id}`;
  const existing = view.tasks.get(id);
  // The attempt that is running will see these messages, too.
  if (existing && existing.status !== 'done') return [];
  const words = unread.map((message) => `${message.sender}: ${message.body}`).join('\n');
  const move = tickerMove(view, task.id, 'resurrection', stamp, `Messages from ${from} go to ${id}`);
  if (existing)
    return [
      move,
      tickerMove(
        view,
        id,
        'resurrection',
        { status: 'open', assigned: undefined, completed_at: undefined, description: words },
        `Reopened by messages from ${from}`,
      ),
    ];
  const add = {
    id,
    title: `Respond to messages on ${task.id}`,
    description: words,
    after: [task.id],
    tags: ['resurrection-child', ...task.tags.filter((tag) => /^(executor|agent):/.test(tag))],
    created_at: graphTime(view.now),
  };
  return [{ ...move, add }];
}
