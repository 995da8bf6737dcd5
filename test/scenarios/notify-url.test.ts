// The requester of a task with a notify_url, such as an n8n execution in its Wait node, gets its end once: after however
// many attempts, and also when it is cancelled (http-protocol 2.4 C).

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

interface Told {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

let playground: Playground;
let supervised: Supervised;
let api: Caller;
let page: Server;
let url: string;
let told: Told[];
let hear: () => void;

beforeEach(async () => {
  playground = await createPlayground();
  told = [];
  hear = () => {};
  page = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      outgoing.end();
      told.push(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Told);
      hear();
    });
  });
  await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(page.address() as AddressInfo).port}/webhook-waiting/17`;
});
afterEach(async () => {
  await supervised.stop({ cancelAgents: true });
  await new Promise((resolve) => page.close(resolve));
  await playground.remove();
});

async function begin(task: TaskLine, config = ''): Promise<void> {
  await playground.writeGraph(playground.repo, [task]);
  await playground.writeConfig(`${config}[api]\nlisten = "127.0.0.1:0"\n`);
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

async function dispatch(): Promise<void> {
  const begun = await api.post('/api/task/job/dispatch', { notify_url: url, external_ref: 'n8n-17' });
  expect(begun.status).toBe(202);
}

const heard = () =>
  new Promise<void>((resolve) => {
    hear = resolve;
    if (told.length > 0) resolve();
  });

test('an attempt that is tried again tells nothing; the last one does, with the name that it was asked for by', async () => {
  await begin(
    { id: 'job', exec: 'test -f tried || { touch tried; exit 3; }', tags: ['schedule:2126-01-01T00:00:00Z'] },
    '[retry]\nattempts = 2\nbackoff = "1s"\n',
  );
  await dispatch();
  await supervised.event('run.retrying', 'job');
  expect(told).toEqual([]);
  // Its schedule is a hundred years away: the second attempt is asked for too.
  for (;;) {
    const ticked = supervised.bus.next('tick.finished');
    const { status } = await api.post('/api/task/job/dispatch');
    if (status === 202) break;
    // It rests for the second that [retry] says.
    expect(status).toBe(409);
    await ticked;
  }
  await heard();
  expect(told).toMatchObject([
    { type: 'task.completed', data: { local_id: 'job', attempt: 2, external_ref: 'n8n-17', status: 'done' } },
  ]);
});

test('a cancelled one has finished for the waiting requester', async () => {
  await begin({ id: 'job', exec: 'sleep 60', tags: ['schedule:2126-01-01T00:00:00Z'] });
  await dispatch();
  await supervised.event('run.started', 'job');
  expect((await api.post('/api/task/job/cancel')).status).toBe(202);
  await heard();
  expect(told).toMatchObject([
    {
      type: 'task.failed',
      data: {
        local_id: 'job',
        external_ref: 'n8n-17',
        outcome: { kind: 'stopped', reason: 'cancelled' },
        status: 'open',
      },
    },
  ]);
});
