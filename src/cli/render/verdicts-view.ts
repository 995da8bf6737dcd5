// `why --at` and `why --between` for people: what was said of a task, a row for each time it changed.

import type { VerdictSpanReport, VerdictsReport } from '../../domain/report.ts';
import type { Context } from '../context.ts';
import { statePaint } from './color.ts';
import { plain } from './plain.ts';
import { localDay, roughDuration, timeOfDay } from './relative-time.ts';
import { renderTable } from './table.ts';
import { wrap } from './text-width.ts';

/** The spans of a period; one instant is told in sentences. */
export function verdictsView(report: VerdictsReport, context: Context): string {
  const title = context.paint.strong(plain(report.task));
  if (report.spans.length === 0)
    return `${title}\n  nothing was recorded of it ${report.from === report.to ? 'then' : 'in that time'}: it was not there, or finished before\n`;
  if (report.from === report.to) return instantView(report, title, context);
  const days = new Set([report.from, report.to].map((instant) => stamp(instant, true).slice(0, 10)));
  const isOneDay = days.size === 1;
  return `${title}\n${renderTable({
    columns: [
      { head: 'FROM' },
      { head: 'TO' },
      { head: 'FOR', align: 'right', drop: 1 },
      { head: 'STATE' },
      { head: 'WHY', min: 20 },
    ],
    rows: report.spans.map((span) => [
      stamp(span.from, !isOneDay),
      span.to === null ? 'now' : stamp(span.to, !isOneDay),
      roughDuration((span.to === null ? context.now() : Date.parse(span.to)) - Date.parse(span.from)),
      { text: stateOf(span), paint: statePaint(span.state, context.paint) },
      span.because,
    ]),
    width: context.width,
    head: context.paint.faint,
  })}`;
}

function instantView(report: VerdictsReport, title: string, context: Context): string {
  const span = report.spans.at(-1);
  if (!span) return '';
  const until = span.to === null ? 'and still is' : `until ${stamp(span.to, true)}`;
  const lines = [
    `${title} at ${stamp(report.from, true)}`,
    `  ${statePaint(span.state, context.paint)(stateOf(span))} (${span.code}), since ${stamp(span.from, true)}, ${until}`,
    ...wrap(plain(span.because), Math.max(20, context.width - 2)).map((line) => `  ${line}`),
  ];
  return `${lines.join('\n')}\n`;
}

function stateOf({ state, code }: VerdictSpanReport): string {
  return code === 'not-running' ? 'unknown' : state;
}

/** Local time, as it was asked for. */
function stamp(instant: string, withDay: boolean): string {
  const at = Date.parse(instant);
  return withDay ? `${localDay(at)} ${timeOfDay(at)}` : timeOfDay(at);
}
