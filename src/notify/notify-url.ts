// Who requested a run, and where they wait for its end. A run that is retried, or was released and starts again, is
// still the requested one: later attempts find the request through the earlier ones.

import type { Run } from '../domain/run.ts';
import type { Ledger } from '../runs/ledger.ts';

/** What the requester attached to a run. */
export interface NotifyUrls {
  /** Notified once when it finishes; null: not requested. */
  readonly notifyUrl: string | null;
  /** The requester's own name for it. */
  readonly externalRef: string | null;
}

const NOBODY: NotifyUrls = { notifyUrl: null, externalRef: null };

/** The requester of a run. */
export function askerOf(ledger: Pick<Ledger, 'run' | 'runs' | 'lease'>, id: string): NotifyUrls {
  const own = ledger.lease(id);
  const run = ledger.run(id);
  // The first attempt of a task has no earlier ones.
  if (own?.notifyUrl != null || run === null || run.fence <= 1) return own ?? NOBODY;
  const earlier = ledger
    .runs({ graph: run.graph, task: run.task, limit: 50 })
    .filter((one) => one.openedAt <= run.openedAt && one.id !== id);
  let attempt = run.attempt;
  for (const one of earlier) {
    if (one.attempt > attempt || isOver(one) || one.taskCreatedAt !== run.taskCreatedAt) break;
    attempt = one.attempt;
    const lease = ledger.lease(one.id);
    if (lease?.notifyUrl != null)
      return { notifyUrl: lease.notifyUrl, externalRef: own?.externalRef ?? lease.externalRef };
  }
  return own ?? NOBODY;
}

/** Whether the request ended with this run: later ones were started by others. */
function isOver({ outcome }: Run): boolean {
  return outcome?.kind === 'succeeded' || (outcome?.kind === 'stopped' && outcome.reason === 'cancelled');
}
