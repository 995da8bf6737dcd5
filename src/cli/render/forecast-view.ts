// When tasks end, as ranges: a table, and for one task a picture of its range, its way and its spread.

import type { ForecastReport, ForecastRow } from '../commands/forecast.ts';
import type { Context } from '../context.ts';
import { plain } from './plain.ts';
import { localDay, roughDuration, timeOfDay } from './relative-time.ts';
import { renderTable } from './table.ts';

type Around = Pick<Context, 'width' | 'paint' | 'now'>;

const BAR = 40;
/** Tasks that are on the way less often than this say little. */
const RARELY = 0.05;
const PATH_SHOWN = 8;

const SPREAD_WORDS: Readonly<Record<string, string>> = {
  work: 'how long the work takes',
  places: 'waiting for room',
  quota: 'quota',
  people: 'waiting for people',
};

/** The report for people. */
export function forecastView(
  report: ForecastReport,
  { width, paint }: Pick<Context, 'width' | 'paint'>,
): string {
  // Drawing takes seconds: everything is told from the instant at which it began.
  const around = { width, paint, now: () => Date.parse(report.generated_at) };
  if (report.draws === 0)
    return (
      `not enough history: ${report.history_runs} finished runs, ${report.history_needed} are needed\n` +
      'ask again when more has been run\n'
    );
  const foot = around.paint.faint(
    `from ${report.history_runs} runs, ${report.draws} courses drawn (--seed ${report.seed} draws the same)\n`,
  );
  if (report.target) return `${targetView(report.target, around)}\n${foot}`;
  if (report.tasks.length === 0) return 'everything is done\n';
  const worktrees = new Set(report.tasks.map(({ worktree }) => worktree)).size;
  const table = renderTable({
    columns: [
      { head: 'TASK' },
      { head: 'WORKTREE', min: 8, cut: 'start', drop: 2 },
      { head: '50 %', align: 'right' },
      { head: '80 %', align: 'right' },
      { head: '95 %', align: 'right' },
      { head: 'NOW', min: 16, drop: 1 },
    ],
    rows: report.tasks.map((row) => [
      row.task,
      worktrees > 1 ? row.worktree : '',
      ...[row.p50, row.p80, row.p95].map((at) => ends(at, around)),
      row.because,
    ]),
    width: around.width,
    head: around.paint.faint,
  });
  return `${table}${foot}`;
}

function ends(at: string | null, { now }: Around): string {
  return at === null ? 'needs you' : `in ${roughDuration(Math.max(0, Date.parse(at) - now()))}`;
}

function targetView(target: NonNullable<ForecastReport['target']>, around: Around): string {
  const { paint } = around;
  const said = [
    ['50 %', target.p50],
    ['80 %', target.p80],
    ['95 %', target.p95],
  ] as const;
  const lines = [
    paint.strong(plain(target.task)),
    ...said.map(
      ([share, at]) =>
        `  ${share}  ${at === null ? ends(null, around) : `by ${localDay(Date.parse(at))} ${timeOfDay(Date.parse(at)).slice(0, 5)}, ${ends(at, around)}`}`,
    ),
  ];
  const bar = rangeBar(target, around);
  if (bar !== null) lines.push(`  ${bar}`);
  if (target.ends < 1)
    lines.push(
      `  in ${percent(1 - target.ends)} of the courses it does not end: ${plain(target.because) || 'something waits for a person'}`,
    );
  if (target.cost_usd)
    lines.push(
      `  costs $${target.cost_usd.p10.toFixed(2)} to $${target.cost_usd.p90.toFixed(2)} from now on`,
    );
  const path = target.path.filter(({ share }) => share >= RARELY).slice(0, PATH_SHOWN);
  if (path.length > 1)
    lines.push(
      '',
      'On the longest way:',
      ...path.map(({ task, share }) => `  ${shareBar(share, around)} ${plain(task)}`),
    );
  const spread = Object.entries(target.spread ?? {}).filter(([, share]) => share >= 0.01);
  if (spread.length > 0)
    lines.push(
      '',
      'What the spread is made of:',
      ...spread
        .sort(([, a], [, b]) => b - a)
        .map(([part, share]) => `  ${shareBar(share, around)} ${SPREAD_WORDS[part] ?? part}`),
    );
  return `${lines.join('\n')}\n`;
}

/** The range from now to the 95 % instant: thick where most ends fall. */
function rangeBar({ p10, p50, p90, p95 }: ForecastRow, { now, paint, width }: Around): string | null {
  if (p10 === null || p50 === null || p90 === null || p95 === null) return null;
  const cells = Math.min(BAR, width - 4);
  const whole = Math.max(1, Date.parse(p95) - now());
  const at = (instant: string) => Math.round(((Date.parse(instant) - now()) / whole) * (cells - 1));
  const [from, middle, to] = [at(p10), at(p50), at(p90)];
  const drawn = Array.from({ length: cells }, (_, n) =>
    n === middle ? '◆' : n >= from && n <= to ? '━' : '─',
  );
  return drawn.map((cell) => (cell === '─' ? paint.faint(cell) : paint.busy(cell))).join('');
}

function shareBar(share: number, { paint }: Around): string {
  const filled = Math.round(Math.max(0, Math.min(1, share)) * 10);
  const bar = paint.busy('━'.repeat(filled)) + paint.faint('─'.repeat(10 - filled));
  return `${bar} ${percent(share).padStart(5)}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
