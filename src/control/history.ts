// What the ledger remembers, as what-if and forecasts take it.

import type { World } from '../decide/world.ts';
import { unfinishedTasks } from '../domain/graph.ts';
import { taskKey } from '../domain/ids.ts';
import { Experience, waitsOf } from '../forecast/experience.ts';
import type { Recorded } from '../forecast/replay.ts';
import type { LedgerView } from '../runs/ledger-view.ts';

/** The latest runs that a forecast learns from: what was longer ago says less of today. */
const LEARNT_RUNS = 5000;
/** Tasks whose waits for people are looked at: each costs a query. */
const LEARNT_TASKS = 2000;
/** Budgets reach back a week at most; a replay has to know what was spent before it, ms. */
const BUDGET_REACH_MS = 8 * 86_400_000;

/** The record from an instant (ms) until now. */
export function recordedOf(ledger: LedgerView, from: number, now: number): Recorded {
  return {
    ...{ from, to: now },
    runs: ledger.runs({ since: from - BUDGET_REACH_MS }),
    watched: ledger.watchedSpans(from, now),
    verdictsOf: (graph, task) => ledger.verdictSpans(graph, task, from, now),
  };
}

/** What earlier runs and waits teach. */
export function experienceOf(ledger: LedgerView, { now, graphs }: Pick<World, 'now' | 'graphs'>): Experience {
  const runs = ledger.runs({ limit: LEARNT_RUNS });
  const tasks = new Map(runs.map(({ graph, task }) => [taskKey(graph, task), { graph, task }]));
  for (const { graph, snapshot } of graphs)
    for (const { id } of unfinishedTasks(snapshot.tasks)) tasks.set(taskKey(graph, id), { graph, task: id });
  const spans = [...tasks.values()]
    .slice(0, LEARNT_TASKS)
    .map(({ graph, task }) => ({ graph, spans: ledger.verdictSpans(graph, task, 0, now) }));
  return new Experience(runs, waitsOf(spans), now);
}
