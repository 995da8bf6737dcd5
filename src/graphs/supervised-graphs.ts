// The graphs under supervision: which exist, through which worktree each is served, with which profiles, and what
// blocks one. Keeps one store and one registry per graph; reads again only what changed.

import { basename, join } from 'node:path';
import type { GraphHold, GraphView, PeerStatuses } from '../decide/world.ts';
import type { Config, RepoSettings } from '../domain/config.ts';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Snapshot } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { ProfileSet } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { WgCapabilities } from '../domain/wg-capabilities.ts';
import type { Repository, Worktree } from '../domain/worktree.ts';
import type { GraphStore } from '../graph/store.ts';
import type { Bus } from '../platform/bus.ts';
import { nextTurn } from '../platform/cooperative.ts';
import type { InstanceLock } from '../platform/instance-lock.ts';
import { Absences } from '../wg/absences.ts';
import type { WgHere } from '../wg/command.ts';
import { obstacleIn } from '../wg/obstacles.ts';
import type { Registry } from '../wg/registry.ts';
import type { DiscoveredRepository } from '../worktrees/discover.ts';
import type { Peers } from './peers.ts';

/** One graph with what serving it needs. */
export interface SupervisedGraph {
  readonly path: GraphPath;
  readonly store: GraphStore;
  readonly registry: Registry;
  /** The worktree its work happens in. */
  readonly worktree: Worktree;
  /** Paths of other worktrees that reach it. */
  readonly aliases: readonly string[];
  readonly repository: Repository;
  readonly settings: RepoSettings;
  readonly profiles: ProfileSet;
  readonly hold: GraphHold | null;
  /** Tasks of other repositories that tasks here wait for. */
  readonly peers?: PeerStatuses;
  /** A `wg` command can be run. */
  readonly wgOnPath?: boolean;
  /** The capabilities that command reported. */
  readonly wgCan?: WgCapabilities;
}

/** What finding and opening graphs needs; all of it is passed in. */
export interface SupervisedGraphsParts {
  readonly bus: Bus;
  discover(config: Config): Promise<readonly DiscoveredRepository[]>;
  openStore(graph: GraphPath): GraphStore;
  openRegistry(graph: GraphPath): Registry;
  /** Profiles that apply to a graph: the machine's and, if trusted, the worktree's own. */
  profiles(graph: GraphPath, settings: RepoSettings, repo: string): Promise<ProfileSet>;
  /** Takes the graph for this supervisor; null: not wanted (observing, one-shot commands). */
  lock: ((graph: GraphPath) => Promise<InstanceLock>) | null;
  /** Another dispatcher that serves the graph now. */
  competingDispatcher: ((graph: GraphPath) => Promise<GraphHold | null>) | null;
  /** What in a graph's folder prevents serving it, or null; absent: what its files on the disk tell. */
  readonly obstacle?: typeof obstacleIn;
  /** A time that only goes forward, ms; absent: each look is the first. */
  readonly elapsed?: () => number;
}

interface Entry {
  graph: SupervisedGraph;
  lock: InstanceLock | null;
  readonly absences: Absences;
  wasProblem: string | null;
  /** The last content that was told of as changed. */
  told: Snapshot | null;
}

/** Graphs checked before yielding to the event loop. */
const LOOKS_AT_A_TIME = 100;

export class SupervisedGraphs {
  readonly #parts: SupervisedGraphsParts;
  readonly #entries = new Map<GraphPath, Entry>();
  #repositories: readonly DiscoveredRepository[] = [];
  /** Pending writes of graphs that were closed. */
  readonly #parting = new Set<Promise<void>>();

  constructor(parts: SupervisedGraphsParts) {
    this.#parts = parts;
  }

  /** Every repository as last listed, broken ones included. */
  repositories(): readonly DiscoveredRepository[] {
    return this.#repositories;
  }

  /** Every graph under supervision. */
  all(): readonly SupervisedGraph[] {
    return [...this.#entries.values()].map((entry) => entry.graph);
  }

  get(path: GraphPath): SupervisedGraph | undefined {
    return this.#entries.get(path)?.graph;
  }

  /** The same; throws `graph` where it is not under supervision (any more). */
  require(path: GraphPath): SupervisedGraph {
    const graph = this.get(path);
    if (!graph) throw new SupervisorError('graph', `${path} is no longer supervised`);
    return graph;
  }

  /** The worktree of a run, and its graph with it, was removed or moved: git no longer lists it. */
  isGone(run: Pick<Run, 'graph' | 'worktree' | 'repo'>): boolean {
    if (this.#entries.has(run.graph)) return false;
    const found = this.#repositories.find(({ repository }) => repository.id === run.repo);
    // A repository that is not listed at all was removed from the configuration, or is temporarily unreadable.
    if (!found || found.repository.problem !== null) return false;
    return found.repository.worktrees.every(
      ({ path, graph }) => path !== run.worktree && graph !== run.graph,
    );
  }

  /** Lists worktrees again; opens new graphs and closes vanished ones. Returns whether anything changed. */
  async rediscover(config: Config): Promise<boolean> {
    const before = new Set(this.#worktreePaths());
    this.#repositories = await this.#parts.discover(config);
    const wanted = servingWorktrees(this.#repositories);
    for (const [path, entry] of this.#entries) {
      if (wanted.has(path)) continue;
      this.#entries.delete(path);
      this.#part(entry.graph);
      await entry.lock?.release();
    }
    await Promise.all([...wanted].map(([path, found]) => this.#admit(path, found)));
    const after = new Set(this.#worktreePaths());
    const added = [...after].filter((path) => !before.has(path));
    const removed = [...before].filter((path) => !after.has(path));
    if (added.length === 0 && removed.length === 0) return false;
    this.#parts.bus.emit('worktrees.changed', { added, removed });
    return true;
  }

  /** Whether a graph's file differs from what was read last; what a stat does not show is found by `changed`. */
  mayDiffer(path: GraphPath): boolean {
    return this.#entries.get(path)?.graph.store.mayDiffer('likely') ?? false;
  }

  /** Graphs whose file or profiles may differ from what was read last. Only stats; reads no graph. */
  async changed(): Promise<readonly GraphPath[]> {
    const found: GraphPath[] = [];
    let looked = 0;
    for (const { graph } of [...this.#entries.values()]) {
      const { path, store } = graph;
      if (store.mayDiffer() || (await this.#profiles(path, graph)) !== graph.profiles) found.push(path);
      if (++looked % LOOKS_AT_A_TIME === 0) await nextTurn();
    }
    return found;
  }

  /** Reads the named graphs and their profiles again, if they changed. */
  async refresh(paths: Iterable<GraphPath>): Promise<void> {
    await Promise.all([...paths].map((path) => this.#refresh(path)));
  }

  /** Tries again to take graphs that another supervisor had, and checks for other dispatchers. */
  async recheckHolds(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => this.#judgeHold(entry, 'periodic')));
  }

  /** Checks for another dispatcher of one graph, just before something starts in it. */
  async recheckHold(path: GraphPath): Promise<GraphHold | null> {
    const entry = this.#entries.get(path);
    if (entry) await this.#judgeHold(entry);
    return entry?.graph.hold ?? null;
  }

  /** Reads what judging needs to know from outside the graphs. Writes nothing. */
  async lookAround(peers: Pick<Peers, 'statuses'>, wg: WgHere): Promise<void> {
    const all = this.all();
    await Promise.all(
      all.map(async (graph) => {
        this.inform(graph.path, {
          peers: await peers.statuses(graph, all),
          wgOnPath: wg.onPath,
          ...(wg.can ? { wgCan: wg.can } : {}),
        });
      }),
    );
  }

  /** Records what was found out about a graph elsewhere. */
  inform(path: GraphPath, facts: Pick<SupervisedGraph, 'peers' | 'wgOnPath' | 'wgCan'>): void {
    const entry = this.#entries.get(path);
    if (!entry) return;
    const { wgCan: _former, ...rest } = entry.graph;
    const { peers, wgOnPath, wgCan } = entry.graph;
    if (peers !== facts.peers || wgOnPath !== facts.wgOnPath || wgCan !== facts.wgCan)
      entry.graph = { ...rest, ...facts };
  }

  /** Closes every graph. */
  async release(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(
      entries.map(async (entry) => {
        await entry.graph.registry.flush();
        await entry.lock?.release();
      }),
    );
    await Promise.all(this.#parting);
  }

  /** Pending updates of its registry are written now, in the background: its lock may be taken for seconds. */
  #part({ registry }: SupervisedGraph): void {
    const parting = registry.flush().finally(() => this.#parting.delete(parting));
    this.#parting.add(parting);
  }

  async #admit(path: GraphPath, found: Serving): Promise<void> {
    const known = this.#entries.get(path);
    if (known) {
      const before = known.graph.worktree.trouble?.message;
      known.graph = { ...known.graph, ...found };
      if (found.worktree.trouble?.message !== before) await this.#judgeHold(known);
      return;
    }
    const entry: Entry = {
      graph: {
        path,
        store: this.#parts.openStore(path),
        registry: this.#parts.openRegistry(path),
        profiles: await this.#profiles(path, found),
        hold: null,
        ...found,
      },
      lock: null,
      absences: new Absences(),
      wasProblem: null,
      told: null,
    };
    this.#entries.set(path, entry);
    await this.#judgeHold(entry);
    await this.#refresh(path);
  }

  async #refresh(path: GraphPath): Promise<void> {
    const entry = this.#entries.get(path);
    if (!entry) return;
    const [snapshot, profiles] = await Promise.all([
      entry.graph.store.refresh(),
      this.#profiles(path, entry.graph),
    ]);
    if (profiles !== entry.graph.profiles) entry.graph = { ...entry.graph, profiles };
    const problem = snapshot.problem?.message ?? null;
    if (problem !== null && problem !== entry.wasProblem && snapshot.problem?.code !== 'missing')
      this.#parts.bus.emit('graph.problem', { graph: path, message: problem });
    if (problem === null && entry.wasProblem !== null) this.#parts.bus.emit('graph.healed', { graph: path });
    entry.wasProblem = problem;
    // Readings may overlap: each content is told of once.
    if (snapshot === entry.told) return;
    entry.told = snapshot;
    this.#parts.bus.emit('graph.changed', { graph: path, tasks: snapshot.tasks.size });
  }

  #profiles(path: GraphPath, { settings, repository }: Serving): Promise<ProfileSet> {
    return this.#parts.profiles(path, settings, repository.id);
  }

  /** Before a start everything is looked for, however long it was missing. */
  async #judgeHold(entry: Entry, when: 'periodic' | 'now' = 'now'): Promise<void> {
    const { path } = entry.graph;
    const { obstacle: find = obstacleIn, elapsed } = this.#parts;
    const missing = elapsed && when === 'periodic' ? () => entry.absences.now(path, elapsed()) : undefined;
    const obstacle = find(path, missing);
    let hold: GraphHold | null = obstacle === null ? null : { code: 'obstacle', because: obstacle };
    // If something blocks the graph, nothing is created, locked or probed in it.
    if (hold === null && this.#parts.lock && !entry.lock) {
      try {
        entry.lock = await this.#parts.lock(path);
      } catch (thrown) {
        const taken = thrown instanceof SupervisorError && thrown.code === 'already-running';
        hold = { code: taken ? 'other-supervisor' : 'graph-lock', because: messageOf(thrown) };
      }
    }
    const { trouble } = entry.graph.worktree;
    if (trouble) hold ??= { code: trouble.code, because: trouble.message };
    hold ??= (await this.#parts.competingDispatcher?.(path)) ?? null;
    const before = entry.graph.hold;
    if (hold?.code !== before?.code || hold?.because !== before?.because)
      entry.graph = { ...entry.graph, hold };
  }

  #worktreePaths(): string[] {
    return this.#repositories.flatMap((found) => found.repository.worktrees.map((worktree) => worktree.path));
  }
}

/** A graph as deciding sees it. */
export function viewOf(graph: SupervisedGraph): GraphView {
  return {
    graph: graph.path,
    worktree: graph.worktree.path,
    worktreeIsMain: graph.worktree.main,
    aliases: graph.aliases,
    branch: graph.worktree.branch,
    repo: graph.repository.id,
    repoName: graph.repository.name,
    settings: graph.settings,
    tracked: graph.worktree.graphTracked,
    snapshot: graph.store.snapshot(),
    detail: (id) => graph.store.detail(id),
    profiles: graph.profiles,
    hold: graph.hold,
    ...(graph.peers === undefined ? {} : { peers: graph.peers }),
    ...(graph.wgOnPath === undefined ? {} : { wgOnPath: graph.wgOnPath }),
    ...(graph.wgCan === undefined ? {} : { wgCan: graph.wgCan }),
  };
}

type Serving = Pick<SupervisedGraph, 'worktree' | 'aliases' | 'repository' | 'settings'>;

/**
 * One worktree for each graph: of several that reach it, the one that contains its folder, else the main one, else
 * the first that git lists.
 */
function servingWorktrees(repositories: readonly DiscoveredRepository[]): Map<GraphPath, Serving> {
  const serving = new Map<GraphPath, Serving>();
  for (const { repository, settings, excluded } of repositories) {
    for (const worktree of repository.worktrees) {
      if (worktree.graph === null || worktree.missing || excluded.has(worktree.path)) continue;
      const known = serving.get(worktree.graph);
      const others = known ? [...known.aliases, known.worktree.path] : [];
      if (!known || rank(worktree) < rank(known.worktree))
        serving.set(worktree.graph, { worktree, aliases: others, repository, settings });
      else serving.set(worktree.graph, { ...known, aliases: [...known.aliases, worktree.path] });
    }
  }
  return serving;
}

function rank(worktree: Worktree): number {
  const home = join(worktree.path, basename(worktree.graph ?? '')) === worktree.graph;
  return (home || !worktree.graphIsAlias ? 0 : 2) + (worktree.main ? 0 : 1);
}
