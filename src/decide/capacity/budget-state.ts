// Budgets over the world: whose work is whose, and what one more run is told of what is left.

import { amountText } from '../../domain/budget.ts';
import type { GraphPath } from '../../domain/ids.ts';
import type { Plan } from '../../domain/plan.ts';
import { profileNamed } from '../routes/route.ts';
import type { GraphView, World } from '../world.ts';
import { Budgets } from './budgets.ts';

/** The budgets as they stand; undefined if there are none, or if the spending is unknown. */
export function budgetsOf(world: World, views: ReadonlyMap<GraphPath, GraphView>): Budgets | undefined {
  const { config, spending, now, runs, ending = [] } = world;
  if (!spending || !config.budgets || config.budgets.length === 0) return undefined;
  const over = new Set(ending.map((run) => run.id));
  const names = new Map<string, string[]>();
  for (const { repo, repoName, settings, worktree } of world.graphs)
    names.set(repo, [...(names.get(repo) ?? [repo]), repoName, settings.path, worktree]);
  return new Budgets({
    now,
    zone: config.timezone,
    budgets: config.budgets,
    spending,
    runs: [...runs.filter((run) => !over.has(run.id)), ...ending],
    profileOf({ graph, executor }) {
      const view = views.get(graph);
      return view ? profileNamed(executor, view.profiles) : (config.profiles.get(executor) ?? null);
    },
    namesOf: (repo) => names.get(repo) ?? [repo],
    createdAtOf: (graph, task) => views.get(graph)?.snapshot.tasks.get(task)?.createdAt ?? null,
  });
}

/** The plan with what is left of each of its budgets once it has begun. */
export function withBudgets(plan: Plan, budgets: Budgets | undefined): Plan {
  const standings = budgets?.standingsOf(plan) ?? [];
  if (standings.length === 0) return plan;
  const budgetsLeft = standings.map(({ budget, spent, used }) => {
    const left = amountText(Math.max(0, budget.cap - spent - used), budget.unit);
    const ended = budget.onSpent === 'stop' && budget.unit !== 'runs';
    return `${left} of ${amountText(budget.cap, budget.unit)} (budget ${budget.name})${ended ? '; when it is spent, you are ended' : ''}`;
  });
  return { ...plan, budgetsLeft };
}
