// Tasks as they are at this moment: judged as the last decision says, with the graphs as they were read since.

import type { GraphView } from '../decide/world.ts';
import { SupervisorError } from '../domain/errors.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Decided, LastDecision } from '../run/last-decision.ts';
import type { TaskQuery } from './control.ts';
import { type FoundTask, findTask } from './find-task.ts';

export class CurrentTasks {
  readonly #last: LastDecision;
  readonly #graphs: Pick<SupervisedGraphs, 'get'>;

  constructor(last: LastDecision, graphs: Pick<SupervisedGraphs, 'get'>) {
    this.#last = last;
    this.#graphs = graphs;
  }

  /** The last decision and what it looked at. Throws `not-running` before the first one. */
  decided(): Decided {
    const { made } = this.#last;
    if (!made)
      throw new SupervisorError('not-running', 'the supervisor is still starting', { hint: 'try again' });
    return made;
  }

  /** Every graph, as it was read last. */
  views(): readonly GraphView[] {
    return this.decided().world.graphs.map((view) => ({
      ...view,
      snapshot: this.#graphs.get(view.graph)?.store.snapshot() ?? view.snapshot,
    }));
  }

  /** The one task that a query means. Throws `not-found`, `ambiguous`. */
  find(query: TaskQuery): FoundTask {
    return findTask(this.views(), query, this.decided().decision);
  }
}
