// Judges one large graph in steps, before a decision needs it. The decision then finds the judgement in its memo.

import type { Steps } from '../../domain/steps.ts';
import type { DecideMemo } from '../decide.ts';
import { copiesIn, countSteps } from '../reconcile/identity.ts';
import { cameBackSteps } from '../reconcile/known-results.ts';
import type { GraphView, World } from '../world.ts';
import { judgeSteps } from './judge.ts';

/** Judges a graph as it is in this world, in steps, for the decisions to come. */
export function* judgeAhead(view: GraphView, world: World, memo: DecideMemo): Steps<void> {
  yield* countSteps(view, memo.copies);
  const judged = yield* judgeSteps(
    view,
    world,
    copiesIn(memo.copies),
    memo.schedules,
    memo.graphs.get(view.graph),
  );
  yield* cameBackSteps(view, world.results, memo.cameBack);
  memo.graphs.set(view.graph, judged);
}
