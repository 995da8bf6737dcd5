// A graph that has not been judged yet as it is now, because it is large: what an earlier judgement says of it until it
// has been. Nothing starts because of facts that may be outdated.

import type { Snapshot } from '../../domain/graph.ts';
import type { GraphPath } from '../../domain/ids.ts';
import { isTerminal, type Task } from '../../domain/task.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { queuesOf } from '../capacity/admit.ts';
import { overBecause } from '../readiness/readiness.ts';
import type { GraphView } from '../world.ts';
import { isStartable } from './cache-validity.ts';
import { GraphVerdicts, type Reason, verdictOf } from './graph-verdicts.ts';
import type { JudgedGraph, Judgement } from './judge.ts';

/** What a decision knows of a graph that is still being judged. */
export interface Interim {
  /** The state of it that counts where it is compared with others. */
  readonly counted: Snapshot;
  /** What was judged last; null: nothing yet. */
  readonly judged: JudgedGraph | null;
  /**
   * That was judged a moment ago and not acted on yet. It is acted on once, though something changed meanwhile: else a
   * graph that changes all the time would never be. Each claim is checked again on the fresh graph.
   */
  readonly isFresh: boolean;
}

/** The graphs that are still being judged. */
export type Interims = ReadonlyMap<GraphPath, Interim>;

const BEING_JUDGED: Reason = {
  state: 'waiting',
  code: 'judging',
  because: 'its graph is large and has just changed; it is judged again in a moment',
  nextAt: null,
};

/** At most this many plans of an outdated judgement are considered: it is about to be replaced. */
const PLANS = 256;

/** What stands of an earlier judgement, for the tasks as they are now. */
export function interimJudgement(view: GraphView, { judged, isFresh }: Interim): Judgement {
  const { tasks } = view.snapshot;
  const ready: JudgedGraph['ready'] = new Map(
    isFresh && judged ? firstReady(judged, (id) => mayStart(tasks.get(id))) : [],
  );
  const say = (task: Task): Verdict => {
    const before = judged?.tasks.get(task.id);
    const verdict = judged?.verdicts.get(task.id);
    const isSame = before === task || (before?.status === task.status && !isTerminal(task.status));
    if (verdict && isSame && (verdict.state !== 'ready' || ready.has(task.id))) return verdict;
    const reason = isTerminal(task.status) ? overBecause(task) : BEING_JUDGED;
    return verdictOf(view.graph, task, null, reason);
  };
  const { notes = [], reopenings = [], replaced = [] } = isFresh ? (judged?.schedules ?? {}) : {};
  return {
    verdicts: GraphVerdicts.of(tasks, new Map(), say),
    queues: queuesOf([...ready.values()].map(({ plan }) => plan)),
    ready,
    schedules: { notes, reopenings, replaced, states: judged?.schedules.states ?? new Map() },
    nextAt: null,
  };
}

/** At first sight: each claim is checked on its own. */
function mayStart(task: Task | undefined): boolean {
  return task !== undefined && isStartable(task) && !task.paused;
}

function firstReady({ ready }: JudgedGraph, isStill: (id: string) => boolean) {
  const first: [string, NonNullable<ReturnType<typeof ready.get>>][] = [];
  for (const [id, one] of ready) {
    if (first.length === PLANS) break;
    if (isStill(id)) first.push([id, one]);
  }
  return first;
}
