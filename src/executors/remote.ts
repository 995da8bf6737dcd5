// The executor type `remote`: `supervisor worker` on another machine asks for the task and does the work there.

import { executorType, profileSchema } from './executor-type.ts';
import { createExternalExecutor } from './external.ts';
import { forWorkers, WORKERS_TIMEOUT, workersShape, workersTroubles } from './shared-settings.ts';

const schema = profileSchema(
  'remote',
  'Waits for `supervisor worker` on another machine, which does the work there.',
  WORKERS_TIMEOUT,
  workersShape,
);

export const remote = executorType({
  schema,
  examples: [{ name: 'farm' }],
  waitsFor: '`supervisor worker` on another machine',
  templates: ['push'],
  troubles: workersTroubles,
  profile: (written, base) => ({ ...base, type: 'remote', ...forWorkers(written) }),
  create: async () => createExternalExecutor('remote'),
});
