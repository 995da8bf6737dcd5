// Checks of what is served: repositories, graphs, executors, and what models ask for.

import { createConfigSource } from '../../config/source.ts';
import type { Config } from '../../domain/config.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { goesElsewhere, isAgentProfile, type Profile } from '../../domain/profile.ts';
import type { WorktreeReport } from '../../domain/report.ts';
import { withView } from '../connect.ts';
import { type Context, shortPath } from '../context.ts';
import { probe } from '../probe.ts';
import { askedBy, graphsOf, isTrusted, routesOf } from '../routes.ts';
import { servedPlaces } from '../served-places.ts';
import type { Finding } from './finding.ts';

/** Everything that the configuration points at. `config`: as it could be loaded. */
export async function world(context: Context, config: Config): Promise<Finding[]> {
  try {
    const { worktrees } = await withView(context, (view) => view.status());
    const source = createConfigSource({ paths: await context.paths(), environment: context.environment });
    const profiles = new Map(config.profiles);
    for (const worktree of graphsOf(worktrees))
      if (isTrusted(worktree))
        for (const [name, profile] of source.profilesFor(worktree.graph, { trust: true }).byName)
          if (!profiles.has(name)) profiles.set(name, profile);
    return [
      ...(await repositories(context, config)),
      ...worktrees.flatMap((worktree) => graphs(worktree, context)),
      ...(await executors(profiles, context)),
      ...(await routesOf(graphsOf(worktrees), source)).map((route): Finding => {
        const check = `route ${route.route}`;
        if (route.executor === null)
          return { check, result: 'note', because: `${askedBy(route)}: ${route.because}` };
        return {
          check,
          result: 'ok',
          because: `${route.executor} serves it; asked for by ${askedBy(route)}`,
        };
      }),
    ];
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    // A configuration that cannot be loaded is a finding of its own.
    return [];
  }
}

async function repositories(context: Context, config: Config): Promise<Finding[]> {
  if (config.repos.length + config.roots.length === 0) return [];
  const check = 'repositories';
  const places = await servedPlaces(config, context.environment);
  const count = `${places.repositories} ${places.repositories === 1 ? 'repository' : 'repositories'}`;
  return [
    { check, result: 'ok', because: `${count} can be served` },
    ...places.problems.map(({ message }): Finding => ({ check, result: 'failed', because: message })),
    ...places.notes.map((because): Finding => ({ check, result: 'note', because })),
  ];
}

/** Others who serve a graph, and what a person decided: no fault of the graph. */
const HELD_ON_PURPOSE = new Set([
  'wg-daemon',
  'wg-paused',
  'other-supervisor',
  'untrusted',
  'needs-wg',
  'paused',
]);

/** Graphs that are held, in conflict or oddly written. Worktrees without one are no news. */
function graphs({ path, graph, state, problems }: WorktreeReport, context: Context): Finding[] {
  if (graph === null && state === 'unreadable') return [];
  return problems.map(({ code, message }): Finding => {
    const isHeld = state === 'held' || state === 'graph-gone';
    const fails = isHeld && !HELD_ON_PURPOSE.has(code) && message === problems[0]?.message;
    return {
      check: 'graph',
      result: fails ? 'failed' : 'note',
      because: `${shortPath(path, context)}: ${message}`,
    };
  });
}

/** Asked, not assumed: the programs are looked for, the endpoints are connected to. Agents' programs have checks of their own. */
async function executors(profiles: ReadonlyMap<string, Profile>, context: Context): Promise<Finding[]> {
  const asked = [...profiles.values()].filter(
    (profile) =>
      profile.origin.file !== 'built-in' && !isAgentProfile(profile) && !goesElsewhere(profile.type),
  );
  return await Promise.all(
    asked.map(async (profile): Promise<Finding> => {
      const check = `executor ${profile.name}`;
      const { ok, because } = await probe(profile, profiles, context.environment);
      return ok
        ? { check, result: 'ok', because }
        : { check, result: 'note', because: `${because}; its tasks wait until that is mended` };
    }),
  );
}
