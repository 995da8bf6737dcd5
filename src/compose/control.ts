// What the API and the commands may ask of a supervisor that runs, wired.

import type { CurrentTasks } from '../control/current-tasks.ts';
import { type ControlNeeds, LiveControl } from '../control/live-control.ts';
import { Claims } from '../control/work/claims.ts';
import type { Completions } from '../control/work/completions.ts';
import { WorkerCalls } from '../control/work/worker-calls.ts';
import type { Base } from '../platform/base.ts';
import type { Identity } from '../platform/identity.ts';
import type { ClaimCheck } from '../run/claim-check.ts';
import type { LastDecision } from '../run/last-decision.ts';

interface ControlRoom
  extends Pick<
      ControlNeeds,
      'version' | 'observeOnly' | 'ledger' | 'graphs' | 'runs' | 'supervisor' | 'workers'
    >,
    Pick<ControlNeeds, 'problems' | 'pollingGraphs' | 'reloadConfig' | 'restart' | 'verdictsWritten'> {
  readonly identity: Identity;
  readonly claimCheck: ClaimCheck;
  readonly last: LastDecision;
  readonly tasks: CurrentTasks;
  readonly completions: Completions;
  wake(why: string): void;
}

export function createControl(base: Base, room: ControlRoom): LiveControl {
  const { identity, ledger, graphs, runs, supervisor, claimCheck, last, tasks, completions, wake } = room;
  const { clock, bus } = base;
  const { workers } = room;
  const claims = new Claims({
    ...{ clock, bus, identity, ledger, graphs, runs, claimCheck, last, tasks, workers, wake },
  });
  const workerCalls = new WorkerCalls({
    ...{ clock, bus, ledger, graphs, runs, claimCheck, supervisor, last, workers },
  });
  const { version, observeOnly, problems, pollingGraphs, reloadConfig, restart, verdictsWritten } = room;
  return new LiveControl({
    ...base,
    ...{
      version,
      observeOnly,
      ledger,
      graphs,
      runs,
      supervisor,
      tasks,
      completions,
      claims,
      workerCalls,
      workers,
    },
    ...{ problems, pollingGraphs, reloadConfig, restart, verdictsWritten },
  });
}
