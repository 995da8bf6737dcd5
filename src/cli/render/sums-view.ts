// Sums for people: what runs cost, and what happened in a while.

import type { DigestReport } from '../../domain/overview.ts';
import type { InboxItem } from '../../domain/report.ts';
import type { CostSum } from '../commands/sums.ts';
import type { Context } from '../context.ts';
import { plain } from './plain.ts';
import { relativeTime } from './relative-time.ts';
import { renderTable } from './table.ts';

/** One row per group and one for all of them. */
export function costTable(
  sums: readonly CostSum[],
  total: CostSum,
  by: string,
  context: Pick<Context, 'width' | 'paint'>,
): string {
  const rows = sums.length > 1 ? [...sums, total] : sums;
  return renderTable({
    columns: [
      { head: by.toUpperCase(), min: 10 },
      { head: 'RUNS', align: 'right' },
      { head: 'COST', align: 'right' },
      { head: 'IN', align: 'right' },
      { head: 'OUT', align: 'right' },
      { head: 'CACHED', align: 'right', drop: 1 },
      { head: 'UNREPORTED', align: 'right', drop: 2 },
    ],
    rows: rows.map((sum) => [
      sum.key,
      sum.runs,
      money(sum.cost_usd),
      count(sum.input_tokens),
      count(sum.output_tokens),
      count(sum.cached_tokens),
      sum.unreported === 0 ? '' : sum.unreported,
    ]),
    width: context.width,
    head: context.paint.faint,
  });
}

/** What happened, failures first, and what waits now. */
export function digestView(
  report: DigestReport,
  inbox: readonly InboxItem[],
  context: Pick<Context, 'width' | 'paint' | 'now'>,
): string {
  const tokens = report.input_tokens + report.output_tokens;
  const head = [
    `${report.done} done`,
    `${report.failed} failed`,
    `${report.runs} ${report.runs === 1 ? 'run' : 'runs'}`,
    ...(report.cost_usd > 0 ? [money(report.cost_usd)] : []),
    ...(tokens > 0 ? [`${count(tokens)} tokens`] : []),
  ].join(', ');
  const failedFirst = [...report.items].sort(
    (a, b) => Number(b.outcome === 'failed') - Number(a.outcome === 'failed'),
  );
  const table = renderTable({
    columns: [
      { head: 'WHEN', drop: 2 },
      { head: 'TASK' },
      { head: 'EXECUTOR', min: 8, drop: 1 },
      { head: 'OUTCOME' },
      { head: 'WHAT', min: 12 },
    ],
    rows: failedFirst.map((item) => [
      relativeTime(item.at, context.now()),
      item.task,
      item.executor,
      item.outcome === 'failed' ? { text: item.outcome, paint: context.paint.bad } : item.outcome,
      item.message,
    ]),
    width: context.width,
    head: context.paint.faint,
  });
  const waiting = inbox.slice(0, 10).map((item) => `  ${plain(item.because)}\n    ${plain(item.command)}\n`);
  const rest = inbox.length > 10 ? `  and ${inbox.length - 10} more: supervisor inbox\n` : '';
  return [
    `since ${relativeTime(report.since, context.now())}: ${head}\n`,
    ...(table === '' ? [] : [table]),
    ...(waiting.length === 0
      ? ['nothing waits for you\n']
      : [`${inbox.length === 1 ? '1 waits' : `${inbox.length} wait`} for you:\n${waiting.join('')}${rest}`]),
  ].join('\n');
}

function money(usd: number): string {
  return usd === 0 ? '' : `$${usd.toFixed(usd < 1 ? 4 : 2)}`;
}

function count(tokens: number): string {
  if (tokens === 0) return '';
  if (tokens < 1_000) return String(tokens);
  return tokens < 1_000_000 ? `${(tokens / 1_000).toFixed(1)}k` : `${(tokens / 1_000_000).toFixed(1)}M`;
}
