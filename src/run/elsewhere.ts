// What may be done about a run while it lies in a queue or a worker elsewhere has it: when its time begins, its questions,
// its output.

import type { RunControl, WorkersQuestion } from '../executors/executor.ts';
import type { Clock } from '../platform/clock.ts';
import { redact } from '../platform/log.ts';
import type { Ledger } from '../runs/ledger.ts';
import type { Leases } from './leases.ts';
import type { LiveRun } from './live-run.ts';
import { askQuestion } from './questions.ts';
import { addOutput } from './remote-output.ts';
import type { RunEvents } from './run-events.ts';

interface ElsewhereParts {
  readonly ledger: Pick<Ledger, 'move'>;
  readonly clock: Clock;
  readonly leases: Leases;
  readonly events: RunEvents;
  wake(why: string): void;
}

/** That part of a run's control. `timeoutMs`: the longest time of an attempt that begins elsewhere. */
export function controlOfElsewhere(
  live: LiveRun,
  timeoutMs: number | null,
  { ledger, clock, leases, events, wake }: ElsewhereParts,
): Pick<RunControl, 'queued' | 'begins' | 'asks' | 'output'> {
  const setQueued = (isQueued: boolean) => {
    if (live.isQueued === isQueued) return;
    live.isQueued = isQueued;
    wake(isQueued ? 'queued' : 'begun');
  };
  return {
    queued: () => setQueued(true),
    begins() {
      setQueued(false);
      if (live.run.deadlineAt !== null || timeoutMs === null || timeoutMs <= 0) return;
      live.run = ledger.move(live.run.id, live.run.phase, { deadlineAt: clock.now() + timeoutMs });
      wake('deadline');
    },
    asks(question) {
      if (question !== null)
        return askQuestion(live, redacted(question), {}, { leases, events, now: clock.now() }).answer ?? null;
      // What it asked before is answered, or it continues without.
      if (live.lease?.question != null) leases.renew(live, { resumed: true });
      return null;
    },
    async output(piece) {
      if (live.run.folder !== null) await addOutput(live.run.folder, piece);
    },
  };
}

function redacted({ name, question, options }: WorkersQuestion): WorkersQuestion {
  return { name, question: redact(question), options: options.map(redact) };
}
