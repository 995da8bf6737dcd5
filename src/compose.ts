// The only place that constructs parts and wires them together. Three programs come out of it: the supervisor
// (composeSupervisor), a look without one (composeLookout), and a bare store for adding and editing (composeStore).

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApiServer } from './api/server.ts';
import { ensureFolders, type Paths, resolvePaths } from './config/paths.ts';
import { createConfigSource } from './config/source.ts';
import { claimRefusal } from './decide/claim-refusal.ts';
import type { GraphHold } from './decide/world.ts';
import type { Config } from './domain/config.ts';
import { SupervisorError } from './domain/errors.ts';
import type { GraphPath } from './domain/ids.ts';
import type { ExecutorType, Profile } from './domain/profile.ts';
import type { ReportedProblem } from './domain/report.ts';
import { writeAgentTools } from './executors/agent-tools.ts';
import type { Executor } from './executors/executor.ts';
import { createExecutors } from './executors/executors.ts';
import { createProcesses } from './executors/processes.ts';
import { processTable } from './executors/processes-ps.ts';
import { createGraphStore, type GraphDraft, type GraphStore } from './graph/store.ts';
import { createGraphWatcher } from './graph/watcher.ts';
import { openLedger } from './runs/ledger.ts';
import { drainSpool } from './runs/spool.ts';
import { type Bus, createBus } from './seams/bus.ts';
import { type Clock, systemClock } from './seams/clock.ts';
import { type Environment, processEnvironment } from './seams/environment.ts';
import { createLocker, type Locker } from './seams/flock.ts';
import { type Identity, systemIdentity } from './seams/identity.ts';
import { holdInstanceLock, type InstanceLock } from './seams/instance-lock.ts';
import { type Log, silentLog } from './seams/log.ts';
import type { CallbackAddress } from './supervisor/assignment.ts';
import type { SupervisorControl } from './supervisor/control.ts';
import { ControlFace } from './supervisor/control-face.ts';
import { Lookout } from './supervisor/lookout.ts';
import { applySpooled } from './supervisor/spooled.ts';
import {
  type SupervisedGraph,
  SupervisedGraphs,
  type SupervisedGraphsParts,
  viewOf,
} from './supervisor/supervised-graphs.ts';
import { Supervisor } from './supervisor/supervisor.ts';
import { VERSION } from './version.ts';
import { createDaemonDetector, type DaemonDetector } from './wg/daemon.ts';
import { createRegistry } from './wg/registry.ts';
import { createDiscovery } from './worktrees/discover.ts';
import { type LocatedGraph, locateGraph as locateGraphAround } from './worktrees/locate.ts';
import { createRepositoryWatcher } from './worktrees/watcher.ts';

/** Which configuration and state to use, and from where the question is asked. */
export interface ComposeOptions {
  readonly environment: Environment;
  readonly cwd: string;
  readonly config?: string;
  readonly stateDir?: string;
  readonly log?: Log;
  /** Tests and benchmarks pass a clock, ids and executors of their own. */
  readonly clock?: Clock;
  readonly identity?: Identity;
  readonly executors?: ReadonlyMap<ExecutorType, Executor>;
}

/** A supervisor, wired and ready to start. */
export interface RunningSupervisor {
  readonly supervisor: Supervisor;
  readonly control: SupervisorControl;
  readonly bus: Bus;
  readonly paths: Paths;
  readonly log: Log;
  /** Reconciles, then watches, then opens the API. Throws `already-running`, `config`. */
  start(): Promise<void>;
  /** Everything in reverse. Agents go on by themselves unless `cancelAgents` is set. Safe to call twice. */
  stop(options: { readonly cancelAgents: boolean }): Promise<void>;
}

/** Wires the supervisor. Takes the machine lock already here, so that a second one learns at once who holds it. */
export async function composeSupervisor(
  options: ComposeOptions & { readonly observe?: boolean; readonly once?: boolean },
): Promise<RunningSupervisor> {
  const ground = layGround(options);
  const { clock, identity, paths, log, source } = ground;
  const observeOnly = (options.observe ?? false) || source.current().mode === 'observe';
  ensureFolders(paths);
  const machineLock = await lockMachine(ground, observeOnly);
  const bus = createBus(clock);
  // Watching beside a supervisor that runs: nothing of its state is touched.
  const scratch = machineLock ? null : await mkdtemp(join(tmpdir(), 'supervisor-observe-'));
  const ledger = await openLedger({
    file: scratch ? join(scratch, 'ledger.sqlite') : paths.ledgerFile,
    clock,
  });
  const troubles = new Map<string, string>(ledger.warnings.map((text) => ['ledger', text]));
  const tools = await writeAgentTools(join(paths.stateDir, 'bin'), [
    process.execPath,
    mainProgram(),
    '--config',
    paths.configFile,
    '--state-dir',
    paths.stateDir,
  ]);
  const variables = agentVariables(options.environment, tools, paths);
  const daemons = createDaemonDetector({ clock });
  const graphs = new SupervisedGraphs({
    ...ground.graphParts,
    bus,
    lock: observeOnly ? null : (graph) => lockGraph(graph, ground),
    rival: (graph) => rivalOf(graph, daemons, source.current()),
  });
  const graphWatcher = createGraphWatcher({
    clock,
    onDirty: (graph) => supervisor.markDirty(graph),
    onDegraded: (message) => {
      troubles.set('watch', message);
      bus.emit('watch.degraded', { message });
    },
  });
  const repositoryWatcher = createRepositoryWatcher({
    clock,
    onChanged: () => supervisor.markWorktreesChanged(),
    onDegraded: (message: string) => troubles.set('worktree-watch', message),
  });
  const executors = createExecutors({
    clock,
    identity,
    log,
    variables,
    version: VERSION,
    stateDir: paths.stateDir,
    processes: ground.processes,
    graceMs: () => source.current().shutdown.graceMs,
  });
  const callback = async (profile: Profile): Promise<CallbackAddress> => {
    const needsTcp = profile.type === 'http' && profile.completion === 'callback';
    if (needsTcp) await api.openTcp();
    const address = api.address();
    return { url: address.url, socket: address.socket };
  };
  const parts = {
    ledger,
    graphs,
    executors: options.executors ?? executors.byType,
    clock,
    identity,
    bus,
    log,
    observeOnly,
    environment: variables,
    callback,
    version: VERSION,
    config: () => ground.config(),
    refuseClaim: (graph: SupervisedGraph, draft: GraphDraft, task: string) => {
      const world = supervisor.decided?.world;
      const view = { ...viewOf(graph), snapshot: draft.snapshot };
      return world
        ? claimRefusal({ ...world, now: clock.now() }, view, task)
        : 'the supervisor is still starting';
    },
    reloadConfig: async () => {
      const { problems } = source.reload();
      const [rejected] = problems;
      if (rejected === undefined) bus.emit('config.loaded', { file: source.current().file });
      else bus.emit('config.rejected', { message: rejected });
      return problems;
    },
    watch: (paths: readonly GraphPath[]) => {
      graphWatcher.watch(paths);
      repositoryWatcher.watch(graphs.repositories().map((found) => found.repository));
    },
    chores: async () => {
      await graphWatcher.recheck();
      if (observeOnly) return;
      await drainSpool(paths.spoolDir, (record) => applySpooled(control, record));
      await executors.sweep(
        () => new Set([...supervisor.dispatcher.attended(), ...ledger.openRuns().map((r) => r.id)]),
      );
    },
    problems: (): ReportedProblem[] => [
      ...source.problems().map((message) => ({ code: 'config', message })),
      ...[...troubles].map(([code, message]) => ({ code, message })),
    ],
    pollingGraphs: () => graphWatcher.pollingGraphs(),
  };
  const supervisor: Supervisor = new Supervisor(parts);
  const control: ControlFace = new ControlFace(supervisor, parts);
  const { api: apiSettings, limits } = source.current();
  const api = createApiServer({
    control,
    tokens: { operator: identity.token('wgt_') },
    config: { ...apiSettings, maxBodyBytes: limits.maxBodyBytes },
    socketPath: paths.socket,
    apiFile: paths.apiFile,
    clock,
    log,
    version: VERSION,
  });
  let stopped: Promise<void> | null = null;
  return {
    supervisor,
    control,
    bus,
    paths,
    log,
    async start() {
      // The API first: agents that are dispatched by the first tick may call back at once.
      if (machineLock) await api.start();
      await graphWatcher.start();
      await repositoryWatcher.start();
      await supervisor.start();
    },
    stop({ cancelAgents }) {
      stopped ??= (async () => {
        supervisor.drain('stopping');
        if (cancelAgents) await supervisor.dispatcher.stopAll('shutdown');
        await repositoryWatcher.stop();
        await graphWatcher.stop();
        await supervisor.stop();
        await api.stop();
        ledger.close();
        await machineLock?.release();
        if (scratch) await rm(scratch, { recursive: true, force: true });
      })();
      return stopped;
    },
  };
}

/** A look at the world without a running supervisor. Nothing is locked; the ledger is read where there is one. */
export async function composeLookout(
  options: ComposeOptions,
): Promise<{ readonly lookout: Lookout; readonly paths: Paths; close(): Promise<void> }> {
  const ground = layGround(options);
  const { paths, source, clock } = ground;
  const daemons = createDaemonDetector({ clock });
  const graphs = new SupervisedGraphs({
    ...ground.graphParts,
    bus: createBus(clock),
    lock: null,
    rival: (graph) => rivalOf(graph, daemons, source.current()),
  });
  const [ledger] = await Promise.all([
    openLedger({ file: paths.ledgerFile, clock, readOnly: true }),
    graphs.rediscover(ground.config()),
  ]);
  const problems = source.problems().map((message) => ({ code: 'config', message }));
  const lookout = new Lookout({ config: ground.config(), graphs, ledger, clock, version: VERSION, problems });
  return {
    lookout,
    paths,
    async close() {
      ledger?.close();
      await graphs.release();
    },
  };
}

/** The graph that somebody who stands in a folder means; with `create` one is made where the worktree has none. */
export async function locateGraph(options: {
  readonly cwd: string;
  readonly worktree?: string;
  readonly create: boolean;
  readonly environment?: Environment;
}): Promise<LocatedGraph> {
  const { home } = options.environment ?? processEnvironment();
  return await locateGraphAround(options.worktree ?? options.cwd, { home, create: options.create });
}

/** A store over one graph, for commands that write into it themselves. */
export function composeStore(options: { readonly graph: GraphPath; readonly config?: Config }): GraphStore {
  return openStore(options.graph, createLocker(), systemClock(), () => options.config ?? null);
}

type Ground = ReturnType<typeof layGround>;

/** What every program needs: time, paths, configuration, discovery. */
function layGround(options: ComposeOptions) {
  const clock = options.clock ?? systemClock();
  const identity = options.identity ?? systemIdentity();
  const log = options.log ?? silentLog;
  const { environment, cwd } = options;
  const paths = resolvePaths(environment, {
    ...(options.config === undefined ? {} : { config: options.config }),
    ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
  });
  const source = createConfigSource({ paths, environment });
  const config = () => servingSomething(source.current(), cwd);
  const locker = createLocker();
  const processes = createProcesses(processTable(environment.platform));
  const discovery = createDiscovery({ environment });
  const graphParts: Pick<SupervisedGraphsParts, 'discover' | 'openStore' | 'openRegistry' | 'profiles'> = {
    discover: (wanted) => discovery.list(wanted),
    openStore: (graph) => openStore(graph, locker, clock, () => source.current()),
    openRegistry: (graph) => createRegistry({ graph, locker, clock }),
    profiles: async (graph, settings) => source.profilesFor(graph, settings),
  };
  return { clock, identity, log, paths, source, config, locker, processes, graphParts };
}

/** Without a repository or root in the configuration, the one that the command was started in is served. */
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
  };
  return { ...config, repos: [here] };
}

function openStore(graph: GraphPath, locker: Locker, clock: Clock, config: () => Config | null): GraphStore {
  const limits = config()?.limits ?? { maxLineBytes: 16 * 1024 * 1024, maxGraphBytes: 1024 ** 3 };
  return createGraphStore({ graph, locker, clock, limits });
}

/** One supervisor a machine and user. Null only for an observer beside a running one. */
async function lockMachine(ground: Ground, observeOnly: boolean): Promise<InstanceLock | null> {
  const { clock, paths, locker, processes, log } = ground;
  try {
    return await holdInstanceLock({
      lockFile: paths.lockFile,
      holderFile: `${paths.lockFile}.json`,
      locker,
      processes,
      scope: 'machine',
      facts: { stateDir: paths.stateDir, version: VERSION, startedAt: clock.now() },
      onCompromised: (because) => log.error('lock.compromised', { because }),
    });
  } catch (thrown) {
    if (observeOnly && thrown instanceof SupervisorError && thrown.code === 'already-running') return null;
    throw thrown;
  }
}

/** One supervisor a graph, also across users and state folders. */
function lockGraph(graph: GraphPath, ground: Ground) {
  const { clock, locker, processes, paths } = ground;
  const folder = join(graph, 'service');
  return holdInstanceLock({
    lockFile: join(folder, '.supervisor.lock'),
    holderFile: join(folder, '.supervisor.json'),
    locker,
    processes,
    scope: 'graph',
    facts: { stateDir: paths.stateDir, version: VERSION, startedAt: clock.now() },
  });
}

/** A wg daemon that serves the graph: it is yielded to, unless the configuration says otherwise. */
async function rivalOf(graph: GraphPath, daemons: DaemonDetector, config: Config): Promise<GraphHold | null> {
  if (config.whenWgDaemon === 'ignore') return null;
  const daemon = await daemons.detect(graph);
  if (!daemon) return null;
  const who = daemon.pid === null ? 'a wg daemon' : `the wg daemon with pid ${daemon.pid}`;
  const how = `end it with \`wg --dir ${graph} service stop\` to hand it over`;
  return { code: 'wg-daemon', because: `${who} serves this graph (${daemon.because}); ${how}` };
}

/** The supervisor's own variables as agents may inherit them, with the `supervisor` command in front of PATH. */
function agentVariables(environment: Environment, tools: string, paths: Paths): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment.variables))
    if (value !== undefined) variables[name] = value;
  variables.PATH = variables.PATH ? `${tools}:${variables.PATH}` : tools;
  variables.SUPERVISOR_STATE_DIR = paths.stateDir;
  return variables;
}

function mainProgram(): string {
  return fileURLToPath(new URL('./cli/main.js', import.meta.url));
}
