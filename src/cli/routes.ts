// The systems that models ask for in all graphs, for the commands that list them, and their display.

import { composeStore } from '../compose/offline.ts';
import type { ConfigSource } from '../config/source.ts';
import { type RoutedGraph, type RouteInUse, routesInUse } from '../decide/routes/routes-in-use.ts';
import { unfinishedTasks } from '../domain/graph.ts';
import type { WorktreeReport } from '../domain/report.ts';
import { withView } from './connect.ts';
import type { Context } from './context.ts';
import { renderTable } from './render/table.ts';

/** A worktree with a graph. */
export type GraphWorktree = WorktreeReport & { readonly graph: string };

/** The worktrees that have a graph, each graph once. */
export async function worktreesWithGraphs(context: Context): Promise<readonly GraphWorktree[]> {
  const report = await withView(context, (view) => view.status());
  return graphsOf(report.worktrees);
}

/** Those of the worktrees that have a graph, each graph once. */
export function graphsOf(worktrees: readonly WorktreeReport[]): readonly GraphWorktree[] {
  const seen = new Set<string>();
  return worktrees.flatMap((worktree) => {
    const { graph } = worktree;
    if (graph === null || seen.has(graph)) return [];
    seen.add(graph);
    return [{ ...worktree, graph }];
  });
}

/** Whether the profiles of its own config.toml apply. */
export function isTrusted(worktree: WorktreeReport): boolean {
  return !worktree.problems.some((problem) => problem.code === 'untrusted');
}

/** What the graphs of these worktrees ask for. */
export async function routesOf(
  worktrees: readonly GraphWorktree[],
  source: ConfigSource,
): Promise<readonly RouteInUse[]> {
  const graphs: RoutedGraph[] = [];
  for (const worktree of worktrees) {
    const { graph } = worktree;
    const { tasks } = await composeStore({ graph, config: source.current() }).refresh();
    const profiles = source.profilesFor(graph, { trust: isTrusted(worktree) });
    graphs.push({ tasks: unfinishedTasks(tasks), profiles });
  }
  return routesInUse(graphs);
}

/** How often and where a route is asked for, as text. */
export function askedBy({ tasks, settings }: RouteInUse): string {
  const counted = tasks === 0 ? [] : [tasks === 1 ? '1 task' : `${tasks} tasks`];
  return [...counted, ...settings].join(', ');
}

/** The routes as a table; empty if there are none. */
export function renderRoutes(routes: readonly RouteInUse[], context: Context): string {
  if (routes.length === 0) return '';
  return renderTable({
    columns: [
      { head: 'ROUTE', min: 8 },
      { head: 'EXECUTOR', min: 8 },
      { head: 'STATE' },
      { head: 'ASKED FOR BY', min: 10 },
      { head: 'BECAUSE', min: 14, drop: 1 },
    ],
    rows: routes.map((route) => [
      route.route,
      route.executor ?? 'no profile',
      { text: route.state, paint: route.state === 'ok' ? context.paint.good : context.paint.bad },
      askedBy(route),
      route.state === 'ok' ? '' : route.because,
    ]),
    width: context.width,
    head: context.paint.faint,
  });
}
