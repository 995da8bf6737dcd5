// The executor type `bullmq`: the task goes into a queue in Redis, from which `supervisor worker --queue` takes it.

import { z } from 'zod';
import { parseDuration } from '../../domain/duration.ts';
import { duration, optional, secretValue, text, withDefault } from '../../settings/setting.ts';
import { executorType, profileSchema } from '../executor-type.ts';
import { forWorkers, WORKERS_TIMEOUT, workersShape, workersTroubles } from '../shared-settings.ts';
import { URL_VARIABLE } from './address.ts';

const schema = profileSchema(
  'bullmq',
  'Puts the task into a queue in Redis, from which `supervisor worker --queue` takes it. Needs the packages bullmq and ioredis beside the supervisor.',
  WORKERS_TIMEOUT,
  {
    ...workersShape,
    url: withDefault(
      secretValue,
      { env: URL_VARIABLE },
      'Address of the Redis, redis:// or, beyond this machine, rediss://. A password belongs into the environment: into this variable or SUPERVISOR_QUEUE_PASSWORD.',
    ),
    queue: optional(text, {
      text: 'Name of the queue, which workers give as --profile. Default: the name of the profile.',
      example: 'farm',
    }),
    lease: withDefault(duration, '60s', 'A worker that is silent for this long has lost the task.'),
    insecure: withDefault(
      z.boolean(),
      false,
      'Allows redis:// to another machine: everyone between them could take over the work.',
    ),
  },
);

export const bullmq = executorType({
  schema,
  examples: [{ name: 'far-farm' }],
  templates: ['push'],
  troubles: workersTroubles,
  profile: (written, base) => ({
    ...base,
    type: 'bullmq',
    ...forWorkers(written),
    url: written.url,
    queue: written.queue ?? base.name,
    leaseMs: parseDuration(written.lease),
    insecure: written.insecure,
  }),
  async create({ queue, ...means }) {
    if (!queue) return null;
    return (await import('./executor.ts')).createQueueExecutor({ ...means, ...queue });
  },
});
