// Says which graphs may have changed, soon after they did. A hint, never a promise: the supervisor's slow pass is the
// truth, and helps here by calling `recheck`. Reads no graph; where watching fails it looks every two seconds.

import { messageOf, systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Cancel, Clock } from '../seams/clock.ts';
import type { Service } from '../seams/service.ts';
import { type FolderState, lookAt } from './folder-state.ts';
import { chokidarWatch, type FolderWatch, type WatchFunction, watchFolder } from './folder-watch.ts';

export interface GraphWatcherOptions {
  readonly clock: Clock;
  /** The graph's files may have changed, come or gone. */
  onDirty(graph: GraphPath): void;
  /** These graphs cannot be watched and are looked at now and then instead; one sentence with the way out in it. */
  onDegraded(message: string, graphs: readonly GraphPath[]): void;
  /** What watches files; chokidar unless given. */
  readonly watch?: WatchFunction;
}

export interface GraphWatcher extends Service {
  /** From now on exactly these graphs are watched. */
  watch(graphs: readonly GraphPath[]): void;
  /** Graphs that are looked at every two seconds, because they cannot be watched or are reached through a link. */
  pollingGraphs(): readonly GraphPath[];
  /** Looks at every folder; watches anew those that were replaced, and those that could not be watched before. */
  recheck(): Promise<void>;
}

interface Watched {
  readonly graph: GraphPath;
  /** Grows with every new watch, so that news of an old one is not taken for news. */
  turn: number;
  state: 'idle' | 'starting' | 'watching' | 'polled' | 'absent';
  watch: FolderWatch | null;
  /** Ends the wait for the watch to stand. */
  begun: (() => void) | null;
  seen: FolderState | null;
  heardAt: number;
  soon: Cancel | null;
  settled: Cancel | null;
}

/** One rename makes several events within this time, ms. */
const TOGETHER_MS = 2;
/** chokidar may drop an event that follows another within 50 ms, so a look after this time finds what it hid. */
const SETTLE_MS = 60;
const POLL_MS = 2000;
/** Failures of one moment have one cause and are told together, ms. */
const FAILURES_TOGETHER_MS = 100;
/** Folders that are looked at side by side. */
const AT_ONCE = 32;

/** A watcher of graph folders. Watches nothing before `start`. */
export function createGraphWatcher(options: GraphWatcherOptions): GraphWatcher {
  const { clock, onDirty } = options;
  const all = new Map<GraphPath, Watched>();
  const closing = new Set<Promise<void>>();
  let running = false;
  let watchFunction: WatchFunction | null = options.watch ?? null;
  let polling: Cancel | null = null;
  let telling: Cancel | null = null;
  let failures: { readonly graph: GraphPath; readonly thrown: unknown }[] = [];
  /** Graphs whose failure was told already. */
  const told = new Set<GraphPath>();

  const isCurrent = (w: Watched, turn: number) => running && all.get(w.graph) === w && w.turn === turn;

  async function begin(w: Watched): Promise<void> {
    end(w);
    w.state = 'starting';
    const turn = w.turn;
    const seen = await lookAt(w.graph);
    if (!isCurrent(w, turn) || watchFunction === null) return;
    w.seen = seen;
    if (seen.folder === null) {
      w.state = 'absent';
      pollLater();
      onDirty(w.graph);
      return;
    }
    await new Promise<void>((resolve) => {
      w.begun = resolve;
      const failed = (thrown: unknown) => {
        if (isCurrent(w, turn)) fail(w, thrown);
      };
      try {
        w.watch = watchFolder(watchFunction as WatchFunction, w.graph, {
          hint: () => {
            if (isCurrent(w, turn)) hint(w);
          },
          failed,
          ready: () => {
            if (isCurrent(w, turn)) {
              w.state = 'watching';
              told.delete(w.graph);
              if (seen.linked) pollLater();
              // What changed while the watch was being set up was not heard.
              onDirty(w.graph);
            }
            resolve();
          },
        });
      } catch (thrown) {
        failed(thrown);
      }
    });
  }

  /** Ends the watch and everything that was to come of it. */
  function end(w: Watched): void {
    w.turn++;
    w.begun?.();
    w.begun = null;
    w.soon?.();
    w.settled?.();
    w.soon = null;
    w.settled = null;
    w.state = 'idle';
    if (w.watch === null) return;
    const closed = w.watch.close().finally(() => closing.delete(closed));
    closing.add(closed);
    w.watch = null;
  }

  function hint(w: Watched): void {
    w.heardAt = clock.now();
    w.soon ??= clock.after(TOGETHER_MS, () => {
      w.soon = null;
      onDirty(w.graph);
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
    onDirty(w.graph);
    void look(w);
  }

  /** Compares a folder with what it was: gone, replaced, changed. */
  async function look(w: Watched): Promise<void> {
    const { turn, state, seen: before } = w;
    const seen = await lookAt(w.graph);
    if (!isCurrent(w, turn) || w.state === 'starting') return;
    w.seen = seen;
    const changed = seen.files !== before?.files || seen.folder !== before?.folder;
    if (seen.folder === null) {
      if (state !== 'absent') {
        end(w);
        w.state = 'absent';
      }
      pollLater();
      if (changed) onDirty(w.graph);
    } else if (seen.folder !== before?.folder) await begin(w);
    else {
      if (seen.linked) pollLater();
      if (changed) onDirty(w.graph);
    }
  }

  const isPolled = (w: Watched) =>
    w.state === 'polled' || (w.state === 'watching' && w.seen?.linked === true);

  function pollLater(): void {
    if (!running || polling !== null) return;
    if (![...all.values()].some((w) => isPolled(w) || w.state === 'absent')) return;
    polling = clock.after(POLL_MS, () => {
      void inTurn(
        [...all.values()].filter((w) => isPolled(w) || w.state === 'absent'),
        look,
      ).then(() => {
        polling = null;
        pollLater();
      });
    });
  }

  function fail(w: Watched, thrown: unknown): void {
    end(w);
    // The folder may just have gone; the next look will tell the two apart.
    w.state = 'polled';
    pollLater();
    onDirty(w.graph);
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
      watchFunction ??= await chokidarWatch();
      if (running)
        await inTurn(
          [...all.values()].filter((w) => w.state === 'idle'),
          begin,
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
      await Promise.all(closing);
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
          turn: 0,
          state: 'idle',
          watch: null,
          begun: null,
          seen: null,
          heardAt: 0,
          soon: null,
          settled: null,
        };
        all.set(graph, w);
        added.push(w);
      }
      if (running && watchFunction !== null) void inTurn(added, begin);
    },

    pollingGraphs: () => [...all.values()].filter(isPolled).map((w) => w.graph),

    async recheck() {
      if (!running) return;
      await inTurn([...all.values()], look);
      // One is tried again, so that a limit that still stands is not run into for every folder.
      const [first, ...others] = [...all.values()].filter((w) => w.state === 'polled');
      if (first === undefined) return;
      await begin(first);
      if (first.state === 'watching') await inTurn(others, begin);
    },
  };
}

async function inTurn(items: readonly Watched[], act: (w: Watched) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += AT_ONCE) await Promise.all(items.slice(i, i + AT_ONCE).map(act));
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
