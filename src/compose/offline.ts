// The programs without a running supervisor: offline control, and a bare store for adding and editing. Separate from
// daemon.ts, so that the short commands load neither servers nor watchers nor executors.

import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { openLookConfig } from '../config/look-config.ts';
import type { Paths } from '../config/paths.ts';
import type { OfflineControl } from '../control/offline-control.ts';
import type { Config } from '../domain/config.ts';
import { countedTask } from '../domain/counted-task.ts';
import { SupervisorError } from '../domain/errors.ts';
import { type GraphPath, taskKey } from '../domain/ids.ts';
import type { GraphStore } from '../graph/store.ts';
import { createBus } from '../platform/bus.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import { type Environment, processEnvironment } from '../platform/environment.ts';
import { createLocker } from '../platform/flock.ts';
import { silentLog } from '../platform/log.ts';
import type { Ledger, LedgerView } from '../runs/ledger.ts';
import { VERSION } from '../version.ts';
import { createWgCommand, lookForWg } from '../wg/command.ts';
import { createDaemonDetector } from '../wg/daemon.ts';
import { notServed } from '../worktrees/coverage.ts';
import {
  beginGraph,
  type GraphInGit,
  type LocatedGraph,
  locateGraph as locateGraphAround,
} from '../worktrees/locate.ts';
import {
  type ComposeOptions,
  competingDispatcherOf,
  createBaseServices,
  openStore,
  pathsOf,
} from './base.ts';

/** Offline control. Nothing is locked; the ledger is read if there is one. */
export async function composeLookout(
  options: ComposeOptions,
): Promise<{ readonly lookout: OfflineControl; readonly paths: Paths; close(): Promise<void> }> {
  const paths = pathsOf(options);
  const source = await openLookConfig({ paths, environment: options.environment });
  const ground = createBaseServices(
    { machineZone: () => source.current().timezone, ...options },
    paths,
    source,
  );
  const { clock } = ground;
  // Started while the other modules load: git and wg answer in the meantime. Neither rejects.
  const wgHere = lookForWg(createWgCommand(options.environment));
  const discovered = ground.graphParts.discover(ground.config());
  const [{ OfflineControl }, { Peers }, { SupervisedGraphs }, ledger] = await Promise.all([
    import('../control/offline-control.ts'),
    import('../graphs/peers.ts'),
    import('../graphs/supervised-graphs.ts'),
    ledgerAt(paths.ledgerFile, clock),
  ]);
  const daemons = createDaemonDetector({ clock });
  const graphs = new SupervisedGraphs({
    ...ground.graphParts,
    discover: () => discovered,
    bus: createBus(clock),
    lock: null,
    competingDispatcher: (graph) => competingDispatcherOf(graph, daemons, source.current(), clock.now()),
  });
  await graphs.rediscover(ground.config());
  const problems = source.problems().map((message) => ({ code: 'config', message }));
  const { variables, home } = options.environment;
  const { openStore } = ground.graphParts;
  const peers = new Peers(openStore, home);
  await graphs.lookAround(peers, await wgHere);
  const closing: (() => Promise<void>)[] = [() => peers.close(), () => graphs.release()];
  const inLedger = async (write: (writable: Ledger) => void): Promise<void> => {
    if (!ledger) return;
    const { openLedger } = await import('../runs/ledger.ts');
    const writable = await openLedger({ file: paths.ledgerFile, clock });
    try {
      write(writable);
    } finally {
      writable.close();
    }
  };
  const lookout = new OfflineControl({
    config: ground.config(),
    graphs,
    ledger,
    clock,
    version: VERSION,
    problems,
    async completionMeans() {
      const { besideWg } = await import('./wg.ts');
      const beside = besideWg(clock, openStore, graphs, silentLog, { variables, home });
      closing.push(() => beside.close());
      return { gate: beside.gate, afterEnd: beside.afterEnd };
    },
    letGo: ({ graph, repo, settings }, { id, createdAt }) =>
      inLedger((writable) => {
        writable.clearPause('task', taskKey(graph, id));
        writable.resetAttempts(countedTask({ graph, task: id, createdAt }, repo, settings));
        writable.forgetResult({ repo, task: id, createdAt: createdAt ?? null });
      }),
    async keep(graph, request, mark) {
      const { noteByHand } = await import('../control/work/complete-in-graph.ts');
      // The graph has it; only a rewind before the next start would lose it.
      await inLedger((writable) =>
        noteByHand(writable, graph, request, { by: null, mark, at: clock.now() }),
      ).catch(() => undefined);
    },
  });
  return {
    lookout,
    paths,
    async close() {
      ledger?.close();
      for (const close of closing) await close();
    },
  };
}

/** The ledger for reading; null, and nothing loaded for it, if no supervisor ever ran. */
async function ledgerAt(file: string, clock: Clock): Promise<LedgerView | null> {
  if (!existsSync(file)) return null;
  return (await import('../runs/ledger.ts')).openLedger({ file, clock, readOnly: true });
}

/** The graph of the current folder; with `create` one is created if the worktree has none. */
export async function locateGraph(options: {
  readonly cwd: string;
  readonly worktree?: string;
  readonly create: boolean;
  readonly environment?: Environment;
}): Promise<LocatedGraph> {
  const environment = options.environment ?? processEnvironment();
  const { cwd, worktree, create } = options;
  const folder = worktree === undefined ? cwd : await worktreeAt(worktree, cwd, environment);
  return await locateGraphAround(folder, { home: environment.home, create });
}

/** A path as it is, else the worktree of the repository around `cwd` with that folder name or branch. */
async function worktreeAt(named: string, cwd: string, environment: Environment): Promise<string> {
  const path = resolve(cwd, named);
  if (existsSync(path) || isAbsolute(named) || named.startsWith('.')) return path;
  const [{ createGit }, { worktreeNamed }] = await Promise.all([
    import('../worktrees/git.ts'),
    import('../worktrees/named.ts'),
  ]);
  return await worktreeNamed(named, cwd, createGit(environment));
}

/**
 * An empty graph in a worktree that has none; `place.created` says whether one was created. Also excluded from git.
 */
export async function initGraph(options: {
  readonly cwd: string;
  readonly worktree?: string;
  readonly environment: Environment;
}): Promise<{ readonly place: LocatedGraph; readonly inGit: GraphInGit }> {
  const place = await locateGraph({ ...options, create: true });
  const { createGit } = await import('../worktrees/git.ts');
  return { place, inGit: await beginGraph(place, createGit(options.environment)) };
}

/** Why no supervisor of this configuration serves a worktree; null if one does, or if that is not certain. */
export async function whyNotServed(options: ComposeOptions, worktree: string): Promise<string | null> {
  const { environment } = options;
  try {
    const source = await openLookConfig({ paths: pathsOf(options), environment });
    return await notServed(worktree, source.current());
  } catch (thrown) {
    // An unreadable configuration is reported by the commands that need it.
    if (thrown instanceof SupervisorError) return null;
    throw thrown;
  }
}

/** The common git dir of a worktree's repository: the repository's identity. */
export async function repositoryOf(worktree: string, environment: Environment): Promise<string> {
  const [{ createGit }, { realPath }] = await Promise.all([
    import('../worktrees/git.ts'),
    import('../worktrees/graph-folder.ts'),
  ]);
  const common = await createGit(environment).commonDir(worktree);
  return (await realPath(common)) ?? common;
}

/** A store over one graph, for commands that write to it directly. */
export function composeStore(options: { readonly graph: GraphPath; readonly config?: Config }): GraphStore {
  return openStore(options.graph, createLocker(), systemClock(), () => options.config ?? null);
}
