// The packages of the queue, which only those install who use one.

import { SupervisorError, systemCode } from '../../domain/errors.ts';

/** Both packages. Throws `executor-unavailable` with the command that installs them. */
export async function loadQueuePackages() {
  try {
    const [{ Queue, Worker }, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { Queue, Worker, Redis };
  } catch (thrown) {
    if (systemCode(thrown) !== 'ERR_MODULE_NOT_FOUND' && systemCode(thrown) !== 'MODULE_NOT_FOUND')
      throw thrown;
    throw new SupervisorError('executor-unavailable', 'the packages bullmq and ioredis are not installed', {
      hint: 'install them beside the supervisor: npm install -g bullmq ioredis',
      cause: thrown,
    });
  }
}
