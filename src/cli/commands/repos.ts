// `supervisor repos`: which repositories are served, and the lines of supervisor.toml that say so.

import { resolve } from 'node:path';
import { addRepos, removeRepo } from '../../config/add-repos.ts';
import { loadMachineConfig } from '../../config/load.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { realPathOrSame } from '../../platform/real-path.ts';
import { createDiscovery, type DiscoveredRepository } from '../../worktrees/discover.ts';
import { settingsBelow } from '../../worktrees/settings.ts';
import { reloadSupervisor } from '../connect.ts';
import { type Context, shortPath } from '../context.ts';
import { plain } from '../render/plain.ts';
import { renderTable } from '../render/table.ts';

/** `supervisor repos`: what is served and by which setting. */
export async function listRepos(context: Context): Promise<number> {
  const { configFile } = await context.paths();
  const { config } = loadMachineConfig(configFile, { home: context.environment.home });
  const discovery = createDiscovery(context.environment);
  const named = await discovery.list({ repos: config.repos, roots: [] });
  const all = await discovery.list(config);
  const ids = new Set(named.map(({ repository }) => repository.id));
  const rows = all.map(({ repository }) => ({
    path: repository.path,
    name: repository.name,
    worktrees: repository.worktrees.length,
    by: ids.has(repository.id) ? 'repos' : 'roots',
    problem: repository.problem,
  }));
  if (context.json) context.outJson({ file: configFile, repos: rows });
  else if (rows.length === 0)
    context.out('no repository is named; `supervisor repos add` names the one of this folder\n');
  else
    context.out(
      renderTable({
        columns: [
          { head: 'REPOSITORY', min: 12, cut: 'start' },
          { head: 'WORKTREES', align: 'right', drop: 1 },
          { head: 'BY' },
          { head: 'PROBLEM', min: 12 },
        ],
        rows: rows.map((row) => [
          shortPath(row.path, context),
          row.worktrees,
          `[[${row.by}]]`,
          row.problem ?? '',
        ]),
        width: context.width,
        head: context.paint.faint,
      }),
    );
  return 0;
}

/** `supervisor repos add [FOLDER…]`. */
export async function addRepositories(
  context: Context,
  folders: readonly string[],
  { trust = true }: { readonly trust?: boolean },
): Promise<number> {
  const { configFile } = await context.paths();
  const { home } = context.environment;
  const { config } = loadMachineConfig(configFile, { home });
  const discovery = createDiscovery(context.environment);
  const served = new Set((await discovery.list(config)).map(({ repository }) => repository.id));
  const found: DiscoveredRepository[] = [];
  for (const folder of folders.length === 0 ? ['.'] : folders)
    found.push(await repositoryAt(context, folder));
  const fresh = [...new Map(found.map((each) => [each.repository.id, each])).values()].filter(
    ({ repository }) => !served.has(repository.id),
  );
  if (fresh.length > 0) {
    addRepos(
      configFile,
      fresh.map(({ repository }) => ({ path: repository.path, trust })),
      home,
    );
    await reloadSupervisor(context);
  }
  const added = fresh.map(({ repository }) => repository.path);
  if (context.json) context.outJson({ file: configFile, added });
  else if (added.length === 0) context.out('served already\n');
  else
    for (const path of added)
      context.out(`${plain(shortPath(path, context))} added to ${plain(shortPath(configFile, context))}\n`);
  return 0;
}

/** `supervisor repos remove FOLDER…`. */
export async function removeRepositories(context: Context, folders: readonly string[]): Promise<number> {
  const { configFile } = await context.paths();
  const { home } = context.environment;
  const removed: string[] = [];
  for (const folder of folders) {
    const path = realPathOrSame(resolve(context.cwd, folder));
    const { config } = loadMachineConfig(configFile, { home });
    // What is named may be any folder of the repository, and may be gone.
    const named = config.repos.find((repo) => repo.path === path || realPathOrSame(repo.path) === path);
    if (named === undefined || removeRepo(configFile, named.path, home) === 0)
      throw new SupervisorError('not-found', `no [[repos]] in ${configFile} names ${path}`, {
        hint:
          named === undefined
            ? '`supervisor repos` lists them; below [[roots]], `exclude` leaves worktrees out'
            : 'its block is not plain to read; remove it in an editor',
      });
    removed.push(named.path);
  }
  await reloadSupervisor(context);
  if (context.json) context.outJson({ file: configFile, removed });
  else
    for (const path of removed)
      context.out(`${plain(shortPath(path, context))} is no longer served; what runs there continues\n`);
  return 0;
}

async function repositoryAt(context: Context, folder: string): Promise<DiscoveredRepository> {
  const path = realPathOrSame(resolve(context.cwd, folder));
  const settings = settingsBelow({ path, trust: false, depth: 0 }, path);
  const [found] = await createDiscovery(context.environment).list({ repos: [settings], roots: [] });
  if (found && found.repository.problem === null) return found;
  throw new SupervisorError('not-found', `there is no git repository at ${path}`, {
    hint: 'name its folder; `supervisor setup FOLDER` finds those below one',
  });
}
