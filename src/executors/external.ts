// The executor type `external`: an orchestrator outside claims the task, a callback finishes it. Nothing is spawned and no slot
// is used.

import { z } from 'zod';
import { parseDuration } from '../domain/duration.ts';
import { duration, withDefault } from '../settings/setting.ts';
import { type Executor, stopReason } from './executor.ts';
import { executorType, profileSchema } from './executor-type.ts';
import { aborted, stoppedOutcome } from './stopped.ts';

const schema = profileSchema(
  'external',
  'Marks a task as taken by an orchestrator outside and waits for its word.',
  { is: '0', why: 'The worker decides how long it takes; see stale_after.' },
  {
    stale_after: withDefault(
      duration,
      '24h',
      'How long without a sign of life before it counts as stale; "0": never.',
    ),
    on_stale: withDefault(
      z.enum(['flag', 'retry', 'fail']),
      'flag',
      'What then happens. flag only says so in status: the work may well continue.',
    ),
  },
);

export const external = executorType({
  schema,
  builtIn: 'external',
  examples: [{ name: 'n8n' }],
  waitsFor: 'an external worker',
  profile: (written, base) => ({
    ...base,
    type: 'external',
    staleAfterMs: parseDuration(written.stale_after),
    onStale: written.on_stale,
  }),
  create: async () => createExternalExecutor(),
});

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
