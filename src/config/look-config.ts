// The configuration for a short command: read once, and checked only if this very text was not checked before. The
// rules are loaded only if needed. What a configuration means is defined in load.ts and source.ts.

import { dirname, join } from 'node:path';
import type { Config } from '../domain/config.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { ProfileSet } from '../domain/profile.ts';
import type { Environment } from '../platform/environment.ts';
import { checkedConfig, keepChecked } from './checked.ts';
import { missingConfig, problemText, readConfigText } from './config-text.ts';
import type { LoadedConfig } from './load.ts';
import { missingPrograms } from './missing-programs.ts';
import type { Paths } from './paths.ts';
import { routeFiles } from './route-files.ts';
import type { GraphOwner } from './source.ts';

/** The part of a ConfigSource that offline control uses. The zone of the machine is already in it. */
export interface LookConfig {
  current(): Config;
  problems(): readonly string[];
  profilesFor(graph: GraphPath, owner: GraphOwner): Promise<ProfileSet>;
}

/** Opens the configuration. Throws SupervisorError `config`, as loading it does. */
export async function openLookConfig(parts: {
  readonly paths: Pick<Paths, 'configFile' | 'configNamed' | 'trustFile' | 'checkedFile'>;
  readonly environment: Pick<Environment, 'home' | 'variables'>;
}): Promise<LookConfig> {
  const { paths, environment } = parts;
  const loaded = await load(paths, environment);
  const { config } = loaded;
  const known = new Map<GraphPath, ProfileSet>();
  const missing = missingPrograms(config.profiles, environment);
  return {
    current: () => config,
    problems: () => loaded.problems.map((problem) => problem.message),
    async profilesFor(graph, owner) {
      const before = known.get(graph);
      if (before) return before;
      // Trust is stored on the disk as well.
      const set =
        !owner.trust || mayNameProfiles(join(graph, 'config.toml'))
          ? (await import('./source.ts'))
              .createConfigSource({ paths, environment, loaded })
              .profilesFor(graph, owner)
          : {
              byName: config.profiles,
              broken: config.brokenProfiles,
              untrusted: [],
              trustPath: dirname(graph),
              missing,
              ...(await troubleOf(join(graph, 'config.toml'))),
              ...(await routeIn(graph, environment.home)),
            };
      known.set(graph, set);
      return set;
    },
  };
}

async function load(
  paths: Pick<Paths, 'configFile' | 'configNamed' | 'checkedFile'>,
  environment: Pick<Environment, 'home' | 'variables'>,
): Promise<LoadedConfig> {
  const { configFile, configNamed, checkedFile } = paths;
  const text = readConfigText(configFile);
  if (text === null && configNamed) throw missingConfig(configFile);
  const facts = {
    file: text === null ? null : configFile,
    home: environment.home,
    zone: environment.variables.TZ,
  };
  const checked = checkedConfig(checkedFile, text ?? '', facts);
  if (checked) return checked;
  const [{ parseMachineConfig }, { machineTimezone }] = await Promise.all([
    import('./load.ts'),
    import('../settings/timezone.ts'),
  ]);
  const { config, problems } = parseMachineConfig(facts.file, text ?? '', { home: environment.home });
  // Looking up a zone takes as long as everything else here.
  const loaded = config.timezoneIsMachines
    ? { config: { ...config, timezone: machineTimezone(environment.variables) }, problems }
    : { config, problems };
  keepChecked(checkedFile, text ?? '', facts, loaded);
  return loaded;
}

/** Whether a worktree's config.toml could contain profiles; most contain settings of wg alone. */
function mayNameProfiles(file: string): boolean {
  return holds(file, /executors|\\u/i);
}

/** What the project asks for, if one of the files could say so. */
async function routeIn(
  graph: GraphPath,
  home: string,
): Promise<Pick<ProfileSet, 'project' | 'projectUnread'>> {
  if (!routeFiles(graph, home).some((file) => holds(file, /model|executor|profile|tiers|\\u/i))) return {};
  return (await import('./project-route.ts')).readProjectRoute(graph, home);
}

/** What keeps a file without profiles from being read: a syntax error may hide some. */
async function troubleOf(file: string): Promise<Pick<ProfileSet, 'problems'>> {
  if (!holds(file, /\S/)) return {};
  const { parseToml } = await import('./toml.ts');
  const toml = parseToml(readConfigText(file) ?? '');
  return toml.ok ? {} : { problems: [problemText(file, toml.line, toml.message)] };
}

/** Whether a file exists whose text matches; keys can be spelled with escapes. */
function holds(file: string, words: RegExp): boolean {
  try {
    const text = readConfigText(file);
    return text !== null && words.test(text);
  } catch {
    // An unreadable file is reported by the code that reads it.
    return true;
  }
}
