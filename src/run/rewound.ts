// Writes again what git took back: claims and results whose task is on an older line now.

import type { KnownResult } from '../decide/world.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Run } from '../domain/run.ts';
import type { EditSession } from '../graph/store.ts';
import { reclaimInGraph, restoreInGraph } from '../graphs/rewind-writes.ts';
import type { SupervisedGraph, SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { RunEvents } from './run-events.ts';

const CAME_BACK = 'an older state of the graph came back (git?)';

interface RewoundNeeds extends Pick<Base, 'clock' | 'bus'> {
  readonly ledger: Pick<Ledger, 'outcomeOf' | 'results' | 'markResult'>;
  readonly graphs: Pick<SupervisedGraphs, 'get'>;
  readonly events: RunEvents;
  /** What a finished task means for others, in the same write. */
  afterEnd(graph: SupervisedGraph, draft: EditSession, task: string): void;
}

export class Rewound {
  readonly #parts: RewoundNeeds;

  constructor(parts: RewoundNeeds) {
    this.#parts = parts;
  }

  /** Writes the claim of a run again whose task is on an older line now. */
  async reclaim(run: Run): Promise<void> {
    const { graphs, clock } = this.#parts;
    const graph = graphs.get(run.graph);
    if (!graph || !(await reclaimInGraph(graph.store, run, clock.now()))) return;
    this.#parts.events.emit('run.reclaimed', run, { because: CAME_BACK });
  }

  /** Writes a known result again into its task's line, which is an older one now: in its own graph, or in a copy. */
  async restore(known: KnownResult, path: GraphPath): Promise<void> {
    const { ledger, graphs, clock, bus } = this.#parts;
    const graph = graphs.get(path);
    const outcome = ledger.outcomeOf(known);
    if (!graph || !outcome) return;
    const { isSameContent } = ledger.results();
    const mark = await restoreInGraph(graph, known, outcome, isSameContent, clock.now(), (draft) =>
      this.#parts.afterEnd(graph, draft, known.task),
    );
    if (mark === null) return;
    // The mark is that of the line which the result was written into first.
    if (path === known.graph) ledger.markResult(known, known.run, mark);
    const status = graph.store.snapshot().tasks.get(known.task)?.status ?? 'gone';
    const { run, task } = known;
    bus.emit('result.restored', { graph: path, task, run, status, because: CAME_BACK });
  }
}
