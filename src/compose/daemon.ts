// Constructs the parts of the supervisor and wires them together. Its base is in base.ts; the programs without a
// running supervisor are in offline.ts.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiServer } from '../api/server.ts';
import { ensureFolders, type Paths } from '../config/paths.ts';
import { createConfigSource } from '../config/source.ts';
import type { SupervisorControl } from '../control/control.ts';
import { LiveControl } from '../control/live-control.ts';
import { applySpooled } from '../control/spooled.ts';
import { claimRefusal } from '../decide/claim-refusal.ts';
import { usesCallbackUrl } from '../domain/callback-use.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Profile } from '../domain/profile.ts';
import type { ReportedProblem } from '../domain/report.ts';
import type { Worktree } from '../domain/worktree.ts';
import { createExecutors } from '../executors/executors.ts';
import { writeAgentTools } from '../executors/process/agent-tools.ts';
import type { EditSession } from '../graph/store.ts';
import { createGraphWatcher } from '../graph/watcher.ts';
import { type SupervisedGraph, SupervisedGraphs, viewOf } from '../graphs/supervised-graphs.ts';
import { writeWgOperations } from '../graphs/wg-operations.ts';
import { createOutbox } from '../notify/outbox.ts';
import { type Bus, createBus } from '../platform/bus.ts';
import { newTokenKey, runTokens } from '../platform/identity.ts';
import type { Log } from '../platform/log.ts';
import type { CallbackAddress } from '../run/assignment.ts';
import { openLedger } from '../runs/ledger.ts';
import { ledgerPresence } from '../runs/ledger-presence.ts';
import { openNamedTokens } from '../runs/named-tokens.ts';
import { drainSpool } from '../runs/spool.ts';
import { readTokenKey } from '../runs/token-key.ts';
import { Retention } from '../supervisor/retention.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { VERSION } from '../version.ts';
import { createDaemonDetector } from '../wg/daemon.ts';
import { createGit } from '../worktrees/git.ts';
import { standingOf } from '../worktrees/standing.ts';
import { createRepositoryWatcher } from '../worktrees/watcher.ts';
import { type ComposeOptions, competingDispatcherOf, mainProgram, pathsOf, wrapped } from './base.ts';
import {
  agentVariables,
  createDaemonServices,
  lockGraph,
  lockMachine,
  wrappedExecutors,
} from './services.ts';
import { besideWg } from './wg.ts';

/** A supervisor, wired and ready to start. */
export interface RunningSupervisor {
  readonly supervisor: Supervisor;
  readonly control: SupervisorControl;
  readonly bus: Bus;
  readonly paths: Paths;
  readonly log: Log;
  /** Reconciles, then watches, then opens the API. Throws `already-running`, `config`. */
  start(): Promise<void>;
  /** Everything in reverse. Agents keep running unless `cancelAgents` is set. Safe to call twice. */
  stop(options: { readonly cancelAgents: boolean }): Promise<void>;
}

/** Wires the supervisor. Takes the machine lock already here, so that a second one learns at once who has it. */
export async function composeSupervisor(
  options: ComposeOptions & { readonly observe?: boolean; readonly once?: boolean },
): Promise<RunningSupervisor> {
  const paths = pathsOf(options);
  const source = createConfigSource({ paths, environment: options.environment });
  const ground = createDaemonServices(options, paths, source);
  const { clock, identity, log } = ground;
  const observeOnly = (options.observe ?? false) || source.current().mode === 'observe';
  ensureFolders(paths);
  const troubles = new Map<string, string>();
  const machineLock = await lockMachine(ground, observeOnly, (because) => {
    log.error('lock.compromised', { because });
    troubles.set('lock', because);
    supervisor.drain(because);
  });
  const bus = createBus(clock);
  // Observing beside a running supervisor: its state is not touched.
  const scratch = machineLock ? null : await mkdtemp(join(tmpdir(), 'supervisor-observe-'));
  const ledgerFile = scratch ? join(scratch, 'ledger.sqlite') : paths.ledgerFile;
  const ledger = wrapped(await openLedger({ file: ledgerFile, clock }), options.wrap?.ledger);
  const lostLedger = ledgerPresence(ledgerFile);
  const tokens = runTokens(scratch ? newTokenKey() : await readTokenKey(join(paths.stateDir, 'token.key')));
  const bootId = ground.processes.identify(process.pid)?.bootId;
  if (bootId !== undefined && ledger.noteStart(bootId).rebooted) log.info('machine.rebooted', { bootId });
  for (const warning of ledger.warnings) troubles.set('ledger', warning);
  const tools = await writeAgentTools(join(paths.stateDir, 'bin'), [
    process.execPath,
    mainProgram(),
    // A named file must exist; without one, defaults apply to agents, too.
    ...(source.current().file === null ? [] : ['--config', paths.configFile]),
    '--state-dir',
    paths.stateDir,
  ]);
  const variables = agentVariables(options.environment, tools, paths);
  const daemons = createDaemonDetector({ clock });
  const graphs = new SupervisedGraphs({
    ...ground.graphParts,
    bus,
    lock: observeOnly ? null : (graph) => lockGraph(graph, ground),
    competingDispatcher: (graph) => competingDispatcherOf(graph, daemons, source.current(), clock.now()),
  });
  const graphWatcher = createGraphWatcher({
    clock,
    onDirty: (graph, of) => supervisor.markDirty(graph, of),
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
    const isCalledBack = profile.type === 'http' && profile.completion === 'callback';
    const needsTcp = isCalledBack || usesCallbackUrl(profile);
    const { socket, url } = api.address();
    return { url: needsTcp ? await api.openTcp() : url, socket };
  };
  const wgEnvironment = { variables, home: options.environment.home };
  const beside = besideWg(clock, ground.graphParts.openStore, graphs, log, wgEnvironment, ledger);
  writeWgOperations({
    bus,
    clock,
    log,
    run: (id) => ledger.run(id),
    endedByWg: ({ graph, task, agent }) => beside.gate.endedByWg(graph, task, agent),
  });
  const retryMissing = () => {
    if (!observeOnly) supervisor.dispatcher.runner.ending.availability.retryMissing();
  };
  const takeSpooled = async () => {
    if (!observeOnly) await drainSpool(paths.spoolDir, (record) => applySpooled(control, record));
  };
  const retention = new Retention({ ledger, clock, log, config: () => source.current() });
  const git = createGit(options.environment);
  const parts = {
    ledger,
    graphs,
    gate: beside.gate,
    afterEnd: beside.afterEnd,
    maintenance: beside.maintenance,
    executors: wrappedExecutors(options.executors ?? executors.byType, options.wrap?.executor),
    clock,
    identity,
    tokens,
    bus,
    log,
    observeOnly,
    environment: variables,
    stateDir: paths.stateDir,
    unavailable: () => {
      const because = lostLedger();
      return because === null ? null : { code: 'ledger-gone', because };
    },
    callback,
    standing: (worktree: Worktree) => standingOf(worktree, git),
    version: VERSION,
    config: () => ground.config(),
    refuseClaim: (graph: SupervisedGraph, draft: EditSession, task: string) => {
      const world = supervisor.decided?.world;
      const detail = (id: string) => draft.detail(id);
      const view = { ...viewOf(graph), snapshot: draft.snapshot, detail };
      return world
        ? claimRefusal({ ...world, now: clock.now(), results: ledger.results() }, view, task)
        : 'the supervisor is still starting';
    },
    reloadConfig: async () => {
      const { problems, rejected } = source.reload();
      retryMissing();
      if (rejected === null) bus.emit('config.loaded', { file: source.current().file });
      else bus.emit('config.rejected', { message: rejected });
      return problems;
    },
    watch: (paths: readonly GraphPath[]) => {
      graphWatcher.watch(paths);
      repositoryWatcher.watch(graphs.repositories().map((found) => found.repository));
    },
    takeSpooled,
    periodicTasks: async () => {
      await graphWatcher.recheck();
      if (observeOnly) return;
      await retention.work();
      if (supervisor.state !== 'starting') await takeSpooled();
      await executors.sweep(
        () => new Set([...supervisor.dispatcher.attended(), ...ledger.openRuns().map((r) => r.id)]),
      );
    },
    problems: (): ReportedProblem[] => [
      ...source.problems().map((message) => ({ code: 'config', message })),
      ...[...troubles].map(([code, message]) => ({ code, message })),
      ...[lostLedger()].flatMap((message) => (message === null ? [] : [{ code: 'ledger-gone', message }])),
      ...[ledger.refusal()].flatMap((message) =>
        message === null ? [] : [{ code: 'ledger-unwritable', message }],
      ),
      ...supervisor.dispatcher.problems(clock.now()),
    ],
    pollingGraphs: () => graphWatcher.pollingGraphs(),
  };
  const supervisor: Supervisor = new Supervisor(parts);
  const control: LiveControl = new LiveControl(supervisor, parts);
  const { api: apiSettings, limits } = source.current();
  const api = createApiServer({
    control,
    tokens: { operator: identity.token('wgt_'), named: openNamedTokens(paths.tokensFile, clock) },
    config: { ...apiSettings, maxBodyBytes: limits.maxBodyBytes },
    socketPath: paths.socket,
    answers: ledger.answers,
    apiFile: paths.apiFile,
    clock,
    log,
    version: VERSION,
  });
  const outbox = createOutbox({
    ledger,
    bus,
    clock,
    log,
    random: () => identity.random(),
    version: VERSION,
    variables,
    webhooks: () => source.current().notify ?? [],
    verdicts: () => supervisor.decided?.decision.verdicts.values() ?? [],
    worktreeOf: (graph) => graphs.get(graph)?.worktree.path ?? graph,
    statusOf: (graph, task) => graphs.get(graph)?.store.snapshot().tasks.get(task)?.status ?? null,
  });
  let stopped: Promise<void> | null = null;
  return {
    supervisor,
    control,
    bus,
    paths,
    log,
    async start() {
      // The API first: agents dispatched by the first tick may call back at once.
      if (machineLock) await api.start();
      await graphWatcher.start();
      await repositoryWatcher.start();
      if (!observeOnly) await outbox.start();
      retryMissing();
      await supervisor.start();
    },
    stop({ cancelAgents }) {
      stopped ??= (async () => {
        supervisor.drain('stopping');
        if (cancelAgents) await supervisor.dispatcher.stopAll('shutdown');
        await repositoryWatcher.stop();
        await graphWatcher.stop();
        await supervisor.stop();
        await beside.close();
        await api.stop();
        await outbox.stop();
        ledger.close();
        await machineLock?.release();
        if (scratch) await rm(scratch, { recursive: true, force: true });
      })();
      return stopped;
    },
  };
}
