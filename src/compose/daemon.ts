// Constructs the parts of the supervisor and wires them together. Its base is in base.ts; the programs without a
// running supervisor are in offline.ts.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPageSessions } from '../api/request/page-sessions.ts';
import { type ApiServer, createApiServer } from '../api/server.ts';
import { ensureFolders, type Paths } from '../config/paths.ts';
import { createConfigSource } from '../config/source.ts';
import type { SupervisorControl } from '../control/control.ts';
import { CurrentTasks } from '../control/current-tasks.ts';
import { LiveViews } from '../control/views/views.ts';
import { Completions } from '../control/work/completions.ts';
import { applySpooled } from '../control/work/spooled.ts';
import { usesCallbackUrl } from '../domain/callback-use.ts';
import { isCalledBack, type Profile } from '../domain/profile.ts';
import type { ReportedProblem } from '../domain/report.ts';
import { createExecutors } from '../executors/executors.ts';
import { writeAgentTools } from '../executors/process/environment/agent-tools.ts';
import { hookMarks } from '../executors/process/hooks/hook.ts';
import { dropKeptExits } from '../executors/process/lifecycle/kept-exits.ts';
import { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { writeWgOperations } from '../graphs/wg-operations.ts';
import { createOutbox } from '../notify/outbox.ts';
import type { Base } from '../platform/base.ts';
import { type Bus, createBus } from '../platform/bus.ts';
import { forOneTurn } from '../platform/cooperative.ts';
import type { Environment } from '../platform/environment.ts';
import type { Handover } from '../platform/handover.ts';
import { newTokenKey, type RunTokens, runTokens, tokenHash } from '../platform/identity.ts';
import type { Log } from '../platform/log.ts';
import { machineProbe } from '../platform/machine.ts';
import type { CallbackAddress } from '../run/assignment.ts';
import { ClaimCheck } from '../run/claim-check.ts';
import { LastDecision } from '../run/last-decision.ts';
import type { Runs } from '../run/runs.ts';
import { openLedger } from '../runs/ledger.ts';
import { ledgerPresence } from '../runs/ledger-presence.ts';
import { openNamedTokens } from '../runs/named-tokens.ts';
import { drainSpool } from '../runs/spool.ts';
import { readTokenKey } from '../runs/token-key.ts';
import { ConnectedWorkers } from '../supervisor/connected-workers.ts';
import { Retention } from '../supervisor/retention.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { VerdictRecorder } from '../supervisor/verdict-recorder.ts';
import { VERSION } from '../version.ts';
import { createDaemonDetector } from '../wg/daemon.ts';
import { createGit } from '../worktrees/git.ts';
import { OwnWorktrees } from '../worktrees/own-worktrees.ts';
import { standingOf } from '../worktrees/standing.ts';
import {
  type ComposeOptions,
  type ConfigReader,
  competingDispatcherOf,
  mainProgram,
  pageFolder,
  pathsOf,
  wrapped,
} from './base.ts';
import { createControl } from './control.ts';
import { createHost } from './host.ts';
import { createRuns } from './runs.ts';
import {
  agentVariables,
  createDaemonServices,
  type DaemonServices,
  lockGraph,
  lockMachine,
  wrappedExecutors,
} from './services.ts';
import { agentsToReap, cannotRestart, operatorToken } from './succession.ts';
import { createTelemetry } from './telemetry.ts';
import { createSignals, createWatchers, type Signals } from './watchers.ts';
import { besideWg } from './wg.ts';

/** A supervisor, wired and ready to start. */
export interface RunningSupervisor {
  readonly supervisor: Supervisor;
  readonly control: SupervisorControl;
  readonly runs: Runs;
  readonly bus: Bus;
  readonly paths: Paths;
  readonly log: Log;
  /** Reconciles, then watches, then opens the API. Throws `already-running`, `config`. */
  start(): Promise<void>;
  /**
   * Stops, with the machine's lock held and the API's sockets listening by the descriptors that are returned. Agents
   * keep running. `copy` copies a descriptor. Null if it stopped otherwise meanwhile.
   */
  handOver(copy: (fd: number) => number): Promise<Handover | null>;
  /** Everything in reverse. Agents keep running unless `cancelAgents` is set. Safe to call twice. */
  stop(options: { readonly cancelAgents: boolean }): Promise<void>;
}

/** Wires the supervisor. Takes the machine lock already here, so that a second one learns at once who has it. */
export async function composeSupervisor(
  options: ComposeOptions & { readonly observe?: boolean; readonly once?: boolean },
): Promise<RunningSupervisor> {
  const paths = pathsOf(options);
  const source = createConfigSource({ paths, environment: options.environment });
  const services = createDaemonServices(options, paths, source);
  const { clock, identity, log, config, processes } = services;
  const base: Base = { clock, log, bus: createBus(clock) };
  const { bus } = base;
  const observeOnly = (options.observe ?? false) || source.current().mode === 'observe';
  ensureFolders(paths);
  const signals = createSignals();
  const wake = () => signals.wake.emit();
  const troubles = new Map<string, string>();
  const workers = new ConnectedWorkers();
  const machineLock = await lockMachine(
    services,
    observeOnly,
    (because) => {
      log.error('lock.compromised', { because });
      troubles.set('lock', because);
      signals.lockLost.emit(because);
    },
    options.inherited?.lock,
  );
  const state = await openState(options, services, machineLock !== null);
  const { ledger, tokens } = state;
  for (const warning of ledger.warnings) troubles.set('ledger', warning);
  const variables = await agentEnvironment(options.environment, paths, source);
  const daemons = createDaemonDetector({ clock });
  const graphs = new SupervisedGraphs({
    ...services.graphParts,
    bus,
    elapsed: () => clock.elapsed?.() ?? clock.now(),
    lock: observeOnly ? null : (graph) => lockGraph(graph, services),
    competingDispatcher: (graph) => competingDispatcherOf(graph, daemons, source.current(), clock.now()),
  });
  const watchers = createWatchers(base, signals, troubles);
  const wgEnvironment = { variables, home: options.environment.home };
  const wg = besideWg(clock, services.graphParts.openStore, graphs, log, wgEnvironment, ledger);
  const { gate, afterEnd, maintenance } = wg;
  writeWgOperations({
    ...base,
    run: (id) => ledger.run(id),
    endedByWg: ({ graph, task, agent }) => gate.endedByWg(graph, task, agent),
  });
  const executors = await createExecutors({
    ...{ clock, identity, log, variables, processes },
    version: VERSION,
    stateDir: paths.stateDir,
    graceMs: () => source.current().shutdown.graceMs,
    queue: {
      replies: repliesOf(tokens),
      trouble: (queue, because) => noteTrouble(troubles, `queue ${queue}`, because),
      offers: (queue, offers) => {
        if (workers.noteQueue(queue, offers, clock.now())) wake();
      },
    },
  });
  const git = createGit(options.environment);
  const last = new LastDecision();
  const claimCheck = new ClaimCheck({ clock, ledger, last });
  const callbacks = new AgentCallbacks();
  const runs = createRuns(base, {
    ...{ identity, tokens, ledger, graphs, claimCheck, gate, afterEnd, config, wake },
    hooks: executors.hooks,
    worktrees: new OwnWorktrees(git),
    worktreesChanged: () => signals.worktreesChanged.emit(),
    executors: wrappedExecutors(options.executors ?? executors.byType, options.wrap?.executor),
    environment: variables,
    stateDir: paths.stateDir,
    callback: (profile) => callbacks.addressFor(profile),
    standing: (worktree) => standingOf(worktree, git),
  });
  const tasks = new CurrentTasks(last, graphs);
  const means = { gate, afterEnd };
  const completions = new Completions({ clock, bus, ledger, graphs, runs, tasks, means, wake });
  const retention = new Retention({
    ...{ ledger, clock, log },
    config: () => source.current(),
    dropExits: (isOpen) => dropKeptExits(paths.stateDir, isOpen),
  });
  const takeSpooled = async () => {
    if (!observeOnly) await drainSpool(paths.spoolDir, (record) => applySpooled(completions, record));
  };
  const host = createHost(base, {
    ...{ processes, ledger, runs, stateDir: paths.stateDir, observeOnly, config },
    probe: options.machine ?? machineProbe(options.environment.platform, clock.after),
  });
  const supervisor = new Supervisor({
    ...base,
    ...{
      ledger,
      graphs,
      runs,
      last,
      workers,
      machine: host.machine,
      observeOnly,
      config,
      maintenance,
      takeSpooled,
    },
    stateDir: paths.stateDir,
    turn: wrapped(forOneTurn, options.wrap?.turn),
    unavailable() {
      const because = state.lost();
      return because === null ? null : { code: 'ledger-gone', because };
    },
    watch: (paths) => watchers.watch(paths, graphs),
    async periodicTasks({ isStarting, attended }) {
      await watchers.recheck();
      if (observeOnly) return;
      reapAgents();
      await retention.work();
      if (!isStarting) host.tidy();
      if (!isStarting) await takeSpooled();
      await executors.sweep(() => {
        const ids = [...attended(), ...ledger.openRuns().map((run) => run.id)];
        return new Set(ids.flatMap((id) => [id, ...hookMarks(id)]));
      });
    },
  });
  connect(signals, supervisor);
  const reapAgents = agentsToReap(options, ledger);
  const retryMissing = () => {
    if (!observeOnly) runs.retryMissing();
  };
  const verdicts = new VerdictRecorder({
    ...{ ...base, last },
    store: ledger,
    isStarting: () => supervisor.state === 'starting',
  });
  const control = createControl(base, {
    ...{ identity, ledger, graphs, runs, claimCheck, last, tasks, completions, supervisor, workers },
    ...{ observeOnly, wake },
    version: VERSION,
    pollingGraphs: () => watchers.pollingGraphs(),
    verdictsWritten: () => verdicts.flush(),
    problems: () => [
      ...source.problems().map((message) => ({ code: 'config', message })),
      ...[...troubles].map(([code, message]) => ({ code, message })),
      ...problemOf('ledger-gone', state.lost()),
      ...problemOf('ledger-unwritable', ledger.refusal()),
      ...runs.problems(clock.now()),
    ],
    restart: options.restart ?? cannotRestart,
    async reloadConfig() {
      const { problems, rejected } = source.reload();
      retryMissing();
      if (rejected === null) bus.emit('config.loaded', { file: source.current().file });
      else bus.emit('config.rejected', { message: rejected });
      return problems;
    },
  });
  const telemetry = createTelemetry(base, { ledger, graphs, last, environment: options.environment });
  const { api: apiSettings, limits } = source.current();
  const views = new LiveViews({
    ...{ clock, bus, ledger, supervisor, control, graphs },
    verdictsWritten: () => verdicts.flush(),
  });
  const api = createApiServer({
    control,
    views,
    tokens: {
      operator: await operatorToken(options, paths, identity),
      named: openNamedTokens(paths.tokensFile, clock),
    },
    config: { ...apiSettings, maxBodyBytes: limits.maxBodyBytes },
    socketPath: paths.socket,
    inherited: options.inherited,
    answers: ledger.answers,
    page: { sessions: openPageSessions(paths.pageSessionsFile, clock, identity), folder: pageFolder() },
    metrics: () => telemetry.scrape(),
    apiFile: paths.apiFile,
    clock,
    log,
    version: VERSION,
  });
  callbacks.arriveAt(api);
  const outbox = createOutbox({
    ...base,
    ledger,
    random: () => identity.random(),
    version: VERSION,
    variables,
    timezone: () => source.current().timezone,
    webhooks: () => source.current().notify ?? [],
    verdicts: () => last.made?.decision.verdicts.values() ?? [],
    worktreeOf: (graph) => graphs.get(graph)?.worktree.path ?? graph,
    repoOf: (worktree) =>
      graphs
        .repositories()
        .find(({ repository }) => repository.worktrees.some(({ path }) => path === worktree))?.repository
        .name ?? null,
    digest: (since) => views.digest(since),
    statusOf: (graph, task) => graphs.get(graph)?.store.snapshot().tasks.get(task)?.status ?? null,
  });
  let stopped: Promise<void> | null = null;
  const end = async (cancelAgents: boolean) => {
    supervisor.drain('stopping');
    if (cancelAgents) await supervisor.cancelAll();
    await watchers.stop();
    await supervisor.stop();
    // The last tick may have asked for more.
    await host.stop();
    await executors.close();
    await wg.close();
    await api.stop();
    await outbox.stop();
    await telemetry.stop();
    await verdicts.stop();
    await state.close();
  };
  return {
    ...{ supervisor, control, runs, bus, paths, log },
    async start() {
      // The API first: agents dispatched by the first tick may call back at once.
      if (machineLock) await api.start();
      await watchers.start();
      if (!observeOnly) await outbox.start();
      retryMissing();
      await supervisor.start();
    },
    async handOver(copy) {
      const listening = await api.handOver(copy, () =>
        bus.emit('supervisor.restarting', { pid: process.pid }),
      );
      if (stopped !== null || listening === null || machineLock === null) return null;
      stopped = end(false);
      await stopped;
      return { ...listening, lock: await machineLock.handOver() };
    },
    stop({ cancelAgents }) {
      stopped ??= (async () => {
        await end(cancelAgents);
        await machineLock?.release();
        await state.remove();
      })();
      return stopped;
    },
  };
}

function connect(signals: Signals, supervisor: Supervisor): void {
  signals.wake.on(() => supervisor.wake());
  signals.lockLost.on((because) => supervisor.drain(because));
  signals.graphChanged.on(({ graph, of }) => supervisor.markDirty(graph, of));
  signals.worktreesChanged.on(() => supervisor.markWorktreesChanged());
}

/** The ledger and the keys. Beside a supervisor that runs nothing of its state is touched: an observer has its own. */
async function openState(
  options: ComposeOptions,
  { clock, log, paths, processes }: DaemonServices,
  isOwn: boolean,
) {
  const scratch = isOwn ? null : await mkdtemp(join(tmpdir(), 'supervisor-observe-'));
  const file = scratch ? join(scratch, 'ledger.sqlite') : paths.ledgerFile;
  const ledger = wrapped(await openLedger({ file, clock }), options.wrap?.ledger);
  const lost = ledgerPresence(file);
  const tokens = runTokens(scratch ? newTokenKey() : await readTokenKey(join(paths.stateDir, 'token.key')));
  const bootId = processes.identify(process.pid)?.bootId;
  if (bootId !== undefined && ledger.noteStart(bootId).rebooted) log.info('machine.rebooted', { bootId });
  return {
    ledger,
    tokens,
    /** Why the ledger is not the one that the next start will find; null: it is. */
    lost,
    close: () => ledger.close(),
    async remove() {
      if (scratch) await rm(scratch, { recursive: true, force: true });
    },
  };
}

/** The variables of agents, with a `supervisor` command of their own that means this very supervisor. */
async function agentEnvironment(environment: Environment, paths: Paths, source: ConfigReader) {
  const tools = await writeAgentTools(join(paths.stateDir, 'bin'), [
    process.execPath,
    mainProgram(),
    // A named file must exist; without one, defaults apply to agents, too.
    ...(source.current().file === null ? [] : ['--config', paths.configFile]),
    '--state-dir',
    paths.stateDir,
  ]);
  return agentVariables(environment, tools, paths);
}

/** Where agents report back to: the API, which is made last. */
class AgentCallbacks {
  #api: Pick<ApiServer, 'address' | 'openTcp'> | null = null;

  arriveAt(api: Pick<ApiServer, 'address' | 'openTcp'>): void {
    this.#api = api;
  }

  /** Opens TCP when the profile needs it. */
  async addressFor(profile: Profile): Promise<CallbackAddress> {
    if (!this.#api) throw new Error('nothing is begun before there is an API');
    const needsTcp = isCalledBack(profile) || usesCallbackUrl(profile);
    const { socket, url } = this.#api.address();
    return { url: needsTcp ? await this.#api.openTcp() : url, socket };
  }
}

/** The queue that workers answer this supervisor into: known to it alone, and the same after a restart. */
function repliesOf(tokens: RunTokens): string {
  return `replies-${tokenHash(tokens.of('wgl_', 'queue')).slice(0, 20)}`;
}

function noteTrouble(troubles: Map<string, string>, code: string, because: string | null): void {
  if (because === null) troubles.delete(code);
  else troubles.set(code, because);
}

function problemOf(code: string, message: string | null): ReportedProblem[] {
  return message === null ? [] : [{ code, message }];
}
