// Tasks that were tried too often: parked, which blocks them whatever the graph says, until a person asks for a retry
// or changes the task itself.

import {
  ALIKE_AT_MOST,
  failedAlike,
  failuresForLife,
  type Interruptions,
  interruptionsInARow,
  LOST_AT_MOST,
  NEVER_STARTED_AT_MOST,
  OVERRULED_AT_MOST,
  restAfterLoss,
  VANISHED_AT_MOST,
} from '../decide/retry.ts';
import { countedRun, countedTask } from '../domain/counted-task.ts';
import { type TaskKey, taskKey, taskOfKey } from '../domain/ids.ts';
import type { Run } from '../domain/run.ts';
import type { SupervisedGraphs } from '../graphs/supervised-graphs.ts';
import type { Base } from '../platform/base.ts';
import type { Ledger } from '../runs/ledger.ts';
import { contentPrint } from '../runs/result-book.ts';

/** More than all the limits in a row that park a task. */
const RUNS_LOOKED_AT = 60;

interface ParkingNeeds extends Pick<Base, 'clock' | 'bus'> {
  readonly ledger: Pick<
    Ledger,
    | 'runsSinceReset'
    | 'countedAttempts'
    | 'resetAttempts'
    | 'meta'
    | 'setMeta'
    | 'pauses'
    | 'setPause'
    | 'clearPause'
  >;
  readonly graphs: Pick<SupervisedGraphs, 'get'>;
}

export class Parking {
  readonly #parts: ParkingNeeds;

  constructor(parts: ParkingNeeds) {
    this.#parts = parts;
  }

  /** Parks the task of a finished run if that was one failure too many. Returns the reason, or null. */
  judge(run: Run, attemptsAllowed: number): string | null {
    const { ledger } = this.#parts;
    const runs = ledger.runsSinceReset(run.graph, run.task, RUNS_LOOKED_AT);
    const inARow = interruptionsInARow(runs);
    const settings = this.#parts.graphs.get(run.graph)?.settings;
    const failures = ledger.countedAttempts(countedRun(run, settings));
    const why =
      tooOften(inARow) ??
      noProgress(failedAlike(runs)) ??
      (failures >= failuresForLife(attemptsAllowed) ? `${failures} attempts failed` : null);
    if (why === null) return null;
    const because = `parked: ${why}; \`supervisor retry ${run.task}\` or a change to the task tries again`;
    const detail = this.#parts.graphs.get(run.graph)?.store.detail(run.task);
    const name = taskKey(run.graph, run.task);
    if (detail) ledger.setMeta(`parked:${name}`, contentPrint(detail));
    ledger.setPause({ scope: 'task', name, code: 'parked', because, until: null });
    const { graph, task } = run;
    this.#parts.bus.emit('task.held', { graph, task, code: 'parked', because });
    return because;
  }

  /** Parks the task of a run that lost it, or backs it off if that was not the first time in a row. */
  judgeLoss(run: Run): void {
    const { ledger, clock } = this.#parts;
    if (this.judge(run, 0) !== null) return;
    const { lost } = interruptionsInARow(ledger.runsSinceReset(run.graph, run.task, RUNS_LOOKED_AT));
    const rest = restAfterLoss(lost);
    if (rest === 0) return;
    const because = `it was taken away from its agents ${lost} times in a row; it backs off before the next attempt`;
    const name = taskKey(run.graph, run.task);
    ledger.setPause({ scope: 'task', name, code: 'lost-claim', because, until: clock.now() + rest });
  }

  /** Unparks tasks that were changed since, or no longer exist. Returns them. */
  release(): readonly TaskKey[] {
    const { ledger, graphs } = this.#parts;
    const freed: TaskKey[] = [];
    for (const pause of ledger.pauses()) {
      if (pause.scope !== 'task' || pause.code !== 'parked') continue;
      const ref = taskOfKey(pause.name);
      const graph = ref ? graphs.get(ref.graph) : undefined;
      if (!ref || !graph || graph.store.snapshot().problem) continue;
      const detail = graph.store.detail(ref.task);
      if (detail && ledger.meta(`parked:${pause.name}`) === contentPrint(detail)) continue;
      ledger.clearPause('task', pause.name);
      ledger.resetAttempts(
        countedTask({ ...ref, createdAt: detail?.createdAt }, graph.repository.id, graph.settings),
      );
      freed.push(pause.name);
    }
    return freed;
  }
}

function noProgress(message: string | null): string | null {
  if (message === null) return null;
  return `${ALIKE_AT_MOST} attempts in a row failed alike (${message.slice(0, 200)})`;
}

/** What interrupted its runs once too often; null: nothing did. */
function tooOften({ vanished, neverStarted, lost, overruled }: Interruptions): string | null {
  if (vanished >= VANISHED_AT_MOST)
    return `its agent vanished ${vanished} times in a row without an exit status`;
  if (neverStarted >= NEVER_STARTED_AT_MOST)
    return `it was claimed ${neverStarted} times in a row and the supervisor ended before it was started`;
  if (lost >= LOST_AT_MOST) return `it was taken away from its agents ${lost} times in a row`;
  if (overruled >= OVERRULED_AT_MOST) return `it was moved on under its agents ${overruled} times in a row`;
  return null;
}
