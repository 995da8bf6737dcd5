// Work done externally: an orchestrator claims it, a callback finishes it. Nothing is spawned and no slot is used.

import { type Executor, stopReason } from './executor.ts';
import { aborted, stoppedOutcome } from './stopped.ts';

/**
 * The executor of `type = "external"` and of `remote`, whose tasks a worker has already claimed when they start. Only an
 * abort ends attending; results arrive by callback.
 */
export function createExternalExecutor(type: 'external' | 'remote' = 'external'): Executor {
  return {
    type,
    async begin(_assignment, control) {
      if (control.signal.aborted)
        return { kind: 'ended', outcome: stoppedOutcome(stopReason(control.signal)) };
      return { kind: 'handed-off', reference: null, deadlineAt: null };
    },
    async attend(_assignment, _handle, control) {
      await aborted(control.signal);
      return stoppedOutcome(stopReason(control.signal));
    },
  };
}
