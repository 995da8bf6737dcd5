// Who asked for a run, and where they wait for its end. A run that is tried again, or was given back and is begun anew, is
// still what they asked for: its later attempts know of them through the earlier ones.

import type { Run } from '../domain/run.ts';
import type { Ledger } from '../runs/ledger.ts';

/** What whoever asked for a run left with it. */
export interface NotifyUrls {
  /** Told once when it is over; null: nobody waits. */
  readonly notifyUrl: string | null;
  /** Their own name for it. */
  readonly externalRef: string | null;
}

const NOBODY: NotifyUrls = { notifyUrl: null, externalRef: null };

/** The asker of a run. */
export function askerOf(ledger: Pick<Ledger, 'run' | 'runs' | 'lease'>, id: string): NotifyUrls {
  const own = ledger.lease(id);
  const run = ledger.run(id);
  // The first to hold a task has no earlier attempts.
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

/** Whether what was asked for ended with this run: what came after it somebody else began. */
function isOver({ outcome }: Run): boolean {
  return outcome?.kind === 'succeeded' || (outcome?.kind === 'stopped' && outcome.reason === 'cancelled');
}
