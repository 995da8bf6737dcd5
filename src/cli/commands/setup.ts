// `supervisor setup [FOLDER…]`: from nothing to a configuration that serves the repositories one has, and a service.

import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { addRepos } from '../../config/add-repos.ts';
import { loadMachineConfig } from '../../config/load.ts';
import { SupervisorError } from '../../domain/errors.ts';
import { createDiscovery, type DiscoveredRepository } from '../../worktrees/discover.ts';
import { reloadSupervisor } from '../connect.ts';
import { type Context, shortPath } from '../context.ts';
import { plain } from '../render/plain.ts';

/** Flags of `setup`. */
export interface SetupOptions {
  /** Answers every question with yes. */
  readonly yes?: boolean;
  /** Folder levels that are searched. */
  readonly depth?: number;
  /** Absent: asked. */
  readonly service?: boolean;
  /** False: what the repositories' content chooses does not run; otherwise that is asked. */
  readonly trust?: boolean;
}

const DEFAULT_DEPTH = 3;

/** Finds, asks, writes, offers. Doing it again adds only what is new. */
export async function setup(
  context: Context,
  folders: readonly string[],
  options: SetupOptions,
): Promise<number> {
  if (options.yes !== true && !context.stdin.isTTY)
    throw new SupervisorError('usage', 'setup asks questions, and no one is there to answer them', {
      hint: 'run it in a terminal, or answer them all with --yes',
    });
  const { configFile } = await context.paths();
  const { home } = context.environment;
  const { config } = loadMachineConfig(configFile, { home });
  const found = await repositoriesBelow(context, folders, options.depth ?? DEFAULT_DEPTH);
  const served = new Set(
    (await createDiscovery(context.environment).list(config)).map(({ repository }) => repository.id),
  );
  const fresh = found.filter(({ repository }) => !served.has(repository.id));
  const wanted = await chosen(context, fresh, options);
  if (wanted.length > 0) {
    const trust = options.trust !== false && (await mayRun(context, options));
    addRepos(
      configFile,
      wanted.map(({ repository }) => ({ path: repository.path, trust })),
      home,
    );
    await reloadSupervisor(context);
  }
  const before = found.length - fresh.length;
  if (!context.json)
    context.out(
      wanted.length > 0
        ? `${counted(wanted.length)} added to ${shortPath(configFile, context)}${before > 0 ? `; ${before} were there already` : ''}\n`
        : `nothing to add: ${before === 0 ? 'nothing was chosen' : `${counted(before)} served already`}\n`,
    );
  const serviceStatus = await offerService(context, options);
  if (context.json)
    context.outJson({
      file: configFile,
      exists: existsSync(configFile),
      added: wanted.map(({ repository }) => repository.path),
      served: before,
      service: serviceStatus === 0,
    });
  else context.out(nextStep(context, wanted, serviceStatus === 0));
  return serviceStatus ?? 0;
}

/** Repositories below the folders, each once. Throws `usage` for a folder that is none, `not-found` when there are none. */
async function repositoriesBelow(
  context: Context,
  folders: readonly string[],
  depth: number,
): Promise<readonly DiscoveredRepository[]> {
  const places = (folders.length === 0 ? ['.'] : folders).map((folder) => resolve(context.cwd, folder));
  for (const place of places)
    if (!statSync(place, { throwIfNoEntry: false })?.isDirectory())
      throw new SupervisorError('usage', `${place} is not a folder`, {
        hint: 'name where your repositories are',
      });
  const discovery = createDiscovery(context.environment);
  const roots = places.map((path) => ({ path, depth, trust: false }));
  const found = (await discovery.list({ repos: [], roots })).filter(
    ({ repository }) => repository.problem === null,
  );
  for (const note of discovery.notes()) context.note(`supervisor: ${plain(note)}`);
  if (found.length > 0) return found;
  const where = places.map((place) => shortPath(place, context)).join(', ');
  throw new SupervisorError('not-found', `there is no git repository below ${where}`, {
    hint: 'name the folder that has them, or search deeper with --depth',
  });
}

async function chosen(
  context: Context,
  fresh: readonly DiscoveredRepository[],
  options: SetupOptions,
): Promise<readonly DiscoveredRepository[]> {
  if (fresh.length === 0) return [];
  if (!context.json) {
    context.out(`${counted(fresh.length)} found:\n`);
    for (const each of fresh) context.out(`  ${described(each, context)}\n`);
  }
  if (options.yes) return fresh;
  const answer = await asked(
    context,
    fresh.length === 1 ? 'Serve it?' : 'Serve them all? (c: choose)',
    'y/n/c',
  );
  if (answer === 'y') return fresh;
  if (answer === 'n') return [];
  const wanted: DiscoveredRepository[] = [];
  for (const each of fresh)
    if ((await asked(context, `Serve ${plain(shortPath(each.repository.path, context))}?`, 'y/n')) === 'y')
      wanted.push(each);
  return wanted;
}

/** Asked once for all: anyone who may write into a repository chooses what its tasks run. */
async function mayRun(context: Context, options: SetupOptions): Promise<boolean> {
  if (!options.yes)
    return (await asked(context, 'May tasks of these repositories run commands as you?', 'y/n')) === 'y';
  if (!context.json)
    context.out(
      'Their tasks may run commands as you; `trust = false` in the file, or --no-trust, forbids it.\n',
    );
  return true;
}

/** The exit status of installing the service; null: not wanted. */
async function offerService(context: Context, options: SetupOptions): Promise<number | null> {
  const wanted =
    options.service ??
    (options.yes
      ? false
      : (await asked(context, 'Install the service, so that it runs on its own?', 'y/n')) === 'y');
  if (!wanted) return null;
  const { installService } = await import('./service.ts');
  // Its own report would be a second JSON text.
  return await installService(context.json ? { ...context, outJson: () => {} } : context, [], {});
}

/** One of the letters; the first is what an empty line means. Throws `usage` when no one answers. */
async function asked(context: Context, question: string, letters: string): Promise<string> {
  const known = letters.split('/');
  const shown = letters.replace(/^./, (first) => first.toUpperCase());
  for (;;) {
    const line = await context.stdin.ask(`${question} [${shown}] `);
    if (line === null)
      throw new SupervisorError('usage', 'the question was not answered', {
        hint: 'nothing more was changed; `supervisor setup` asks again',
      });
    const answer = line.trim().toLowerCase().slice(0, 1) || (known[0] ?? '');
    if (known.includes(answer)) return answer;
  }
}

function described({ repository }: DiscoveredRepository, context: Context): string {
  const graphs = repository.worktrees.filter((worktree) => worktree.graph !== null).length;
  const worktrees = repository.worktrees.length;
  const much = worktrees > 1 ? `${worktrees} worktrees, ` : '';
  const tasks = graphs === 0 ? 'no graph yet' : graphs === 1 ? 'a graph' : `${graphs} graphs`;
  return `${plain(shortPath(repository.path, context))}  (${much}${tasks})`;
}

const counted = (count: number) => `${count} ${count === 1 ? 'repository' : 'repositories'}`;

function nextStep(context: Context, wanted: readonly DiscoveredRepository[], isService: boolean): string {
  const [first] = wanted;
  const add = first
    ? `\`supervisor add "Say hello" --exec "echo hello"\` in ${plain(shortPath(first.repository.path, context))} gives it work`
    : '`supervisor status` shows what is served';
  return isService ? `${add}.\n` : `Start it with \`supervisor run\`; ${add}.\n`;
}
