// Graphs that are gone: deleted, moved, unmounted, removed from the configuration. What was known of them is kept,
// their runs follow them to their new path, and are closed if there is none.

import { findMoved, type PresentGraph } from '../decide/reconcile/moved-graphs.ts';
import { messageOf } from '../domain/errors.ts';
import { type Snapshot, unfinishedTasks } from '../domain/graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Run } from '../domain/run.ts';
import { folderNow } from '../graph/folder-state.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { LiveRun } from '../run/live-run.ts';
import type { RememberedGraph } from '../runs/graph-book.ts';
import type { Ledger } from '../runs/ledger.ts';
import { diskRunFiles, type RunFiles } from '../runs/run-file.ts';

interface LostGraphsParts {
  readonly ledger: Pick<
    Ledger,
    'openRuns' | 'run' | 'latestRun' | 'rememberedGraphs' | 'rememberGraphs' | 'forgetGraph' | 'moveGraph'
  >;
  readonly graphs: Pick<SupervisedGraphs, 'all' | 'get'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
  /** Absent: on the disk. */
  readonly runFiles?: RunFiles;
  /** Which folder is at a path, or null; absent: as the disk tells. */
  readonly folderAt?: (graph: GraphPath) => string | null;
}

/** How long the results of runs are kept for a graph that is gone. */
export const LOST_KEPT_MS = 7 * 24 * 3_600_000;
/** Running time that must pass first: a clock that was set must not make everything old at once, ms. */
const SEEN_LOST_MS = 3_600_000;
/** Open tasks listed by name; of the others the number. */
const NAMED = 10;

export class LostGraphs {
  readonly #parts: LostGraphsParts;
  readonly #folderAt: (graph: GraphPath) => string | null;
  /** The last content of each readable graph. */
  readonly #contents = new Map<GraphPath, Snapshot>();
  readonly #noted = new Map<GraphPath, Snapshot>();
  #remembered: Map<GraphPath, RememberedGraph> | null = null;
  /** Since when this very process has seen them gone, in running time. */
  readonly #goneSince = new Map<GraphPath, number>();

  constructor(parts: LostGraphsParts) {
    this.#parts = parts;
    this.#folderAt = parts.folderAt ?? folderNow;
  }

  /** What is known of graphs that are gone, those with open runs first. */
  gone(): readonly RememberedGraph[] {
    return [...this.#known().values()].filter((graph) => graph.goneAt !== null);
  }

  /** Remembers the content of the graphs while they exist. Cheap. */
  see(): void {
    for (const { path, store } of this.#parts.graphs.all()) {
      const snapshot = store.snapshot();
      if (snapshot.problem === null) this.#contents.set(path, snapshot);
    }
  }

  /** Moves runs along with their graphs. Call after each listing; resolves with what was moved. */
  follow(live: Iterable<LiveRun>): void {
    const { graphs, ledger, log } = this.#parts;
    const present = graphs.all();
    const gone = this.#notServed(ledger.openRuns());
    if (gone.length === 0) return;
    const known = this.#known();
    const moved = findMoved(
      gone.map((graph) => ({ ...graph, isThere: this.#folderAt(graph.graph) !== null })),
      present.map(
        (graph): PresentGraph => ({
          graph: graph.path,
          repo: graph.repository.id,
          branch: graph.worktree.branch,
          folder: this.#folderAt(graph.path) ?? '',
          isNew: !known.has(graph.path),
          holdsRunsOf: this.#runsIn(graph, ledger.openRuns()),
        }),
      ),
    );
    for (const { from, to } of moved) {
      const graph = graphs.get(to);
      if (!graph) continue;
      try {
        ledger.moveGraph(from, { graph: to, worktree: graph.worktree.path, repo: graph.repository.id });
      } catch (thrown) {
        // Its tasks already run at the new place: then nothing moves.
        log.warn('graph.unmoved', { graph: from, to, because: messageOf(thrown) });
        continue;
      }
      this.#forget(from);
      for (const one of live) if (one.run.graph === from) one.run = ledger.run(one.run.id) ?? one.run;
      log.info('graph.moved', { graph: to, from });
    }
  }

  /** Records what was seen, and since when something is gone. */
  note(): void {
    const { ledger, graphs, clock } = this.#parts;
    const known = this.#known();
    const changed: RememberedGraph[] = [];
    const present = new Set<GraphPath>();
    for (const graph of graphs.all()) {
      const { problem } = graph.store.snapshot();
      if (problem?.code === 'missing') continue;
      present.add(graph.path);
      this.#goneSince.delete(graph.path);
      const entry = this.#entryOf(graph, known.get(graph.path));
      if (entry) changed.push(entry);
    }
    const runs = ledger.openRuns();
    for (const entry of [...known.values(), ...this.#notServed(runs)]) {
      if (present.has(entry.graph)) continue;
      const content = this.#contents.get(entry.graph);
      const seen = content && content !== this.#noted.get(entry.graph) ? openOf(content) : entry;
      const open = this.#withoutSettled(entry.graph, seen);
      this.#contents.delete(entry.graph);
      if (open.openCount === 0 && !runs.some((run) => run.graph === entry.graph)) {
        this.#forget(entry.graph);
        ledger.forgetGraph(entry.graph);
        continue;
      }
      if (!this.#goneSince.has(entry.graph)) this.#goneSince.set(entry.graph, this.#elapsed());
      if (entry.goneAt === null || open !== entry)
        changed.push({
          ...entry,
          open: open.open,
          openCount: open.openCount,
          goneAt: entry.goneAt ?? clock.now(),
        });
    }
    const latest = new Map(changed.map((entry) => [entry.graph, entry]));
    ledger.rememberGraphs([...latest.values()]);
    for (const entry of latest.values()) known.set(entry.graph, entry);
  }

  /** What the ledger settled is not open, even if the graph vanished before that was seen in it. */
  #withoutSettled<T extends Pick<RememberedGraph, 'open' | 'openCount'>>(graph: GraphPath, seen: T) {
    const open = seen.open.filter((task) => {
      const run = this.#parts.ledger.latestRun(graph, task);
      return run?.phase !== 'settled' || run.outcome?.kind !== 'succeeded';
    });
    const settled = seen.open.length - open.length;
    return settled === 0 ? seen : { open, openCount: seen.openCount - settled };
  }

  /** Whether the graph has been gone for so long that it is given up. */
  isGivenUp(graph: GraphPath): boolean {
    const { clock } = this.#parts;
    const goneAt = this.#known().get(graph)?.goneAt ?? null;
    const since = this.#goneSince.get(graph);
    if (goneAt === null || since === undefined || this.#parts.graphs.get(graph)) return false;
    const seen = clock.elapsed === undefined || this.#elapsed() - since >= SEEN_LOST_MS;
    return seen && clock.now() - goneAt >= LOST_KEPT_MS;
  }

  /** Forgets what was given up and has no runs any more. */
  prune(): void {
    const runs = new Set(this.#parts.ledger.openRuns().map((run) => run.graph));
    for (const { graph } of this.gone())
      if (!runs.has(graph) && this.isGivenUp(graph)) {
        this.#forget(graph);
        this.#parts.ledger.forgetGraph(graph);
      }
  }

  #known(): Map<GraphPath, RememberedGraph> {
    this.#remembered ??= new Map(this.#parts.ledger.rememberedGraphs().map((graph) => [graph.graph, graph]));
    return this.#remembered;
  }

  #forget(graph: GraphPath): void {
    this.#known().delete(graph);
    this.#noted.delete(graph);
    this.#contents.delete(graph);
    this.#goneSince.delete(graph);
  }

  /** Graphs that are not served, including those known only by their runs. */
  #notServed(runs: readonly Run[]): readonly RememberedGraph[] {
    const known = this.#known();
    const found = new Map([...known].filter(([path]) => !this.#parts.graphs.get(path)));
    for (const { graph, worktree, repo } of runs)
      if (!found.has(graph) && !this.#parts.graphs.get(graph))
        found.set(graph, {
          ...{ graph, worktree, repo, branch: null, folder: '' },
          ...{ open: [], openCount: 0, goneAt: null },
        });
    return [...found.values()];
  }

  /** Which graphs' open runs left their folders in this one, as `mv` and copies between disks preserve them. */
  #runsIn(graph: SupervisedGraph, runs: readonly Run[]): ReadonlySet<GraphPath> {
    const found = new Set<GraphPath>();
    // A foreign folder may contain anything.
    if (graph.profiles.repositoryUntrusted) return found;
    for (const run of runs) {
      if (run.agent === '' || found.has(run.graph) || this.#parts.graphs.get(run.graph)) continue;
      const kept = (this.#parts.runFiles ?? diskRunFiles).read(`${graph.path}/agents/${run.agent}`);
      if (kept?.run.id === run.id && kept.stateDir === this.#parts.stateDir) found.add(run.graph);
    }
    return found;
  }

  #entryOf(graph: SupervisedGraph, before: RememberedGraph | undefined): RememberedGraph | null {
    const snapshot = graph.store.snapshot();
    const { path, worktree, repository } = graph;
    const isRead = snapshot.problem === null;
    const same =
      before !== undefined &&
      before.goneAt === null &&
      before.worktree === worktree.path &&
      before.branch === worktree.branch &&
      before.repo === repository.id;
    if (same && (!isRead || this.#noted.get(path) === snapshot)) return null;
    const folder = this.#folderAt(path) ?? '';
    const open = isRead ? openOf(snapshot) : { open: before?.open ?? [], openCount: before?.openCount ?? 0 };
    if (isRead) this.#noted.set(path, snapshot);
    return {
      ...{ graph: path, worktree: worktree.path, repo: repository.id, branch: worktree.branch },
      ...{ folder, ...open, goneAt: null },
    };
  }

  #elapsed(): number {
    const { clock } = this.#parts;
    return clock.elapsed?.() ?? clock.now();
  }
}

function openOf(snapshot: Snapshot): Pick<RememberedGraph, 'open' | 'openCount'> {
  const open: string[] = [];
  let openCount = 0;
  for (const { id } of unfinishedTasks(snapshot.tasks)) if (openCount++ < NAMED) open.push(id);
  return { open, openCount };
}
