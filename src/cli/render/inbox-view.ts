// The inbox for people: two lines per item, the second is the command that settles it.

import type { InboxItem, InboxKind } from '../../domain/report.ts';
import { type Context, shortPath } from '../context.ts';
import type { Paint } from './color.ts';
import { plain } from './plain.ts';
import { roughDuration } from './relative-time.ts';
import { shorten, textWidth, wrap } from './text-width.ts';

/** A symbol besides the colour, for people who see no colours. */
export const SIGNS: Readonly<Record<InboxKind, string>> = {
  question: '?',
  failed: '✗',
  parked: '!',
  configuration: '!',
  untrusted: '!',
  stale: '~',
  rewound: '↶',
  budget: '$',
  worktree: '!',
};

/** The items as lines; ids are never cut, reasons are wrapped. `most`: the others are counted. */
export function inboxView(
  items: readonly InboxItem[],
  context: Context,
  most = Number.POSITIVE_INFINITY,
): string {
  const prefix = commonFolder(items.map(({ worktree }) => worktree));
  const lines = items.slice(0, most).flatMap((item) => itemLines(item, prefix, context));
  const rest = items.length - Math.min(items.length, most);
  if (rest > 0) lines.push(`… and ${rest} more: \`supervisor inbox\` shows every one`);
  const where =
    prefix === '' || items.length < 2
      ? []
      : [context.paint.faint(`worktrees in ${shortPath(prefix, context)}`)];
  return `${[...where, ...lines].join('\n')}\n`;
}

function itemLines(item: InboxItem, prefix: string, context: Context): string[] {
  const { paint } = context;
  const colour: Paint = item.kind === 'question' || item.kind === 'stale' ? paint.caution : paint.bad;
  const what = item.task === null ? plain(item.title) : subject(item);
  const place = prefix === '' ? shortPath(item.worktree, context) : item.worktree.slice(prefix.length + 1);
  const facts = [
    plain(place),
    ...(item.since === null ? [] : [waited(item.since, context.now())]),
    ...(item.blocks > 0 ? [`blocks ${item.blocks}`] : []),
  ].join(', ');
  const room = context.width - textWidth(what) - 5;
  const tail = room < 8 || facts === '' ? '' : `  ${paint.faint(shorten(facts, room))}`;
  const options = item.options && item.options.length > 0 ? ` [${item.options.map(plain).join(' | ')}]` : '';
  return [
    `${colour(SIGNS[item.kind])} ${paint.strong(what)}${tail}`,
    ...wrap(`${plain(item.because)}${options}`, Math.max(20, context.width - 4)).map((line) => `    ${line}`),
    `    ${paint.faint('$')} ${plain(item.command)}`,
  ];
}

/** One task by its id, several by their number and the first ids. */
function subject({ tasks, task }: InboxItem): string {
  const ids = tasks.map(plain);
  if (ids.length <= 1) return plain(task ?? '');
  const named = ids.slice(0, 3).join(', ');
  return `${ids.length} tasks: ${named}${ids.length > 3 ? ', …' : ''}`;
}

function waited(since: string, now: number): string {
  const ms = now - Date.parse(since);
  return Number.isFinite(ms) && ms >= 0 ? `waits ${roughDuration(ms)}` : '';
}

/** The folder that all paths share, without a trailing slash; '' if it would be trivial. */
export function commonFolder(paths: readonly string[]): string {
  const [first, ...others] = [...new Set(paths)].map((path) => path.split('/'));
  if (!first || others.length === 0) return '';
  let shared = first.slice(0, -1);
  for (const parts of others) {
    let same = 0;
    while (same < shared.length && same < parts.length - 1 && shared[same] === parts[same]) same++;
    shared = shared.slice(0, same);
  }
  return shared.length > 1 ? shared.join('/') : '';
}
