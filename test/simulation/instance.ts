// One life of a supervisor: the real parts, wired as src/compose wires them, over disks in memory and scripted agents.

import { createControl } from '../../src/compose/control.ts';
import { createRuns } from '../../src/compose/runs.ts';
import type { SupervisorControl } from '../../src/control/control.ts';
import { CurrentTasks } from '../../src/control/current-tasks.ts';
import { Completions } from '../../src/control/work/completions.ts';
import type { Config } from '../../src/domain/config.ts';
import type { Event } from '../../src/domain/event.ts';
import { createGraphStore } from '../../src/graph/store.ts';
import { CompletionGate } from '../../src/graphs/completion-gate.ts';
import { Maintenance } from '../../src/graphs/maintenance.ts';
import { Peers } from '../../src/graphs/peers.ts';
import { SupervisedGraphs } from '../../src/graphs/supervised-graphs.ts';
import { StandingRules } from '../../src/graphs/wg-transitions.ts';
import { createBus } from '../../src/platform/bus.ts';
import { forOneTurn } from '../../src/platform/cooperative.ts';
import { type Identity, runTokens } from '../../src/platform/identity.ts';
import type { Log } from '../../src/platform/log.ts';
import { ClaimCheck } from '../../src/run/claim-check.ts';
import { LastDecision } from '../../src/run/last-decision.ts';
import type { Ledger } from '../../src/runs/ledger.ts';
import { ConnectedWorkers } from '../../src/supervisor/connected-workers.ts';
import { Retention } from '../../src/supervisor/retention.ts';
import { Supervisor } from '../../src/supervisor/supervisor.ts';
import { VerdictRecorder } from '../../src/supervisor/verdict-recorder.ts';
import { wgSettings } from '../../src/wg/settings.ts';
import type { Verified } from '../../src/wg/verify.ts';
import type { DiscoveredRepository } from '../../src/worktrees/discover.ts';
import type { Agents } from './agents.ts';
import type { Disk } from './disk.ts';
import type { LedgerDisk } from './ledger-disk.ts';
import type { Life, Scheduler } from './scheduler.ts';

/** What a life finds when it begins. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly disk: Disk;
  readonly ledgerDisk: LedgerDisk;
  readonly agents: Agents;
  readonly identity: Identity;
  readonly config: Config;
  readonly repositories: readonly DiscoveredRepository[];
  readonly stateDir: string;
  readonly hear: (event: Event) => void;
  readonly log: Log;
  /** Runs the verify command of a task. */
  readonly verify: (command: string, cwd: string) => Verified;
}

export interface Instance {
  readonly life: Life;
  readonly supervisor: Supervisor;
  readonly control: SupervisorControl;
  readonly ledger: Ledger;
  start(): Promise<void>;
  /** `answered`: requests that are under way. */
  stop(answered: () => Promise<void>): Promise<void>;
}

const KEY = '5'.repeat(64);
const SETTINGS = wgSettings([{ agency: {} }]);

export function createInstance(life: Life, around: Surroundings): Instance {
  const { scheduler, disk, agents, identity, repositories, stateDir, log } = around;
  const clock = scheduler.clock(life);
  const bus = createBus(clock);
  bus.on(around.hear);
  const base = { clock, log, bus };
  const config = () => around.config;
  const ledger = around.ledgerDisk.open(life);
  ledger.noteStart(agents.bootId);
  const files = disk.files(life);
  const locker = disk.locker(life);
  const { profiles, brokenProfiles, limits } = around.config;
  const profileSet = { byName: profiles, broken: brokenProfiles, untrusted: [] };
  const openStore = (graph: string) => createGraphStore({ graph, locker, limits, clock, files });
  const graphs = new SupervisedGraphs({
    bus,
    discover: () => scheduler.do(life, () => repositories, 5),
    openStore,
    openRegistry: (graph) => disk.registry(life, graph),
    profiles: async () => profileSet,
    lock: (graph) => disk.lockGraph(life, graph),
    competingDispatcher: async () => null,
    obstacle: () => null,
  });
  let supervisor: Supervisor | null = null;
  const wake = () => supervisor?.wake();
  const last = new LastDecision();
  const claimCheck = new ClaimCheck({ clock, ledger, last });
  const gate = new CompletionGate({
    clock,
    wg: {
      path: () => null,
      capabilities: async () => null,
      run: async () => ({ ok: false, status: null, said: 'there is no wg' }),
    },
    settings: () => SETTINGS,
    isUntrusted: () => false,
    verify: (command, cwd) => scheduler.do(life, () => around.verify(command, cwd), 2000),
  });
  const runFiles = disk.runFiles(life);
  const rules = new StandingRules({
    ...{ clock, log, settings: () => SETTINGS },
    addressed: () => new Set(),
    messages: () => [],
    score: () => null,
    modifiedAt: () => null,
  });
  const maintenance = new Maintenance({
    ...{ graphs, rules, clock, log, ledger, runFiles },
    peers: new Peers(openStore, '/home'),
    wgHere: async () => ({ onPath: false, can: null }),
    isLive: (pid) => agents.isLive(pid),
  });
  const afterEnd: Parameters<typeof createRuns>[1]['afterEnd'] = (graph, draft, task) =>
    rules.afterEnd(graph, draft, task);
  const runs = createRuns(base, {
    ...{ identity, ledger, graphs, claimCheck, gate, afterEnd, config, wake, runFiles, stateDir },
    tokens: runTokens(KEY),
    executors: agents.executors(life, stateDir),
    environment: {},
    callback: async () => ({ url: 'http://127.0.0.1:1', socket: '/socket' }),
    standing: async ({ head, branch }) => ({ head, branch }),
    hooks: { run: async () => ({ kind: 'ok' }), state: async () => 'none', endLeftovers: async () => {} },
    worktrees: {
      ensure: () => Promise.reject(new Error('no worktree of its own is made here')),
      state: () => Promise.reject(new Error('there is none')),
      remove: async () => {},
    },
    worktreesChanged: () => {},
  });
  const tasks = new CurrentTasks(last, graphs);
  const means = { gate, afterEnd };
  const completions = new Completions({ clock, bus, ledger, graphs, runs, tasks, means, wake });
  const retention = new Retention({
    ...{ ledger, clock, log, config },
    remove: async () => ({ kind: 'removed' }),
  });
  const workers = new ConnectedWorkers();
  const served = new Supervisor({
    ...base,
    ...{ ledger, graphs, runs, last, workers, config, stateDir, runFiles, maintenance },
    observeOnly: false,
    turn: forOneTurn,
    takeSpooled: async () => {},
    folderAt: (graph) => (disk.folders.has(graph) ? graph : null),
    unavailable: () => null,
    watch: () => {},
    async periodicTasks({ attended }) {
      await retention.work();
      await agents.sweep(
        life,
        stateDir,
        () => new Set([...attended(), ...ledger.openRuns().map(({ id }) => id)]),
      );
    },
  });
  supervisor = served;
  const verdicts = new VerdictRecorder({
    ...{ ...base, last },
    store: ledger,
    isStarting: () => served.state === 'starting',
  });
  const control = createControl(base, {
    ...{ identity, ledger, graphs, runs, claimCheck, last, tasks, completions, workers, wake },
    ...{ supervisor: served, observeOnly: false, version: 'simulated' },
    pollingGraphs: () => [],
    verdictsWritten: () => verdicts.flush(),
    problems: () => [],
    reloadConfig: async () => [],
    restart: () => Promise.reject(new Error('no program of this world replaces itself')),
  });
  return {
    ...{ life, supervisor: served, control, ledger },
    start: () => served.start(),
    async stop(answered) {
      served.drain('stopping');
      await served.stop();
      await verdicts.stop();
      await answered();
      ledger.close();
    },
  };
}
