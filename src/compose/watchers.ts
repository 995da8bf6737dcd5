// What the supervisor hears: signals of parts that are made before it, and changes of graphs and worktrees.

import type { GraphPath } from '../domain/ids.ts';
import { createGraphWatcher } from '../graph/watcher.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import { Signal } from '../platform/signal.ts';
import { createRepositoryWatcher } from '../worktrees/watcher.ts';

/** What is told to the supervisor by parts that are made before it. */
export function createSignals() {
  return {
    /** Something came to an end, or may begin. */
    wake: new Signal(),
    /** Another host took the lock of a shared folder away. */
    lockLost: new Signal<string>(),
    graphChanged: new Signal<{ readonly graph: GraphPath; readonly of: 'graph' | 'any' }>(),
    worktreesChanged: new Signal(),
  };
}

export type Signals = ReturnType<typeof createSignals>;

/** Watches graphs and worktrees, and keeps what it cannot watch among the troubles. */
export function createWatchers({ clock, bus }: Base, signals: Signals, troubles: Map<string, string>) {
  const graphWatcher = createGraphWatcher({
    clock,
    onDirty: (graph, of) => signals.graphChanged.emit({ graph, of }),
    onDegraded: (message) => {
      troubles.set('watch', message);
      bus.emit('watch.degraded', { message });
    },
  });
  const repositoryWatcher = createRepositoryWatcher({
    clock,
    onChanged: () => signals.worktreesChanged.emit(),
    onDegraded: (message: string) => troubles.set('worktree-watch', message),
  });
  return {
    watch(paths: readonly GraphPath[], graphs: SupervisedGraphs) {
      graphWatcher.watch(paths);
      repositoryWatcher.watch(graphs.repositories().map((found) => found.repository));
    },
    recheck: () => graphWatcher.recheck(),
    pollingGraphs: () => graphWatcher.pollingGraphs(),
    async start() {
      await graphWatcher.start();
      await repositoryWatcher.start();
    },
    async stop() {
      await repositoryWatcher.stop();
      await graphWatcher.stop();
    },
  };
}
