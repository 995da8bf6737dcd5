// Tasks of other repositories that tasks here wait for (`peer:task`): read from the peer's own graph, which need not
// be supervised.

import type { PeerStatuses } from '../decide/world.ts';
import { type Snapshot, unfinishedTasks } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { GraphStore } from '../graph/store.ts';
import { peerGraph, peerReference } from '../wg/federation.ts';
import type { SupervisedGraph } from './supervised-graphs.ts';

const NONE: PeerStatuses = new Map();

/** Looks up peers; keeps a store open for each unsupervised one. */
export class Peers {
  readonly #stores = new Map<GraphPath, GraphStore>();
  readonly #asked = new WeakMap<Snapshot, readonly string[]>();
  readonly #last = new Map<GraphPath, PeerStatuses>();
  readonly #openStore: (graph: GraphPath) => GraphStore;
  readonly #home: string;

  constructor(openStore: (graph: GraphPath) => GraphStore, home: string) {
    this.#openStore = openStore;
    this.#home = home;
  }

  /** The state of a graph's dependencies in other repositories; the same object while nothing changed. */
  async statuses(graph: SupervisedGraph, all: readonly SupervisedGraph[]): Promise<PeerStatuses> {
    // Names in an untrusted file are not looked up: the path may lead anywhere on the machine.
    const asked = graph.profiles.repositoryUntrusted ? [] : this.#references(graph.store.snapshot());
    const before = this.#last.get(graph.path) ?? NONE;
    if (asked.length === 0) {
      if (before.size > 0) this.#last.delete(graph.path);
      return NONE;
    }
    const found = new Map<string, string>();
    for (const id of asked) {
      const status = await this.#status(graph.path, id, all);
      if (status !== undefined) found.set(id, status);
    }
    const same = found.size === before.size && [...found].every(([id, status]) => before.get(id) === status);
    if (same) return before;
    this.#last.set(graph.path, found);
    return found;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stores.values()].map((store) => store.close()));
    this.#stores.clear();
  }

  #references(snapshot: Snapshot): readonly string[] {
    const known = this.#asked.get(snapshot);
    if (known) return known;
    const found = new Set<string>();
    for (const task of unfinishedTasks(snapshot.tasks)) {
      if (task.status !== 'open' && task.status !== 'incomplete' && task.status !== 'blocked') continue;
      for (const id of task.after) if (peerReference(id)) found.add(id);
    }
    const asked = [...found];
    this.#asked.set(snapshot, asked);
    return asked;
  }

  async #status(graph: GraphPath, id: string, all: readonly SupervisedGraph[]): Promise<string | undefined> {
    const reference = peerReference(id);
    if (!reference) return undefined;
    const path = await peerGraph(graph, reference.peer, this.#home);
    if (path === null) return undefined;
    const supervised = all.find((one) => one.path === path);
    const snapshot = supervised ? supervised.store.snapshot() : await this.#read(path);
    return snapshot.problem ? undefined : snapshot.tasks.get(reference.task)?.status;
  }

  async #read(path: GraphPath): Promise<Snapshot> {
    let store = this.#stores.get(path);
    if (!store) {
      store = this.#openStore(path);
      this.#stores.set(path, store);
    }
    return await store.refresh();
  }
}
