// Budgets for people: one line each.

import { amountText } from '../../domain/budget.ts';
import type { BudgetReport } from '../../domain/report.ts';
import type { Context } from '../context.ts';
import { roughDuration } from './relative-time.ts';
import { renderTable } from './table.ts';

/** The budgets as a table. */
export function budgetsView(budgets: readonly BudgetReport[], context: Context): string {
  const { paint } = context;
  const colours = { ok: paint.good, warn: paint.caution, spent: paint.bad };
  return renderTable({
    columns: [
      { head: 'BUDGET', min: 10 },
      { head: 'TASK', min: 8 },
      { head: 'STATE' },
      { head: 'USED', align: 'right' },
      { head: 'OF', align: 'right' },
      { head: 'RUNNING', drop: 1 },
      { head: 'NEXT', drop: 2 },
      { head: 'NOT TOLD', align: 'right', drop: 3 },
    ],
    rows: budgets.map((one) => [
      one.name,
      one.task ?? '',
      { text: one.state, paint: colours[one.state] },
      amountText(one.spent + one.used, one.unit),
      amountText(one.cap, one.unit),
      one.running_runs === 0 ? '' : `${one.running_runs}, to ${amountText(one.running, one.unit)}`,
      one.next_at === null ? '' : `in ${roughDuration(Math.max(0, Date.parse(one.next_at) - context.now()))}`,
      one.untold === 0 ? '' : one.untold,
    ]),
    width: context.width,
    head: paint.faint,
  });
}
