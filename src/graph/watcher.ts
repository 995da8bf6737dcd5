// Reports which graphs may have changed, soon after they did. A hint, never a guarantee: the supervisor's periodic
// scan is authoritative, and calls `recheck`. Reads no graph; if watching fails, it checks every two seconds.

import { messageOf, systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Steps } from '../domain/steps.ts';
import type { Cancel, Clock } from '../platform/clock.ts';
import { yielding } from '../platform/cooperative.ts';
import type { Service } from '../platform/service.ts';
import { type FolderState, folderNow, lookAt } from './folder-state.ts';
import { type FolderWatch, type Hint, systemWatch, type WatchFunction, watchFolder } from './folder-watch.ts';

export interface GraphWatcherOptions {
  readonly clock: Clock;
  /** The graph's files may have changed, appeared or vanished; `graph`: only graph.jsonl. */
  onDirty(graph: GraphPath, of: Hint): void;
  /** These graphs cannot be watched and are polled instead; one sentence that contains the next step. */
  onDegraded(message: string, graphs: readonly GraphPath[]): void;
  /** What watches a folder; the system's own watches by default. */
  readonly watch?: WatchFunction;
}

export interface GraphWatcher extends Service {
  /** Watch exactly these graphs from now on. */
  watch(graphs: readonly GraphPath[]): void;
  /** Graphs that are checked every two seconds, because they cannot be watched or are reached through a link. */
  pollingGraphs(): readonly GraphPath[];
  /** Checks every folder; watches again those that were replaced, and those that could not be watched before. */
  recheck(): Promise<void>;
}

interface Watched {
  readonly graph: GraphPath;
  state: 'idle' | 'watching' | 'polled' | 'absent';
  watch: FolderWatch | null;
  seen: FolderState | null;
  heardAt: number;
  /** Changes since the last report. */
  heard: Hint;
  soon: Cancel | null;
  settled: Cancel | null;
}

/** One rename causes several events within this time, ms. */
const TOGETHER_MS = 2;
/** A file that was just emptied may be half written; after this time it counts as complete, ms. */
const SETTLE_MS = 60;
const POLL_MS = 2000;
/** Failures of one moment have one cause and are reported together, ms. */
const FAILURES_TOGETHER_MS = 100;

/** A watcher of graph folders. Watches nothing before `start`. */
export function createGraphWatcher(options: GraphWatcherOptions): GraphWatcher {
  const { clock, onDirty, watch = systemWatch } = options;
  const all = new Map<GraphPath, Watched>();
  let running = false;
  let polling: Cancel | null = null;
  let telling: Cancel | null = null;
  let failures: { readonly graph: GraphPath; readonly thrown: unknown }[] = [];
  /** Graphs whose failure was already reported. */
  const told = new Set<GraphPath>();

  const isCurrent = (w: Watched) => running && all.get(w.graph) === w;

  function begin(w: Watched): void {
    if (!isCurrent(w)) return;
    end(w);
    const before = lookAt(w.graph);
    w.seen = before;
    if (before.folder === null) {
      w.state = 'absent';
      pollLater();
      onDirty(w.graph, 'any');
      return;
    }
    let mine: FolderWatch | null = null;
    const isMine = () => mine !== null && w.watch === mine && isCurrent(w);
    try {
      mine = watchFolder(watch, w.graph, {
        hint: (of) => {
          if (isMine()) hint(w, of);
        },
        failed: (thrown) => {
          if (isMine()) fail(w, thrown);
        },
      });
    } catch (thrown) {
      fail(w, thrown);
      return;
    }
    w.watch = mine;
    w.state = 'watching';
    told.delete(w.graph);
    // The folder may have been replaced while the watch was set up: then the next check finds another one.
    w.seen = { ...lookAt(w.graph), folder: before.folder };
    if (isPolled(w)) pollLater();
    // Changes during the set-up of the watch were not reported.
    onDirty(w.graph, 'any');
  }

  /** Ends the watch and everything pending for it. */
  function end(w: Watched): void {
    w.soon?.();
    w.settled?.();
    w.soon = null;
    w.settled = null;
    w.state = 'idle';
    w.watch?.close();
    w.watch = null;
  }

  function hint(w: Watched, of: Hint): void {
    w.heardAt = clock.now();
    if (of === 'any') w.heard = 'any';
    w.soon ??= clock.after(TOGETHER_MS, () => {
      w.soon = null;
      const heard = w.heard;
      w.heard = 'graph';
      onDirty(w.graph, heard);
    });
    w.settled ??= clock.after(SETTLE_MS, () => settle(w));
  }

  function settle(w: Watched): void {
    const rest = Math.min(w.heardAt + SETTLE_MS - clock.now(), SETTLE_MS);
    if (rest > 0) {
      w.settled = clock.after(rest, () => settle(w));
      return;
    }
    w.settled = null;
    const before = w.seen;
    w.seen = lookAt(w.graph);
    if (w.seen.folder === before?.folder) {
      if (isPolled(w)) pollLater();
      onDirty(w.graph, 'graph');
      return;
    }
    w.seen = before;
    look(w);
  }

  /** Compares a folder with its earlier state: gone, replaced, changed. */
  function look(w: Watched): void {
    if (!isCurrent(w)) return;
    const before = w.seen;
    const seen = lookAt(w.graph);
    w.seen = seen;
    const changed = seen.files !== before?.files || seen.folder !== before?.folder;
    if (seen.folder === null) {
      if (w.state !== 'absent') {
        end(w);
        w.state = 'absent';
      }
      pollLater();
      if (changed) onDirty(w.graph, 'any');
    } else if (seen.folder !== before?.folder) begin(w);
    else {
      if (isPolled(w)) pollLater();
      if (changed) onDirty(w.graph, 'any');
    }
  }

  /** What a working watch cannot report: that the folder is another one. Readers check its files themselves. */
  function lookAgain(w: Watched): void {
    if (w.state !== 'watching' || folderNow(w.graph) !== w.seen?.folder) look(w);
  }

  const isPolled = (w: Watched) =>
    w.state === 'polled' || (w.state === 'watching' && w.seen?.linked === true);

  function pollLater(): void {
    if (!running || polling !== null) return;
    polling = clock.after(POLL_MS, () => {
      void yielding(
        each(
          [...all.values()].filter((w) => isPolled(w) || w.state === 'absent'),
          look,
        ),
      ).then(() => {
        polling = null;
        if ([...all.values()].some((w) => isPolled(w) || w.state === 'absent')) pollLater();
      });
    });
  }

  function fail(w: Watched, thrown: unknown): void {
    end(w);
    // The folder may have just vanished; the next check will show.
    w.state = 'polled';
    pollLater();
    onDirty(w.graph, 'any');
    if (told.has(w.graph)) return;
    told.add(w.graph);
    failures.push({ graph: w.graph, thrown });
    telling ??= clock.after(FAILURES_TOGETHER_MS, () => {
      telling = null;
      const found = failures;
      failures = [];
      options.onDegraded(
        explain(found.map((f) => f.thrown)),
        found.map((f) => f.graph),
      );
    });
  }

  return {
    name: 'graph watcher',

    async start() {
      if (running) return;
      running = true;
      await yielding(
        each(
          [...all.values()].filter((w) => w.state === 'idle'),
          begin,
        ),
      );
    },

    async stop() {
      running = false;
      polling?.();
      telling?.();
      polling = null;
      telling = null;
      failures = [];
      told.clear();
      for (const w of all.values()) end(w);
    },

    watch(graphs) {
      const wanted = new Set(graphs);
      for (const [graph, w] of all) {
        if (wanted.has(graph)) continue;
        end(w);
        all.delete(graph);
        told.delete(graph);
      }
      const added: Watched[] = [];
      for (const graph of wanted) {
        if (all.has(graph)) continue;
        const w: Watched = {
          graph,
          state: 'idle',
          watch: null,
          seen: null,
          heardAt: 0,
          heard: 'graph',
          soon: null,
          settled: null,
        };
        all.set(graph, w);
        added.push(w);
      }
      if (running) void yielding(each(added, begin));
    },

    pollingGraphs: () => [...all.values()].filter(isPolled).map((w) => w.graph),

    async recheck() {
      if (!running) return;
      await yielding(each([...all.values()], lookAgain));
      // Only one is retried, so that a persistent limit is not hit for every folder.
      const [first, ...others] = [...all.values()].filter((w) => w.state === 'polled');
      if (first === undefined) return;
      begin(first);
      if (first.state === 'watching') await yielding(each(others, begin));
    },
  };
}

function* each(items: readonly Watched[], act: (w: Watched) => void): Steps<void> {
  for (const item of items) {
    act(item);
    yield;
  }
}

function explain(thrown: readonly unknown[]): string {
  const folders = thrown.length === 1 ? '1 graph folder' : `${thrown.length} graph folders`;
  const instead = `${folders} cannot be watched and will be looked at every ${POLL_MS / 1000} s instead`;
  const codes = new Set(thrown.map(systemCode));
  if (codes.has('ENOSPC'))
    return `${instead}: the system has no inotify watches left; raise the limit with "sudo sysctl fs.inotify.max_user_watches=524288"`;
  if (codes.has('EMFILE') || codes.has('ENFILE'))
    return `${instead}: too many inotify instances or open files; raise the limit with "sudo sysctl fs.inotify.max_user_instances=1024" or "ulimit -n"`;
  return `${instead}: ${messageOf(thrown[0])}; check the permissions of the folder`;
}
