// The parts for running alongside wg: its command, its settings, its transitions, and the gate for completions.

import { statSync } from 'node:fs';
import { readWgConfig } from '../config/wg-config.ts';
import type { CompletionMeans } from '../control/work/complete-in-graph.ts';
import type { GraphPath } from '../domain/ids.ts';
import { allowedEnvironment } from '../executors/process/environment/environment.ts';
import type { GraphStore } from '../graph/store.ts';
import { CompletionGate } from '../graphs/completion-gate.ts';
import { Maintenance } from '../graphs/maintenance.ts';
import { Peers } from '../graphs/peers.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import { StandingRules } from '../graphs/wg-transitions.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { LedgerView } from '../runs/ledger-view.ts';
import { createWgCommand, lookForWg, type WgCommand } from '../wg/command.ts';
import { isLive } from '../wg/daemon.ts';
import { newestScore } from '../wg/evaluations.ts';
import { addressedTasks, readMessages } from '../wg/messages.ts';
import { type WgSettings, wgSettings } from '../wg/settings.ts';
import { runVerify } from '../wg/verify.ts';

/** Settings are read again after this, ms. */
const SETTINGS_MS = 5000;
/** PATH is searched again after this, ms. */
const PATH_MS = 10_000;
/** Cached answers at most. */
const MOST_REMEMBERED = 5000;

/** The parts, for a supervisor and for offline control. */
export interface BesideWg {
  readonly wg: WgCommand;
  readonly gate: CompletionGate;
  readonly maintenance: Maintenance;
  readonly afterEnd: CompletionMeans['afterEnd'];
  close(): Promise<void>;
}

/** Creates them for the graphs of one program. */
export function besideWg(
  clock: Clock,
  openStore: (graph: GraphPath) => GraphStore,
  graphs: SupervisedGraphs,
  log: Log,
  environment: { readonly variables: Readonly<Record<string, string | undefined>>; readonly home: string },
  ledger?: LedgerView,
): BesideWg {
  const wg = createWgCommand(environment);
  const told = new Set<string>();
  const settings = remembered(SETTINGS_MS, clock, (graph: string): WgSettings => {
    const { documents, problems } = readWgConfig(graph, environment.home);
    for (const because of problems) {
      if (!told.has(because)) log.warn('wg-config.unread', { graph, because });
      told.add(because);
    }
    return wgSettings(documents);
  });
  const wgHere = remembered(PATH_MS, clock, () => lookForWg(wg));
  const rules = new StandingRules({
    clock,
    log,
    settings,
    addressed: addressedTasks,
    messages: readMessages,
    score: newestScore,
    modifiedAt: (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null,
  });
  const gate = new CompletionGate({
    clock,
    wg,
    settings,
    isUntrusted: (graph) => graphs.get(graph)?.profiles.repositoryUntrusted ?? false,
    verify: (command, cwd, timeoutMs) =>
      runVerify({ command, cwd, timeoutMs, clock, variables: allowedEnvironment(environment.variables) }),
  });
  const peers = new Peers(openStore, environment.home);
  const maintenance = new Maintenance({
    graphs,
    peers,
    rules,
    clock,
    log,
    wgHere: () => wgHere(''),
    isLive,
    ...(ledger ? { ledger } : {}),
  });
  return {
    wg,
    gate,
    maintenance,
    afterEnd: (graph, draft, task) => rules.afterEnd(graph, draft, task),
    close: () => peers.close(),
  };
}

/** Caches each key's answer for a while. */
function remembered<T>(ms: number, clock: Clock, ask: (key: string) => T): (key: string) => T {
  const known = new Map<string, { readonly at: number; readonly value: T }>();
  return (key) => {
    const now = clock.now();
    const last = known.get(key);
    if (last && now >= last.at && now < last.at + ms) return last.value;
    const value = ask(key);
    // Vanished graphs are not reported here: those that are still used are cached again at once.
    if (known.size >= MOST_REMEMBERED) known.clear();
    known.set(key, { at: now, value });
    return value;
  };
}
