// The configuration of a running supervisor: the last good one, whatever happens to the files. Reads again only what
// changed, and never applies a bad edit.

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../domain/config.ts';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { ProfileSet } from '../domain/profile.ts';
import type { Environment } from '../platform/environment.ts';
import { missingConfig, readConfigText } from './config-text.ts';
import { type LoadedConfig, loadMachineConfig } from './load.ts';
import { missingPrograms } from './missing-programs.ts';
import type { Paths } from './paths.ts';
import { type ConfigProblem, configProblem } from './problems.ts';
import type { ReadProfiles } from './profiles.ts';
import { readProjectRoute } from './project-route.ts';
import { globalFiles, ownFiles } from './route-files.ts';
import { createTrust } from './trust.ts';
import { loadWorktreeProfiles, mergeProfiles, withoutProfiles } from './worktree.ts';

export interface ConfigSource {
  /** The configuration in force. */
  current(): Config;
  /**
   * Reads supervisor.toml again. A bad edit keeps the one in force: `rejected` then says why, and it is among the
   * problems, as broken profiles are.
   */
  reload(): {
    readonly config: Config;
    readonly problems: readonly string[];
    readonly rejected: string | null;
  };
  /** Current problems: a refused edit, broken profiles. One sentence each. */
  problems(): readonly string[];
  /** The profiles that apply to a graph. The same object as last time while nothing changed. */
  profilesFor(graph: GraphPath, owner: GraphOwner): ProfileSet;
  /** What is wrong with a graph's own config.toml, as last read. One sentence each. */
  problemsOf(graph: GraphPath): readonly string[];
}

/** The repository that a graph is served for, as far as trust is concerned. */
export interface GraphOwner {
  /** Trusted by the configuration. */
  readonly trust: boolean;
  /** Its common git dir, by which a person may have trusted it; absent: not trusted. */
  readonly repo?: string;
}

/** The dependencies of a source. */
export interface ConfigSourceParts {
  readonly paths: Pick<Paths, 'configFile' | 'configNamed' | 'trustFile'>;
  readonly environment: Pick<Environment, 'home'> & Partial<Pick<Environment, 'variables'>>;
  /** The configuration loaded already; in force until the first reload. */
  readonly loaded?: LoadedConfig;
}

interface WorktreeFile {
  readonly stamp: string;
  readonly config: Config;
  readonly text: string;
  readonly read: ReadProfiles;
  readonly route: ReturnType<typeof readProjectRoute>;
  trusted: Trusted;
  set: ProfileSet;
}

/** What of a worktree is trusted: its own profiles, and what its tasks choose. */
interface Trusted {
  readonly profiles: boolean;
  readonly tasks: boolean;
}

/**
 * Loads the configuration, or throws SupervisorError `config`: a first start has no last good one to fall back on.
 */
export function createConfigSource(parts: ConfigSourceParts): ConfigSource {
  return new FileConfigSource(parts);
}

class FileConfigSource implements ConfigSource {
  readonly #parts: ConfigSourceParts;
  readonly #trust: ReturnType<typeof createTrust>;
  readonly #files = new Map<GraphPath, WorktreeFile>();
  #globals: string | null = null;
  #loaded: LoadedConfig;
  #refused: string | null = null;
  /** Checked at a start and with each reload, like missing programs. */
  #missing: ReadonlySet<string>;

  constructor(parts: ConfigSourceParts) {
    this.#parts = parts;
    this.#trust = createTrust(parts.paths.trustFile);
    this.#loaded = parts.loaded ?? this.#load();
    this.#missing = missingPrograms(this.#loaded.config.profiles, parts.environment);
  }

  current(): Config {
    return this.#loaded.config;
  }

  reload(): ReturnType<ConfigSource['reload']> {
    try {
      this.#loaded = this.#load();
      this.#missing = missingPrograms(this.#loaded.config.profiles, this.#parts.environment);
      this.#refused = null;
      // The set of graphs may have changed with it; those still in use are read again.
      this.#files.clear();
    } catch (thrown) {
      if (!(thrown instanceof SupervisorError)) throw thrown;
      this.#refused = messageOf(thrown);
    }
    return { config: this.current(), problems: this.problems(), rejected: this.#refused };
  }

  problems(): readonly string[] {
    const refused =
      this.#refused === null ? [] : [`the last good configuration stays in force: ${this.#refused}`];
    return [...refused, ...this.#loaded.problems.map((problem) => problem.message)];
  }

  profilesFor(graph: GraphPath, owner: GraphOwner): ProfileSet {
    const file = join(graph, 'config.toml');
    const config = this.current();
    const stamp = `${ownFiles(graph).map(stampOf).join(' ')} ${this.#globalStamp()}`;
    const known = this.#files.get(graph);
    if (known?.stamp === stamp && known.config === config) {
      const trusted = this.#trusted(file, known, owner);
      if (trusted.profiles !== known.trusted.profiles || trusted.tasks !== known.trusted.tasks) {
        known.trusted = trusted;
        known.set = { ...profileSet(graph, config, known, trusted), missing: this.#missing };
      }
      return known.set;
    }
    const { text, read } = readWorktreeFile(file, config);
    const trusted = this.#trusted(file, { text, read }, owner);
    const route = readProjectRoute(graph, this.#parts.environment.home);
    const set = { ...profileSet(graph, config, { read, route }, trusted), missing: this.#missing };
    this.#files.set(graph, { stamp, config, text, read, route, trusted, set });
    return set;
  }

  problemsOf(graph: GraphPath): readonly string[] {
    return (this.#files.get(graph)?.read.problems ?? []).map((problem) => problem.message);
  }

  /** The same files for all graphs: looked at once in a turn of the event loop. */
  #globalStamp(): string {
    if (this.#globals === null) {
      this.#globals = globalFiles(this.#parts.environment.home).map(stampOf).join(' ');
      setImmediate(() => {
        this.#globals = null;
      });
    }
    return this.#globals;
  }

  #load(): LoadedConfig {
    const { configFile, configNamed } = this.#parts.paths;
    const loaded = loadMachineConfig(configFile, { home: this.#parts.environment.home });
    if (configNamed && loaded.config.file === null) throw missingConfig(configFile);
    return loaded;
  }

  #trusted(file: string, { text, read }: Pick<WorktreeFile, 'text' | 'read'>, owner: GraphOwner): Trusted {
    if (owner.trust) return TRUSTED;
    // Most files have no profiles: nothing to look up for them.
    const hasProfiles = read.profiles.size > 0 || read.broken.size > 0;
    return {
      profiles: hasProfiles && this.#trust.isTrusted(file, text),
      tasks: owner.repo !== undefined && this.#trust.isTrustedRepository(owner.repo),
    };
  }
}

const TRUSTED: Trusted = { profiles: true, tasks: true };

function profileSet(
  graph: GraphPath,
  config: Config,
  { read, route }: Pick<WorktreeFile, 'read' | 'route'>,
  trusted: Trusted,
): ProfileSet {
  const { problems } = read;
  return {
    ...mergeProfiles(config, read, trusted.profiles),
    ...(problems.length === 0 ? {} : { problems: problems.map((problem) => problem.message) }),
    ...(trusted.tasks ? {} : { repositoryUntrusted: true as const }),
    trustPath: dirname(graph),
    ...route,
  };
}

function readWorktreeFile(
  file: string,
  config: Config,
): { readonly text: string; readonly read: ReadProfiles } {
  try {
    const text = readConfigText(file) ?? '';
    return { text, read: loadWorktreeProfiles(file, text, config.retry) };
  } catch (thrown) {
    if (!(thrown instanceof SupervisorError)) throw thrown;
    const problem: ConfigProblem = configProblem(file, null, '', thrown.message);
    return { text: '', read: withoutProfiles([problem]) };
  }
}

/** Identity of a file's content, as far as the file system shows it. */
function stampOf(file: string): string {
  try {
    // Most graphs have no such file, and an error costs more than a stat.
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return 'none:ENOENT';
    return `${stat.dev}:${stat.ino}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.size}`;
  } catch (thrown) {
    return `none:${systemCode(thrown) ?? ''}`;
  }
}
