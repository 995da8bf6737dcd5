// Whether a task may still be claimed, checked again on the fresh bytes with the same predicate as readiness: under the
// graph's lock when claiming, and before a run is opened when one is started by request.

import { claimRefusal } from '../decide/readiness/claim-refusal.ts';
import type { EditSession } from '../graph/store.ts';
import { type SupervisedGraph, viewOf } from '../graphs/supervised-graphs.ts';
import type { Clock } from '../platform/clock.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { LastDecision } from './last-decision.ts';

/** A graph as it is at this moment. */
type FreshGraph = Pick<EditSession, 'snapshot' | 'detail'>;

export class ClaimCheck {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #ledger: Pick<Ledger, 'results'>;
  readonly #last: LastDecision;

  /** `last`: what other graphs look like. */
  constructor(parts: {
    readonly clock: Pick<Clock, 'now'>;
    readonly ledger: Pick<Ledger, 'results'>;
    readonly last: LastDecision;
  }) {
    this.#clock = parts.clock;
    this.#ledger = parts.ledger;
    this.#last = parts.last;
  }

  /** Why the task may not be claimed, in one sentence; null: nothing is against it. Without `fresh` as it was read last. */
  refuse(graph: SupervisedGraph, task: string, fresh: FreshGraph = freshOf(graph)): string | null {
    const { made } = this.#last;
    if (!made) return 'the supervisor is still starting';
    const detail = (id: string) => fresh.detail(id);
    const view = { ...viewOf(graph), snapshot: fresh.snapshot, detail };
    const now = { now: this.#clock.now(), results: this.#ledger.results() };
    return claimRefusal({ ...made.world, ...now }, view, task);
  }
}

function freshOf({ store }: SupervisedGraph): FreshGraph {
  return { snapshot: store.snapshot(), detail: (id) => store.detail(id) };
}
