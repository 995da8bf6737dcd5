// Tasks for people: `list` and `show`.

import type { TaskDetailReport, TaskReport } from '../../domain/report.ts';
import { type Context, shortPath } from '../context.ts';
import { statePaint } from './color.ts';
import { plain, plainLines } from './plain.ts';
import { relativeTime } from './relative-time.ts';
import { openQuestions, runRows, usedText, usedTogether } from './run-view.ts';
import { section } from './status-view.ts';
import { renderTable } from './table.ts';
import { textWidth } from './text-width.ts';

/** Of what people had done to a task. */
const MOST_ACTIONS = 10;

/** One row per task. */
export function taskTable(tasks: readonly TaskReport[], context: Context): string {
  return renderTable({
    columns: [
      { head: 'TASK' },
      { head: 'STATE' },
      { head: 'STATUS', drop: 5 },
      { head: 'EXECUTOR', min: 8, drop: 3 },
      { head: 'PRIORITY', align: 'right', drop: 6 },
      { head: 'WORKTREE', min: 8, cut: 'start', drop: 4 },
      { head: 'TITLE', min: 12, drop: 2 },
      { head: 'BECAUSE', min: 14, drop: 1 },
    ],
    rows: tasks.map((task) => [
      task.task,
      {
        text: task.state,
        paint: statePaint(task.state === 'finished' ? task.status : task.state, context.paint),
      },
      task.status,
      task.executor ?? '',
      task.priority === 10 ? '' : task.priority,
      shortPath(task.worktree, context),
      task.title,
      task.state === 'finished' ? '' : task.because,
    ]),
    width: context.width,
    head: context.paint.faint,
  });
}

/** The facts above `show` and `why`. */
export function taskHeader(task: TaskReport, context: Context): string {
  const { paint } = context;
  const state = statePaint(task.state === 'finished' ? task.status : task.state, paint)(plain(task.state));
  return (
    `${paint.strong(plain(task.title) || plain(task.task))}\n` +
    fields(
      [
        ['task', `${plain(task.task)}  ${paint.faint(plain(task.id))}`],
        ['worktree', plain(shortPath(task.worktree, context))],
        ['status', plain(task.status)],
        ['state', `${state}: ${plain(task.because)}`],
        ['next look', relativeTime(task.next_at, context.now())],
        ['executor', plain(task.executor ?? '')],
        ['assigned', plain(task.assigned ?? '')],
        ['priority', String(task.priority)],
        ['after', plain(task.after.join(', '))],
        ['tags', plain(task.tags.join(', '))],
      ],
      context,
    )
  );
}

/** Everything of one task. */
export function taskDetailView(task: TaskDetailReport, context: Context): string {
  const parts = [taskHeader(task, context)];
  const asked = openQuestions(task.runs);
  if (asked !== '') parts.push(section('Waits for an answer', asked, context));
  const extra = [
    'exec',
    'verify',
    'schedule',
    'timezone',
    'timeout',
    'model',
    'not_before',
    'ready_after',
    'failure_reason',
  ];
  const known = extra.filter((name) => ['string', 'number'].includes(typeof task.fields[name]));
  if (known.length > 0)
    parts.push(
      fields(
        known.map((name) => [name.replaceAll('_', ' '), plain(String(task.fields[name]))]),
        context,
      ),
    );
  if (task.description !== null && task.description.trim() !== '')
    parts.push(section('Description', indent(plainLines(task.description)), context));
  if (task.artifacts.length > 0)
    parts.push(
      section(
        'Artifacts',
        task.artifacts.map((artifact) => indent(artifactText(artifact))).join(''),
        context,
      ),
    );
  if (task.log.length > 0)
    parts.push(
      section(
        'Log',
        renderTable({
          columns: [{ head: 'WHEN' }, { head: 'WHO', min: 6 }, { head: 'MESSAGE', min: 14 }],
          rows: task.log.map((entry) => [
            relativeTime(entry.timestamp, context.now()),
            entry.actor ?? '',
            entry.message,
          ]),
          width: context.width,
          head: context.paint.faint,
        }),
        context,
      ),
    );
  const actions = task.actions ?? [];
  if (actions.length > 0)
    parts.push(
      section(
        'Asked for',
        renderTable({
          columns: [{ head: 'WHEN' }, { head: 'WHO', min: 6 }, { head: 'WHAT', min: 14 }],
          rows: actions
            .slice(0, MOST_ACTIONS)
            .map(({ at, actor, action, detail }) => [
              relativeTime(at, context.now()),
              actor,
              detail === '' ? action : `${action}: ${detail}`,
            ]),
          width: context.width,
          head: context.paint.faint,
        }),
        context,
      ),
    );
  if (task.runs.length > 0)
    parts.push(section('Runs', runRows(task.runs, context, { ids: true, tasks: false }), context));
  const [last] = task.runs;
  const told = [
    ['worked in', last?.place === undefined ? '' : shortPath(plain(last.place), context)],
    ['session', plain(last?.session ?? '')],
    ['model', plain(last?.model ?? '')],
    ['used', last ? usedText(last) : ''],
    [
      'all runs',
      task.runs.filter(({ usage }) => usage).length > 1 ? usedText({ usage: usedTogether(task.runs) }) : '',
    ],
  ] as const;
  if (told.some(([, value]) => value !== '')) parts.push(section('Last run', fields(told, context), context));
  return parts.join('\n');
}

/** Names and values, one per line; empty values are omitted. */
export function fields(
  pairs: readonly (readonly [string, string])[],
  context: Pick<Context, 'paint'>,
): string {
  const filled = pairs.filter(([, value]) => value !== '');
  const wide = Math.max(...filled.map(([name]) => textWidth(name)));
  return filled.map(([name, value]) => `  ${context.paint.faint(name.padEnd(wide))}  ${value}\n`).join('');
}

function artifactText(artifact: unknown): string {
  return plainLines(typeof artifact === 'string' ? artifact : JSON.stringify(artifact, null, 2));
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}\n`)
    .join('');
}
