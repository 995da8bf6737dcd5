// What is done where something around a run broke: its task rests, and a claim that came to nothing is given back.

import { messageOf } from '../domain/errors.ts';
import { taskKey } from '../domain/ids.ts';
import type { Run } from '../domain/run.ts';
import type { RunEnding } from './run-end.ts';
import type { RunnerParts } from './run-services.ts';

/** How long a task rests after something around its run broke, ms. */
const BROKEN_PAUSE_MS = 30_000;

type BreakParts = Pick<RunnerParts, 'ledger' | 'log' | 'clock'>;

/** Says that a run broke and lets its task rest. The run stays in the ledger as it was. */
export function restAfterBreak({ log, ledger, clock }: BreakParts, run: Run, thrown: unknown): void {
  const because = messageOf(thrown);
  log.error('run.broken', { run: run.id, task: run.task, because });
  const until = clock.now() + BROKEN_PAUSE_MS;
  const name = taskKey(run.graph, run.task);
  try {
    ledger.setPause({ scope: 'task', name, code: 'run-broken', because, until });
  } catch (again) {
    // The ledger itself is in the way (a full disk): nothing new can be opened then either.
    log.error('pause.unwritten', { task: run.task, because: messageOf(again) });
  }
}

/**
 * Gives back the claim of a run whose agent was never begun: others would wait for nobody. Whether that could be
 * written; where not, the run stays as it was and reconcile heals it.
 */
export async function giveBackUnbegun(
  parts: BreakParts,
  ending: Pick<RunEnding, 'release' | 'parking'>,
  run: Run,
  thrown: unknown,
): Promise<boolean> {
  // Without an agent nothing was written into the graph yet.
  if (run.agent === '') return false;
  try {
    await ending.release(run, `it broke before its agent was started: ${messageOf(thrown)}`);
    ending.parking.judge(run, 0);
    return true;
  } catch (again) {
    parts.log.warn('release.postponed', { run: run.id, task: run.task, because: messageOf(again) });
    return false;
  }
}
