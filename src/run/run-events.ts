// Tells others about a run: events on the bus, and the state of its agent in wg's registry.

import { messageOf } from '../domain/errors.ts';
import { isDoneElsewhere } from '../domain/profile.ts';
import type { Run } from '../domain/run.ts';
import type { SupervisedGraph } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Bus } from '../platform/bus.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { LiveRun } from './live-run.ts';

interface EventNeeds extends Pick<Base, 'bus' | 'log'> {
  readonly live: ReadonlyMap<string, LiveRun>;
  readonly ledger: Pick<Ledger, 'lease'>;
}

export class RunEvents {
  readonly #parts: EventNeeds;

  constructor(parts: EventNeeds) {
    this.#parts = parts;
  }

  /** Emits an event of a run. */
  emit(name: Parameters<Bus['emit']>[0], run: Run, more: object): void {
    const { bus, live, ledger } = this.#parts;
    const outside = isDoneElsewhere(run.type);
    const lease = live.get(run.id)?.lease ?? (outside ? ledger.lease(run.id) : null);
    const ref = lease?.externalRef;
    bus.emit(name, { ...nameOf(run), ...(ref ? { external_ref: ref } : {}), ...more } as never);
  }

  /**
   * Tells wg's registry soon that an agent has finished: not awaited, as the graph and the ledger have it already.
   */
  leaveRegistry(graph: SupervisedGraph, run: Run, status: 'done' | 'failed' | 'dead'): void {
    if (run.agent === '') return;
    void graph.registry.update([{ agent: run.agent, status }], { lazily: true }).catch((thrown: unknown) => {
      this.#parts.log.warn('registry.unwritten', { agent: run.agent, because: messageOf(thrown) });
    });
  }
}

/** How events name a run. */
export function nameOf({ id, graph, task, worktree, executor, attempt }: Run) {
  return { run: id, graph, task, worktree, executor, attempt };
}
