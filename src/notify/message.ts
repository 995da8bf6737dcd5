// A notification as people read it, and in the shapes that chats take. Pure: the stored event goes in.

import type { NotifyFormat } from '../domain/config.ts';
import { shellWord } from '../domain/shell-word.ts';

/** What people are told. */
export interface Message {
  /** Short: the task, what happened, the repository. */
  readonly title: string;
  /** Reason, and the command that settles it; may be several lines. */
  readonly text: string;
  /** Whether a person has to act. */
  readonly isUrgent: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const LONGEST_TEXT = 1_500;

/** The message for a stored event. */
export function messageFor(event: { readonly type: string; readonly data: Fields }): Message {
  const { type, data } = event;
  const task = line(data.local_id);
  const place = [line(data.repo), worktreeName(data.worktree)].filter((each) => each !== '');
  const where = [...new Set(place)].join(', ');
  const about = (what: string) => `${task} ${what}${where === '' ? '' : ` (${where})`}`;
  const act = (command: string) => `→ supervisor ${command} ${shellWord(task)}`;
  const make = (title: string, isUrgent: boolean, ...lines: readonly string[]): Message => ({
    title: cut(title, 200),
    text: cut(lines.filter((each) => each !== '').join('\n'), LONGEST_TEXT),
    isUrgent,
  });
  switch (type) {
    case 'task.completed':
      return make(about('is done'), false, outcomeText(data.outcome), act('show'));
    case 'task.failed':
      return make(about('failed'), true, outcomeText(data.outcome), act('logs'), act('retry'));
    case 'task.retrying':
      return make(about('failed and is retried'), false, outcomeText(data.outcome), act('logs'));
    case 'task.started':
      return make(about('started'), false, `by ${line(data.executor)}`, act('logs -f'));
    case 'task.stale':
      return make(about('gives no sign of life'), true, line(data.because), act('why'));
    case 'task.held':
      return make(about('is held'), true, line(data.because), act('why'));
    case 'task.input_required': {
      const options = Array.isArray(data.options) ? data.options.map(line).join(' | ') : '';
      return make(about('asks'), true, line(data.question), options, `${act('answer')} TEXT`);
    }
    case 'task.input_answered':
      return make(about('got its answer'), false, `${line(data.question)} ${line(data.answer)}`);
    case 'digest':
      return make(
        `${line(data.done)} done, ${line(data.failed)} failed`,
        false,
        `${line(data.runs)} runs since ${line(data.since)}${Number(data.cost_usd) > 0 ? `, $${Number(data.cost_usd).toFixed(2)}` : ''}`,
        ...failures(data.items),
        '→ supervisor digest',
      );
    default:
      return make('The supervisor has a problem', true, line(data.message), '→ supervisor status');
  }
}

/** What is sent to a chat: where, and the body. */
export function chatRequest(
  format: Exclude<NotifyFormat, 'webhook' | 'desktop'>,
  url: string,
  message: Message,
): { readonly url: string; readonly body: Readonly<Record<string, unknown>> } {
  const whole = `${message.title}\n${message.text}`;
  switch (format) {
    case 'slack':
      // Three characters mean something to Slack; the rest is text.
      return {
        url,
        body: {
          text: whole.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
        },
      };
    case 'discord':
      // A task's title cannot mention people.
      return { url, body: { content: whole, allowed_mentions: { parse: [] } } };
    case 'ntfy': {
      const at = new URL(url);
      const parts = at.pathname.split('/').filter((part) => part !== '');
      // The configuration refuses a url without one.
      const topic = parts.pop() ?? '';
      at.pathname = `/${parts.join('/')}`;
      return {
        url: at.href,
        body: {
          topic,
          title: message.title,
          message: message.text,
          priority: message.isUrgent ? 4 : 3,
        },
      };
    }
    default:
      return format satisfies never;
  }
}

function failures(items: unknown): string[] {
  if (!Array.isArray(items)) return [];
  return (items as readonly Fields[])
    .filter((item) => item.outcome === 'failed')
    .slice(0, 5)
    .map((item) => `✗ ${line(item.task)}: ${line(item.message)}`);
}

function outcomeText(outcome: unknown): string {
  if (typeof outcome !== 'object' || outcome === null) return '';
  const { summary, message } = outcome as Fields;
  return line(message ?? summary ?? '');
}

function worktreeName(path: unknown): string {
  return typeof path === 'string' ? line(path.slice(path.lastIndexOf('/') + 1)) : '';
}

/** One line without control characters. */
function line(value: unknown): string {
  return String(value ?? '')
    .replace(/[\p{Control}\s]+/gu, ' ')
    .trim();
}

function cut(text: string, most: number): string {
  const all = [...text];
  return all.length > most ? `${all.slice(0, most - 1).join('')}…` : text;
}
