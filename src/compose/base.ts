// The common base of every program of this package: time, paths, configuration, discovery, and other dispatchers.
// Created here once, used by offline.ts and, with what only a running supervisor needs, by services.ts.

import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Paths, resolvePaths } from '../config/paths.ts';
import type { GraphOwner } from '../config/source.ts';
import type { GraphHold } from '../decide/world.ts';
import type { Config } from '../domain/config.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { ExecutorType, ProfileSet } from '../domain/profile.ts';
import type { Executor } from '../executors/executor.ts';
import { createGraphStore, type GraphStore } from '../graph/store.ts';
import type { SupervisedGraphsParts } from '../graphs/supervised-graphs.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import type { Turn } from '../platform/cooperative.ts';
import type { Environment } from '../platform/environment.ts';
import { createLocker, type Locker } from '../platform/flock.ts';
import type { Inherited } from '../platform/handover.ts';
import { type Identity, systemIdentity } from '../platform/identity.ts';
import { type Log, silentLog } from '../platform/log.ts';
import type { MachineProbe } from '../platform/machine.ts';
import type { Ledger } from '../runs/ledger.ts';
import { machineZoneReader } from '../settings/timezone.ts';
import type { DaemonDetector } from '../wg/daemon.ts';
import { readServicePause } from '../wg/provider-health.ts';
import { createRegistry, type Registry } from '../wg/registry.ts';
import { createDiscovery } from '../worktrees/discover.ts';

/** Which configuration and state to use, and the current folder. */
export interface ComposeOptions {
  readonly environment: Environment;
  readonly cwd: string;
  readonly config?: string;
  readonly stateDir?: string;
  readonly log?: Log;
  /** What an earlier supervisor left in this process. */
  readonly inherited?: Inherited | undefined;
  /** Has a successor take over soon; throws where that would not end well. Absent: it cannot be done. */
  readonly restart?: (() => Promise<void>) | undefined;
  /** Tests and benchmarks pass a clock, ids and executors of their own. */
  readonly clock?: Clock;
  readonly identity?: Identity;
  readonly executors?: ReadonlyMap<ExecutorType, Executor>;
  /** The machine's current time zone. */
  readonly machineZone?: () => string;
  /** Looks at the machine. */
  readonly machine?: MachineProbe;
  /** Wraps parts: each is passed through once, before it is used. */
  readonly wrap?: PartWrappers;
}

/** Wraps parts, so that a test can crash the program at any step of the order of writes. */
export interface PartWrappers {
  readonly ledger?: (ledger: Ledger) => Ledger;
  readonly store?: (store: GraphStore) => GraphStore;
  readonly registry?: (registry: Registry) => Registry;
  readonly executor?: (executor: Executor) => Executor;
  /** How much of judging a large graph is done in one turn of the event loop. */
  readonly turn?: (turn: Turn) => Turn;
}

/** The source of the configuration: watched and read again, or read once. */
export interface ConfigReader {
  current(): Config;
  profilesFor(graph: GraphPath, owner: GraphOwner): ProfileSet | Promise<ProfileSet>;
}

/** The paths for these options. */
export function pathsOf({ environment, config, stateDir }: ComposeOptions): Paths {
  return resolvePaths(environment, {
    ...(config === undefined ? {} : { config }),
    ...(stateDir === undefined ? {} : { stateDir }),
  });
}

/** What every program needs: time, paths, configuration, discovery. */
export function createBaseServices<Source extends ConfigReader>(
  options: ComposeOptions,
  paths: Paths,
  source: Source,
) {
  const clock = options.clock ?? systemClock();
  const identity = options.identity ?? systemIdentity();
  const log = options.log ?? silentLog;
  const { environment, cwd } = options;
  const inZone = followingZone(options.machineZone ?? machineZoneReader(environment.variables));
  const config = () => servingSomething(inZone(source.current()), cwd);
  // A zone that cannot be known is better refused here than in each tick.
  config();
  const locker = createLocker();
  const discovery = createDiscovery(environment);
  const graphParts: Pick<SupervisedGraphsParts, 'discover' | 'openStore' | 'openRegistry' | 'profiles'> = {
    discover: (wanted) => discovery.list(wanted),
    openStore: (graph) =>
      wrapped(
        openStore(graph, locker, clock, () => source.current()),
        options.wrap?.store,
      ),
    openRegistry: (graph) => wrapped(createRegistry({ graph, locker, clock }), options.wrap?.registry),
    profiles: async (graph, { trust }, repo) => source.profilesFor(graph, { trust, repo }),
  };
  return { clock, identity, log, paths, source, config, locker, graphParts };
}

/** The part itself, or its wrapper. */
export function wrapped<T>(part: T, wrap: ((part: T) => T) | undefined): T {
  return wrap === undefined ? part : wrap(part);
}

/** If no file names a zone, schedules follow the machine's; the same object while nothing changed. */
function followingZone(zone: () => string): (config: Config) => Config {
  let last: { readonly from: Config; readonly config: Config } | null = null;
  return (from) => {
    const timezone = from.timezoneIsMachines ? zone() : from.timezone;
    if (last?.from !== from || last.config.timezone !== timezone)
      last = { from, config: timezone === from.timezone ? from : { ...from, timezone } };
    return last.config;
  };
}

/** Without a repository or root in the configuration, the current folder's repository is served. */
function servingSomething(config: Config, cwd: string): Config {
  if (config.repos.length > 0 || config.roots.length > 0) return config;
  const here = {
    path: cwd,
    weight: 1,
    maxConcurrent: null,
    maxConcurrentPerWorktree: null,
    include: [],
    exclude: [],
    trust: true,
    duplicates: 'once' as const,
    onRewind: 'restore' as const,
  };
  return { ...config, repos: [here] };
}

/** The store of one graph, within the configured limits. */
export function openStore(
  graph: GraphPath,
  locker: Locker,
  clock: Clock,
  config: () => Config | null,
): GraphStore {
  const limits = config()?.limits ?? { maxLineBytes: 16 * 1024 * 1024, maxGraphBytes: 1024 ** 3 };
  return createGraphStore({ graph, locker, clock, limits });
}

/** A wg daemon that serves the graph takes precedence, unless the configuration says otherwise. */
export async function competingDispatcherOf(
  graph: GraphPath,
  daemons: DaemonDetector,
  config: Config,
  now: number,
): Promise<GraphHold | null> {
  const pause = readServicePause(graph, now);
  if (pause) return { code: 'wg-paused', because: pause.because };
  const daemon = config.whenWgDaemon === 'ignore' ? null : await daemons.detect(graph);
  if (!daemon) return null;
  const who = daemon.pid === null ? 'a wg daemon' : `the wg daemon with pid ${daemon.pid}`;
  const how = `\`supervisor adopt ${dirname(graph)}\` stops it and takes its graph over`;
  return { code: 'wg-daemon', because: `${who} serves this graph (${daemon.because}); ${how}` };
}

/** The built command itself, for the agents' `supervisor`. */
export function mainProgram(): string {
  return fileURLToPath(new URL('../cli/main.js', import.meta.url));
}

/** Where the build left the page; also for a program that is run from its sources. */
export function pageFolder(): string {
  return fileURLToPath(new URL('../../dist/page', import.meta.url));
}
