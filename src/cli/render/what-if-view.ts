// Two courses of the same record side by side.

import type { WhatIfReport } from '../commands/what-if.ts';
import type { Context } from '../context.ts';
import { plain } from './plain.ts';
import { localDay, roughDuration, timeOfDay } from './relative-time.ts';
import { renderTable } from './table.ts';
import { wrap } from './text-width.ts';

type Around = Pick<Context, 'width' | 'paint'>;

/** The report for people. */
export function whatIfView(report: WhatIfReport, around: Around): string {
  const { paint, width } = around;
  const { runs, same, left_out } = report.reproduced;
  const share = runs === 0 ? 0 : Math.floor((same / runs) * 1000) / 10;
  const head = [
    ...wrap(
      `replayed ${runs} runs since ${localTime(report.since)}; with today's configuration ${share} % start within a second of when they did`,
      width,
    ),
    ...(left_out > 0 ? [`${left_out} runs of graphs that are not served any more are left out`] : []),
    '',
  ];
  const waits = renderTable({
    columns: [
      { head: 'WAITING FOR ROOM', min: 12 },
      { head: 'MEDIAN', align: 'right' },
      { head: '', align: 'right' },
      { head: '95 %', align: 'right' },
      { head: '', align: 'right' },
      { head: 'LONGEST', align: 'right', drop: 1 },
      { head: '', align: 'right', drop: 1 },
    ],
    rows: report.repos.map(({ repo, before, after }) => [
      repo,
      ...[
        [before.p50_s, after.p50_s],
        [before.p95_s, after.p95_s],
        [before.longest_s, after.longest_s],
      ].flatMap(([was = 0, would = 0]) => [
        span(was),
        { text: `→ ${span(would)}`, paint: better(was, would, around) },
      ]),
    ]),
    width,
    head: paint.faint,
  });
  const { before, after } = report;
  const sums = renderTable({
    columns: [{ head: 'IN ALL' }, { head: 'TODAY', align: 'right' }, { head: 'WITH IT', align: 'right' }],
    rows: [
      ['runs that ended', before.runs, after.runs],
      ['still under way', before.unfinished_runs, after.unfinished_runs],
      ['cost', `$${before.cost_usd.toFixed(2)}`, `$${after.cost_usd.toFixed(2)}`],
      ['quota stops', before.quota_stops, after.quota_stops],
      ['last end', localTime(before.last_end), localTime(after.last_end)],
    ],
    width,
    head: paint.faint,
  });
  if (report.moved_count === 0) return `${head.join('\n')}${waits}\n${sums}\nno run starts at another time\n`;
  const moved = renderTable({
    columns: [{ head: 'STARTS OTHERWISE' }, { head: 'BY', align: 'right' }, { head: 'WHY LATER', min: 20 }],
    rows: report.moved.map(({ task, run, before: was, after: would, because }) => [
      run === 1 ? task : `${task} (run ${run})`,
      movedBy(was, would),
      because,
    ]),
    width,
    head: paint.faint,
  });
  const more = report.moved_count - report.moved.length;
  const foot = more > 0 ? `and ${more} more\n` : '';
  return `${head.map(plain).join('\n')}${waits}\n${sums}\n${moved}${foot}`;
}

function localTime(instant: string | null): string {
  if (instant === null) return '';
  const at = Date.parse(instant);
  return `${localDay(at)} ${timeOfDay(at)}`;
}

function span(seconds: number): string {
  return roughDuration(seconds * 1000);
}

function better(was: number, would: number, { paint }: Around) {
  if (Math.abs(was - would) < 1) return paint.faint;
  return would < was ? paint.good : paint.bad;
}

function movedBy(was: string | null, would: string | null): string {
  if (was === null) return 'new';
  if (would === null) return 'never';
  const by = Date.parse(would) - Date.parse(was);
  return `${by < 0 ? '−' : '+'}${roughDuration(Math.abs(by))}`;
}
