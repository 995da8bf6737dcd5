// Which systems the models of tasks and the settings of projects ask for, and which profile serves each. For lists;
// decides nothing.

import type { ProfileSet } from '../../domain/profile.ts';
import type { Task } from '../../domain/task.ts';
import { askedRoute, nobodyServes, whoServes } from './asked-route.ts';
import { routeTask } from './route.ts';

/** One requested system and its outcome. Public in JSON. */
export interface RouteInUse {
  readonly route: string;
  /** The profile that serves it; null: none, and its tasks are held. */
  readonly executor: string | null;
  readonly state: 'ok' | 'held';
  readonly because: string;
  /** Unfinished tasks whose own model asks for it. */
  readonly tasks: number;
  /** Settings of projects that ask for it. */
  readonly settings: readonly string[];
}

/** The unfinished tasks and the profiles of one graph. */
export interface RoutedGraph {
  readonly tasks: Iterable<Task>;
  readonly profiles: ProfileSet;
}

/** Routes by name; one that only some worktrees serve, or several profiles, is listed once for each. */
export function routesInUse(graphs: Iterable<RoutedGraph>): readonly RouteInUse[] {
  const found = new Map<string, RouteInUse>();
  const add = (one: Pick<RouteInUse, 'route' | 'executor' | 'because'>, setting: string | null) => {
    const key = `${one.route}\n${one.executor ?? ''}`;
    const before = found.get(key);
    const settings = before?.settings ?? [];
    found.set(key, {
      ...one,
      state: one.executor === null ? 'held' : 'ok',
      tasks: (before?.tasks ?? 0) + (setting === null ? 1 : 0),
      settings: setting === null || settings.includes(setting) ? settings : [...settings, setting],
    });
  };
  for (const { tasks, profiles } of graphs) {
    const project = askedRoute({}, profiles);
    if (project) {
      const served = whoServes(project, profiles);
      const because = served?.because ?? nobodyServes(project).because;
      add({ route: project.route.handler, executor: served?.name ?? null, because }, project.words);
    }
    for (const task of tasks) {
      const asked = task.exec?.trim() ? null : askedRoute(task, profiles);
      if (!asked || asked.isProjects) continue;
      const route = routeTask(task, profiles);
      const executor = route.routed ? route.profile.name : null;
      add({ route: asked.route.handler, executor, because: route.because }, null);
    }
  }
  return [...found.values()].sort((a, b) => (a.route < b.route ? -1 : a.route > b.route ? 1 : 0));
}
