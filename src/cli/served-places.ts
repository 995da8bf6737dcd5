// What the configuration says to serve, against what is on the disk: for `config check` and `doctor`.

import { readConfigText } from '../config/config-text.ts';
import { locateKeys } from '../config/locate.ts';
import { type ConfigProblem, configProblem } from '../config/problems.ts';
import type { Config } from '../domain/config.ts';
import type { Environment } from '../platform/environment.ts';
import { createDiscovery } from '../worktrees/discover.ts';

/** What was found where the configuration points. */
export interface ServedPlaces {
  readonly repositories: number;
  /** Repositories and roots that cannot be served, at their lines of the file. */
  readonly problems: readonly ConfigProblem[];
  /** Folders below roots that were passed over, one sentence each. */
  readonly notes: readonly string[];
}

/** Looks at every repository and root of the configuration. Runs git, and changes nothing. */
export async function servedPlaces(config: Config, environment: Environment): Promise<ServedPlaces> {
  const { file } = config;
  const discovery = createDiscovery(environment);
  const found = await discovery.list(config);
  const notes = [...discovery.notes()];
  if (file === null) return { repositories: found.length, problems: [], notes };
  const lines = locateKeys(readConfigText(file) ?? '');
  const at = (table: 'repos' | 'roots', index: number, sentence: string) =>
    configProblem(file, lines.line([table, index, 'path']), `${table}[${index}].path`, sentence);
  const repositories = found.filter(({ repository }) => repository.problem === null).length;
  const problems: ConfigProblem[] = [];
  for (const { repository, settings } of found) {
    if (repository.problem === null) continue;
    const index = config.repos.findIndex((repo) => repo.path === settings.path);
    problems.push(
      index < 0
        ? configProblem(file, null, 'roots', repository.problem)
        : at('repos', index, repository.problem),
    );
  }
  for (const [index, { path }] of config.roots.entries()) {
    const passedOver = notes.findIndex((note) => note.startsWith(`${path} was passed over`));
    if (passedOver < 0) continue;
    notes.splice(passedOver, 1);
    problems.push(at('roots', index, `${path} cannot be searched; correct the path, or who may read it`));
  }
  return { repositories, problems, notes };
}
