// `config check|example|schema|path` and `trust`: the files that users write.

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { missingConfig } from '../../config/config-text.ts';
import type { Paths } from '../../config/paths.ts';
import type { ConfigProblem } from '../../config/problems.ts';
import type { RouteInUse } from '../../decide/routes/routes-in-use.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { type Context, shortPath } from '../context.ts';
import { plain } from '../render/plain.ts';

/** `supervisor config check`. Exit 3 if anything is wrong, including single profiles. */
export async function check(context: Context): Promise<number> {
  const [{ loadMachineConfig }, paths] = await Promise.all([import('../../config/load.ts'), context.paths()]);
  const file = paths.configFile;
  if (paths.configNamed && !existsSync(file)) throw missingConfig(file);
  let problems: readonly ConfigProblem[];
  let known: readonly string[] = [];
  try {
    const loaded = loadMachineConfig(file, { home: context.environment.home });
    problems = loaded.problems;
    known = [...loaded.config.profiles.keys()];
  } catch (thrown) {
    const found = thrown instanceof SupervisorError ? thrown.details.problems : undefined;
    if (!Array.isArray(found)) throw thrown;
    problems = found as readonly ConfigProblem[];
  }
  if (problems.length === 0) problems = await problemsOfPlaces(file, context);
  const ok = problems.length === 0;
  const routes = ok ? await routesInForce(context, paths) : [];
  if (context.json)
    context.outJson({ ok, file, exists: existsSync(file), profiles: known, problems, routes });
  else if (!ok) for (const problem of problems) context.note(`supervisor: ${plain(problem.message)}`);
  else if (existsSync(file))
    context.out(`${shortPath(file, context)} is fine; profiles: ${known.map(plain).join(', ')}\n`);
  else
    context.out(
      `there is no ${shortPath(file, context)}, so defaults count: the repository of the current folder, no limits but the built-in ones\n`,
    );
  if (!context.json && routes.length > 0)
    context.out(`\n${(await import('../routes.ts')).renderRoutes(routes, context)}`);
  return ok ? 0 : 3;
}

/** Repositories and roots that are not there: a file that is fine serves nothing all the same. */
async function problemsOfPlaces(file: string, context: Context): Promise<readonly ConfigProblem[]> {
  const [{ servedPlaces }, { loadMachineConfig }] = await Promise.all([
    import('../served-places.ts'),
    import('../../config/load.ts'),
  ]);
  const { config } = loadMachineConfig(file, { home: context.environment.home });
  return (await servedPlaces(config, context.environment)).problems;
}

/** What models ask for in the graphs that this configuration serves. */
async function routesInForce(context: Context, paths: Paths): Promise<readonly RouteInUse[]> {
  const [{ createConfigSource }, { routesOf, worktreesWithGraphs }] = await Promise.all([
    import('../../config/source.ts'),
    import('../routes.ts'),
  ]);
  const source = createConfigSource({ paths, environment: context.environment });
  return routesOf(await worktreesWithGraphs(context), source);
}

/** `supervisor config example`. */
export async function example(context: Context): Promise<number> {
  const { configExample } = await import('../../config/example.ts');
  context.out(configExample());
  return 0;
}

/** `supervisor config schema`. */
export async function schema(context: Context): Promise<number> {
  const { configJsonSchema } = await import('../../config/example.ts');
  context.outJson(configJsonSchema());
  return 0;
}

/** `supervisor config path`. */
export async function path(context: Context): Promise<number> {
  const paths = await context.paths();
  if (context.json) context.outJson({ ...paths, exists: existsSync(paths.configFile) });
  else context.out(`${paths.configFile}\n`);
  return 0;
}

/**
 * `supervisor trust [PATH]`: allows what the tasks of its repository choose, and the worktree's own profiles as they
 * are now.
 */
export async function trust(
  context: Context,
  place: string | undefined,
  options: { readonly revoke?: boolean },
): Promise<number> {
  const [{ locateGraph, repositoryOf }, { createTrust }, { readConfigText }, paths, { worktreePath }] =
    await Promise.all([
      import('../../compose/offline.ts'),
      import('../../config/trust.ts'),
      import('../../config/config-text.ts'),
      context.paths(),
      import('../connect.ts'),
    ]);
  const { graph, worktree } = await locateGraph({
    cwd: context.cwd,
    create: false,
    ...(place === undefined ? {} : { worktree: worktreePath(context.cwd, place) }),
  });
  const repository = await repositoryOf(worktree, context.environment);
  const file = join(realpathSync(graph), 'config.toml');
  const record = createTrust(paths.trustFile);
  if (options.revoke) {
    const was = [record.untrustRepository(repository), record.untrust(file)].includes(true);
    await tellSupervisor(context);
    if (context.json) context.outJson({ file, repository, trusted: false });
    else context.out(`${shortPath(worktree, context)} ${was ? 'is no longer trusted' : 'was not trusted'}\n`);
    return 0;
  }
  const text = readConfigText(file);
  const found = text === null ? null : await profilesIn(file, text);
  record.trustRepository(repository);
  if (text !== null) record.trust(file, text);
  await tellSupervisor(context);
  const names = found?.names ?? [];
  const problems = found?.problems ?? [];
  if (context.json) context.outJson({ file, repository, trusted: true, profiles: names, problems });
  else {
    const what = names.length === 0 ? '' : `profiles: ${names.map(plain).join(', ')}; `;
    context.out(
      `trusted ${plain(shortPath(worktree, context))}: what its tasks name is run, in all of its worktrees\n` +
        `${what}a config.toml that comes or changes asks again\n`,
    );
    for (const problem of problems) context.note(`supervisor: ${plain(problem.message)}`);
  }
  return 0;
}

async function profilesIn(file: string, text: string) {
  const { loadWorktreeProfiles } = await import('../../config/worktree.ts');
  const retry = { attempts: 1, backoffMs: 0, maxBackoffMs: 0 };
  const { profiles, broken, problems } = loadWorktreeProfiles(file, text, retry);
  return { names: [...profiles.keys(), ...broken.keys()], problems };
}

/** A running supervisor would notice on its own, but only with its next full scan. */
async function tellSupervisor(context: Context): Promise<void> {
  const { connect } = await import('../connect.ts');
  try {
    const client = await connect(context);
    await client?.reload();
    client?.close();
  } catch (thrown) {
    // The record counts in any case; a supervisor that does not answer now will notice later.
    if (!(thrown instanceof SupervisorError)) throw thrown;
  }
}
