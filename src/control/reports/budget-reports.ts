// Budgets in the words of `status` and `budgets`.

import { budgetsOf } from '../../decide/capacity/budget-state.ts';
import { type BudgetStanding, spentText, usedPart } from '../../decide/capacity/budgets.ts';
import type { World } from '../../decide/world.ts';
import type { BudgetReport, ReportedProblem } from '../../domain/report.ts';
import { isoTime } from '../../platform/clock.ts';

/** How every budget stands; none where no supervisor ever ran, or none is configured. */
export function budgetReports(world: World): BudgetReport[] {
  return standingsOf(world).map((standing) => {
    const { budget, task, spent, used, running, runningRuns, untold, window } = standing;
    const { name, unit, cap, per, repo, profile, account, model, onSpent } = budget;
    return {
      ...{ name, unit, cap, per, repo, profile, account, model },
      task: task?.task ?? null,
      ...{ spent, used, running, running_runs: runningRuns, untold },
      left: Math.max(0, cap - spent - used),
      state: stateOf(standing),
      on_spent: onSpent,
      next_at: window.until === null ? null : isoTime(window.until),
    };
  });
}

/** Budgets that are nearly or wholly spent. */
export function budgetProblems(world: World): ReportedProblem[] {
  return standingsOf(world)
    .filter((standing) => stateOf(standing) !== 'ok')
    .map((standing) => {
      const { budget, task } = standing;
      const whose = task === null ? '' : ` of ${task.task}`;
      const percent = Math.floor(usedPart(standing) * 100);
      return {
        code: 'budget',
        message: `budget ${budget.name}${whose}: ${percent} % used (${spentText(standing)}); \`supervisor budgets\` shows all`,
      };
    });
}

function standingsOf(world: World): BudgetStanding[] {
  const views = new Map(world.graphs.map((view) => [view.graph, view]));
  return budgetsOf(world, views)?.standings() ?? [];
}

function stateOf(standing: BudgetStanding): BudgetReport['state'] {
  const part = usedPart(standing);
  if (part >= 1) return 'spent';
  return part >= standing.budget.warnAt ? 'warn' : 'ok';
}
