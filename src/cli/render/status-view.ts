// `status` and `worktrees` for people.

import type {
  HeldReport,
  ReportedProblem,
  RunReport,
  StatusReport,
  WorktreeReport,
} from '../../domain/report.ts';
import { type Context, shortPath } from '../context.ts';
import { statePaint } from './color.ts';
import { inboxView } from './inbox-view.ts';
import { plain } from './plain.ts';
import { relativeTime, roughDuration } from './relative-time.ts';
import { runRows } from './run-view.ts';
import { renderTable } from './table.ts';
import { wrap } from './text-width.ts';

/** Inbox items at the top of `status`. */
const MOST_ITEMS = 8;
/** Rows of the reasons table; the others are summarised in one line. */
const MOST_REASONS = 20;

/** The whole of `status`. */
export function statusView(report: StatusReport, context: Context): string {
  const parts = [headline(report, context)];
  if (report.inbox.length > 0)
    parts.push(section('Needs you', inboxView(report.inbox, context, MOST_ITEMS), context));
  parts.push(worktreeTable(report.worktrees, context));
  if (report.runs.length > 0) parts.push(section('Running', runRows(report.runs, context), context));
  const claimed = claimedTable(report, context);
  if (claimed !== '') parts.push(section('Claimed by others', claimed, context));
  parts.push(reasons(report.held, context));
  const schedules = scheduleTable(report, context);
  if (schedules !== '') parts.push(section('Schedules', schedules, context));
  const troubles = problemLines(report, context);
  if (troubles !== '') parts.push(section('Problems', troubles, context));
  return `${parts.filter((part) => part !== '').join('\n')}`;
}

/** The first line: how the supervisor is. */
export function headline(
  { supervisor, limits, problems, workers }: StatusReport,
  context: Pick<Context, 'paint' | 'now'>,
): string {
  const { paint } = context;
  if (!supervisor.running) {
    const start = problems.some((problem) => problem.code === 'config')
      ? ''
      : ': start one with `supervisor run`';
    return `${paint.caution('no supervisor is running')}${start}\n`;
  }
  const since = supervisor.started_at === null ? null : Date.parse(supervisor.started_at);
  const facts = [
    `supervisor ${paint.good(plain(supervisor.state))}`,
    `pid ${supervisor.pid ?? '?'}`,
    ...(supervisor.mode === 'dispatch'
      ? []
      : [paint.caution(`${plain(supervisor.mode)} mode: nothing is started`)]),
    ...(since === null ? [] : [`up ${roughDuration(Math.max(0, context.now() - since))}`]),
    `${limits.running} of ${limits.max_concurrent} running`,
    ...(workers.length > 0 ? [`${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`] : []),
    ...(limits.queued > 0 ? [paint.caution(`${limits.queued} queued`)] : []),
    ...shortOf(limits).map((short) => paint.bad(short)),
  ];
  return `${facts.join(' · ')}\n`;
}

/** What the machine lacks; the sentences are with the tasks that wait for it. */
function shortOf({ machine }: StatusReport['limits']): readonly string[] {
  const kinds = new Set(machine?.short.map(({ kind }) => kind));
  return [...kinds].map((kind) => (kind === 'load' ? 'overloaded' : `short of ${kind}`));
}

/** Every worktree with its counts; `worktrees` shows this alone, with the reasons. */
export function worktreeTable(
  worktrees: readonly WorktreeReport[],
  context: Context,
  options: { readonly because?: boolean } = {},
): string {
  if (worktrees.length === 0)
    return 'no worktrees: add a repository under [[repos]] in supervisor.toml, or run this inside one\n';
  const { paint } = context;
  const count = (value: number, colour: (text: string) => string) =>
    value === 0 ? '' : { text: String(value), paint: colour };
  const same = (text: string) => text;
  return renderTable({
    columns: [
      { head: 'WORKTREE', min: 16, cut: 'start' },
      { head: 'REPO', min: 6, drop: 4 },
      { head: 'BRANCH', min: 8, drop: 3 },
      { head: 'STATE' },
      { head: 'READY', align: 'right' },
      { head: 'RUNNING', align: 'right' },
      { head: 'SCHEDULED', align: 'right', drop: 7 },
      { head: 'WAITING', align: 'right', drop: 6 },
      { head: 'HELD', align: 'right' },
      { head: 'PAUSED', align: 'right', drop: 8 },
      { head: 'DONE', align: 'right', drop: 5 },
      { head: 'FAILED', align: 'right' },
      ...(options.because ? [{ head: 'BECAUSE', min: 14, drop: 9 }] : []),
    ],
    rows: worktrees.map(({ path, repo, branch, state, counts, copies = 0, because }) => [
      shortPath(path, context),
      repo,
      branch ?? '',
      { text: copies > 0 ? `${state}, ${copies} copied` : state, paint: statePaint(state, paint) },
      count(counts.ready, paint.good),
      count(counts.running, paint.busy),
      count(counts.scheduled, paint.caution),
      count(counts.waiting, paint.faint),
      count(counts.held, paint.bad),
      count(counts.paused, paint.faint),
      count(counts.done, same),
      count(counts.failed, paint.bad),
      ...(options.because ? [because] : []),
    ]),
    width: context.width,
    head: paint.faint,
  });
}

/** Tasks that are not running for the same reason, as one row; `worktree` null if they are in several. */
interface FoldedReason extends Omit<HeldReport, 'worktree' | 'task'> {
  readonly worktree: string | null;
  readonly tasks: readonly string[];
}

/** Shared reasons are shown once: "18 tasks: the machine runs 4 of 4". */
function foldReasons(held: readonly HeldReport[]): FoldedReason[] {
  const folded = new Map<string, FoldedReason>();
  for (const report of held) {
    const key = `${report.state}\n${report.code}\n${report.because}`;
    const first = folded.get(key);
    folded.set(
      key,
      first
        ? {
            ...first,
            worktree: first.worktree === report.worktree ? first.worktree : null,
            tasks: [...first.tasks, report.task],
          }
        : { ...report, tasks: [report.task] },
    );
  }
  return [...folded.values()];
}

/** Why open tasks are not running: what needs a person first, what waits for other tasks last. */
function reasons(held: readonly HeldReport[], context: Context): string {
  const rank = (report: FoldedReason) =>
    ['held', 'queued', 'ready', 'scheduled', 'copy', 'waiting', 'paused'].indexOf(report.state);
  const sorted = foldReasons(held).sort((a, b) => rank(a) - rank(b));
  const shown = sorted.slice(0, MOST_REASONS);
  const table = renderTable({
    columns: [
      { head: 'TASK' },
      { head: 'WORKTREE', min: 8, cut: 'start', drop: 2 },
      { head: 'STATE' },
      { head: 'BECAUSE', min: 14 },
      { head: 'NEXT LOOK', drop: 1 },
    ],
    rows: shown.map((report) => [
      report.tasks.length <= 3 ? report.tasks.join(', ') : `${report.tasks.length} tasks`,
      report.worktree === null ? '' : shortPath(report.worktree, context),
      { text: report.state, paint: statePaint(report.state, context.paint) },
      report.because,
      relativeTime(report.next_at, context.now()),
    ]),
    width: context.width,
    head: context.paint.faint,
  });
  if (table === '') return '';
  const rest = sorted.length - shown.length;
  const more = rest === 0 ? '' : `… and ${rest} more: \`supervisor list\` shows every one\n`;
  return section('Not running', table + more, context);
}

/** What is counted as running and is no run of this supervisor. */
function claimedTable({ claimed = [] }: StatusReport, context: Context): string {
  const rest = claimed.length - MOST_REASONS;
  const more = rest <= 0 ? '' : `… and ${rest} more: \`supervisor list --state running\` shows every one\n`;
  return (
    renderTable({
      columns: [
        { head: 'TASK' },
        { head: 'WORKTREE', min: 8, cut: 'start', drop: 1 },
        { head: 'AGENT', min: 8 },
        { head: 'SINCE' },
      ],
      rows: claimed
        .slice(0, MOST_REASONS)
        .map(({ task, worktree, agent, since }) => [
          task,
          shortPath(worktree, context),
          agent ?? 'not named',
          relativeTime(since, context.now()),
        ]),
      width: context.width,
      head: context.paint.faint,
    }) + more
  );
}

function scheduleTable({ schedules }: StatusReport, context: Context): string {
  return renderTable({
    columns: [
      { head: 'TASK', min: 12 },
      { head: 'WORKTREE', min: 8, cut: 'start', drop: 1 },
      { head: 'SCHEDULE', min: 8 },
      { head: 'NEXT' },
    ],
    rows: schedules
      .slice(0, MOST_REASONS)
      .map(({ task, worktree, schedule, next_at }) => [
        task,
        shortPath(worktree, context),
        schedule,
        relativeTime(next_at, context.now()),
      ]),
    width: context.width,
    head: context.paint.faint,
  });
}

function problemLines(report: StatusReport, context: Context): string {
  const one = ({ message }: ReportedProblem, where: string | null) => {
    const text = where === null ? plain(message) : `${shortPath(plain(where), context)}: ${plain(message)}`;
    return wrap(`! ${text}`, context.width)
      .map((line, index) => `${index === 0 ? '' : '  '}${context.paint.bad(line)}\n`)
      .join('');
  };
  return [
    ...report.problems.map((problem) => one(problem, null)),
    ...report.worktrees.flatMap((worktree) =>
      worktree.problems.map((problem) => one(problem, worktree.path)),
    ),
  ].join('');
}

/** A heading over a block. */
export function section(title: string, body: string, context: Pick<Context, 'paint'>): string {
  return `${context.paint.strong(title)}\n${body}`;
}

/** What is running elsewhere or not started yet, for the end of `run --once`. */
export function remainder(report: StatusReport, context: Context): string {
  const open = report.runs.filter((run: RunReport) => run.phase === 'handed-off' || run.phase === 'started');
  const parts = [
    open.length > 0 ? section('Still under way', runRows(open, context), context) : '',
    reasons(report.held, context),
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'nothing is left to do\n' : parts.join('\n');
}
