// `why` for people: the verdict, then every condition that was judged.

import type { WhyReport } from '../../domain/report.ts';
import type { Context } from '../context.ts';
import { plain } from './plain.ts';
import { openQuestions, runRows } from './run-view.ts';
import { section } from './status-view.ts';
import { taskHeader } from './task-view.ts';
import { textWidth, wrap } from './text-width.ts';

/** The whole of `why`. */
export function whyView(
  report: WhyReport,
  context: Context,
  options: { readonly all?: boolean } = {},
): string {
  const parts = [taskHeader(report, context)];
  const asked = openQuestions(report.runs);
  if (asked !== '') parts.push(section('Waits for an answer', asked, context));
  if (report.conditions.length > 0)
    parts.push(section('Conditions', conditionLines(report, context, options.all === true), context));
  if (report.runs.length > 0)
    parts.push(
      section('Runs', runRows(report.runs.slice(0, 5), context, { ids: true, tasks: false }), context),
    );
  return parts.join('\n');
}

/** How many conditions that are met are shown beside one that is not. */
const FEW = 3;

function conditionLines(report: WhyReport, { paint, width }: Context, all: boolean): string {
  const unmet = report.conditions.filter((condition) => !condition.met);
  // Conditions that are met are irrelevant if another one blocks.
  const met = report.conditions.length - unmet.length;
  const shown = all || unmet.length === 0 || met <= FEW ? report.conditions : unmet;
  const folded = report.conditions.length - shown.length;
  const names = shown.map((condition) => plain(condition.name));
  const wide = Math.max(...names.map(textWidth));
  const lines = shown
    .map((condition, index) => {
      const mark = condition.met ? paint.good('✓') : paint.bad('✗');
      const lead = `  ${mark} ${(names[index] ?? '').padEnd(wide)}  `;
      const lines = wrap(plain(condition.because), Math.max(20, width - wide - 6));
      return `${lead}${lines.join(`\n${' '.repeat(wide + 6)}`)}\n`;
    })
    .join('');
  if (folded === 0) return lines;
  return `${lines}  ${paint.good('✓')} ${folded} more ${folded === 1 ? 'is' : 'are'} met; --all shows them\n`;
}
