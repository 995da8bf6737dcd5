// Where work for workers is measured: a repository with a remote, a Redis, and workers that begin nothing.

import { execFile } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { composeSupervisor, type RunningSupervisor } from '../src/compose/daemon.ts';
import { SupervisorError } from '../src/domain/errors.ts';
import { queueAddress } from '../src/executors/queue/address.ts';
import { QueueConnection } from '../src/executors/queue/connection.ts';
import { systemClock } from '../src/platform/clock.ts';
import { systemIdentity } from '../src/platform/identity.ts';
import { silentLog } from '../src/platform/log.ts';
import { Questions } from '../src/worker/questions.ts';
import { createQueueSource } from '../src/worker/queue-source.ts';
import type { Taken, WorkSource } from '../src/worker/work-source.ts';
import { type RedisServer, startRedis } from '../test/support/redis.ts';
import { type Farm, plantFarm } from './farm.ts';

const run = promisify(execFile);
const AGAIN_MS = 200;

/** A profile `farm` whose tasks go through a queue. */
export const queueProfile = ({ url }: RedisServer) =>
  `[executors.farm]\ntype = "bullmq"\nurl = "${url}"\nrun = "command"\n`;

/** A repository with a remote, and a Redis. */
export interface Place {
  readonly farm: Farm;
  readonly redis: RedisServer;
}

/** Acts with a profile `farm` for workers; everything is removed afterwards. */
export async function withPlace<T>(
  profile: (redis: RedisServer) => string,
  act: (place: Place) => Promise<T>,
): Promise<T> {
  const farm = await plantFarm(1, 0);
  const redis = await startRedis(farm.folder);
  try {
    const [repo = ''] = farm.worktrees;
    const origin = join(farm.folder, 'origin.git');
    await run('git', ['init', '-q', '--bare', '-b', 'main', origin]);
    await run('git', ['-C', repo, 'remote', 'add', 'origin', origin]);
    await run('git', ['-C', repo, 'push', '-q', 'origin', 'main']);
    await appendFile(farm.config, profile(redis));
    return await act({ farm, redis });
  } finally {
    await redis.end('SIGKILL');
    await farm.remove();
  }
}

/** A supervisor in this process. */
export function superviseHere({ farm }: Place): Promise<RunningSupervisor> {
  return composeSupervisor({
    environment: { variables: process.env, home: farm.folder, platform: process.platform },
    cwd: farm.folder,
    config: farm.config,
    stateDir: farm.stateDir,
  });
}

let sockets = 0;

/** A worker that begins nothing: what it takes is reported at once, or kept, as `use` says. */
export async function simulatedOverQueue(
  { farm, redis }: Place,
  name: string,
  use: (taken: Taken, source: WorkSource) => Promise<void>,
) {
  const clock = systemClock();
  const address = await queueAddress(redis.url, {}, { insecure: false, mayHoldSecrets: false });
  const connection = await QueueConnection.open(address, { clock, log: silentLog });
  const questions = await Questions.listen(join(farm.folder, `q${sockets++}`));
  const token = () => systemIdentity().token('wgl_');
  const source = createQueueSource({
    ...{ connection, worker: name, leaseMs: 60_000, clock, log: silentLog, questions, token },
  });
  const working = takeAll(source, use);
  return {
    async end() {
      await working.end();
      await questions.close();
    },
  };
}

/** Takes one after the other until it is ended. */
export function takeAll(source: WorkSource, use: (taken: Taken, source: WorkSource) => Promise<void>) {
  const ending = new AbortController();
  const { signal } = ending;
  const take = async () => {
    try {
      return await source.take({ profiles: ['farm'], resting: new Map(), places: 1 }, signal);
    } catch (thrown) {
      if (!(thrown instanceof SupervisorError) || thrown.code !== 'not-running') throw thrown;
      // It is just starting.
      await wait(AGAIN_MS);
      return [];
    }
  };
  // The supervisor is ended first, once all is measured.
  const working = (async () => {
    while (!signal.aborted) for (const taken of await take()) await use(taken, source);
  })().catch(() => undefined);
  return {
    async end() {
      ending.abort();
      await source.close();
      await working;
    },
  };
}

/** An instant of its own for each task. */
export function stamp(n: number): string {
  return new Date(1.75e12 + n).toISOString();
}
