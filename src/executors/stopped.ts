// The outcome of a stopped run. Shared by every executor, so that one reason means one outcome.

import type { Outcome, StopReason, Usage } from '../domain/outcome.ts';

/** The outcome of a run that was stopped for this reason: time limits are failures, everything else is `stopped`. */
export function stoppedOutcome(reason: StopReason, usage?: Usage): Outcome {
  const used = usage === undefined ? {} : { usage };
  switch (reason) {
    case 'timeout':
      return {
        kind: 'failed',
        failure: 'timeout',
        message: 'The time of this attempt ran out and the agent was ended.',
        retryable: true,
        ...used,
      };
    case 'silent':
      return {
        kind: 'failed',
        failure: 'silent',
        message:
          'The agent gave no sign of life for longer than its profile allows (silence_timeout) and was ended.',
        retryable: true,
        ...used,
      };
    default:
      return { kind: 'stopped', reason, ...used };
  }
}

/** Resolves when the signal aborts; at once if it already has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
