// The supervisor's end of a queue against a real Redis: what is taken out of it, and what must stay.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { queueAddress } from '../../../src/executors/queue/address.ts';
import { QueueConnection } from '../../../src/executors/queue/connection.ts';
import { QueueHub } from '../../../src/executors/queue/hub.ts';
import { QUEUE_SCHEMA } from '../../../src/executors/queue/messages.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { type RedisServer, someRedis, startRedis } from '../../support/redis.ts';

const clock = systemClock();
let folder: string;
let redis: RedisServer;
let connection: QueueConnection;

const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  redis = await startRedis(folder);
  cleanups.push(() => redis.end('SIGKILL'));
  const address = await queueAddress(redis.url, {}, { insecure: false, mayHoldSecrets: false });
  connection = await QueueConnection.open(address, { clock, log: silentLog });
  cleanups.push(() => connection.close());
  await connection.ready(10_000);
});
afterEach(async () => {
  for (let clean = cleanups.pop(); clean; clean = cleanups.pop()) await clean();
});

const hubOver = (over: QueueConnection) =>
  new QueueHub({ connection: over, replies: 'answers', clock, log: silentLog, offers: () => {} });
const job = (run: string) =>
  ({ schema: QUEUE_SCHEMA, run, timeout_ms: null, lease_ms: 60_000, order: {} }) as const;
const waiting = () => connection.on('farm', async (one) => (await one.getWaiting()).map(({ id }) => id));

someRedis(describe)('a sweep', () => {
  test('takes out the job of a run that has finished, and leaves that of an open one', async () => {
    const hub = hubOver(connection);
    await hub.add('farm', job('run_over'));
    await hub.add('farm', job('run_open'));
    await hub.sweep(() => new Set(['run_open']));
    expect(await waiting()).toEqual(['run_open']);
  });

  test('leaves the job of a run that opens while it reads what there is', async () => {
    const open = new Set<string>();
    const hub = hubOver(connection);
    // Reads once a run has been opened meanwhile, as one through the API is.
    const call = jest.spyOn(connection, 'call').mockImplementationOnce(async (act) => {
      open.add('run_new');
      await hubOver(connection).add('farm', job('run_new'));
      return await connection.call(act);
    });
    await hub.sweep(() => new Set(open));
    expect(call).toHaveBeenCalled();
    expect(await waiting()).toEqual(['run_new']);
  });
});
