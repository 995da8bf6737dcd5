// The request as it arrives (http-protocol 1.2), header by header and field by field: what a real server received over a real
// connection. How each part is made is in http-payload.test.ts and http-signature.test.ts.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import type { HttpProfile } from '../../../src/domain/profile.ts';
import type { Assignment } from '../../../src/executors/executor.ts';
import { createHttpExecutor } from '../../../src/executors/http/executor.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { assignmentFor, httpProfile, RUN, runControl, TOKEN, tidying } from './support.ts';

const tidy = tidying();
afterEach(() => tidy.run());

const ID = 'msg_01JDABCDEFGHJKMNPQRSTVWXYZ';
const SECRETS = [7, 9].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`);

/** What arrived: headers in order, twice where they came twice. */
interface Arrived {
  readonly line: string;
  readonly headers: Map<string, string[]>;
  readonly body: Buffer;
}

/** Sends one task and gives what the endpoint received. */
async function arrives(changes: Partial<HttpProfile> = {}, run: Partial<Assignment> = {}): Promise<Arrived> {
  let hear = (_arrived: Arrived) => {};
  const heard = new Promise<Arrived>((resolve) => {
    hear = resolve;
  });
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = new Map<string, string[]>();
      for (let n = 0; n < request.rawHeaders.length; n += 2) {
        const name = (request.rawHeaders[n] ?? '').toLowerCase();
        headers.set(name, [...(headers.get(name) ?? []), request.rawHeaders[n + 1] ?? '']);
      }
      response.writeHead(202).end();
      hear({ line: `${request.method} ${request.url}`, headers, body: Buffer.concat(chunks) });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  tidy.add({ close: () => new Promise((resolve) => server.close(() => resolve())) });
  const { port } = server.address() as AddressInfo;
  const profile = httpProfile({ endpoint: `http://127.0.0.1:${port}/api/task?team=ops`, ...changes });
  const executor = createHttpExecutor({
    clock: systemClock(),
    identity: { random: () => 0.5 },
    version: '1.2.3',
    host: 'box',
    variables: { NEW: SECRETS[0], OLD: SECRETS[1], KEY: 'endpoint-secret' },
  });
  await executor.begin(assignmentFor(profile, await tidy.folder(), run), runControl());
  return await heard;
}

const one = ({ headers }: Arrived, name: string) => {
  const found = headers.get(name) ?? [];
  if (found.length > 1) throw new Error(`${name} came ${found.length} times`);
  return found[0];
};

/** A day from now. */
const deadlineAt = Date.now() + 86_400_000;
const deadline = new Date(deadlineAt).toISOString();

describe('the headers', () => {
  test('are these and no others, each once', async () => {
    const before = Math.floor(Date.now() / 1000);
    const arrived = await arrives({ secrets: [{ env: 'NEW' }] }, { deadlineAt });
    const port = /:(\d+)$/.exec(one(arrived, 'host') ?? '')?.[1];
    const stamp = Number(one(arrived, 'webhook-timestamp'));
    expect(stamp).toBeGreaterThanOrEqual(before);
    expect(stamp).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
    expect(Object.fromEntries([...arrived.headers].map(([name]) => [name, one(arrived, name)]))).toEqual({
      host: `127.0.0.1:${port}`,
      connection: 'close',
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(arrived.body.length),
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'workgraph-supervisor/1.2.3',
      prefer: 'respond-async',
      'webhook-id': ID,
      'webhook-timestamp': String(stamp),
      'webhook-signature': expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
      'idempotency-key': `"${ID}"`,
      'workgraph-task-id': 'wt3f9a~build-api',
      'workgraph-attempt': '2',
      'workgraph-delivery': '1',
      'workgraph-deadline': deadline,
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      tracestate: `workgraph=${RUN}`,
    });
    expect(arrived.line).toBe('POST /api/task?team=ops');
  });

  test('traceparent and tracestate are what W3C Trace Context takes', async () => {
    const arrived = await arrives();
    expect(one(arrived, 'traceparent')).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
    expect(one(arrived, 'tracestate')).toMatch(
      /^[a-z][a-z0-9_*/-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}$/,
    );
  });

  test('without a deadline or a secret there is neither', async () => {
    const arrived = await arrives();
    expect(arrived.headers.has('workgraph-deadline')).toBe(false);
    expect(arrived.headers.has('webhook-signature')).toBe(false);
  });

  test('the idempotency key is bare where the profile says so', async () => {
    expect(one(await arrives({ idempotencyKey: 'bare' }), 'idempotency-key')).toBe(ID);
  });

  test('authorization and any other header come from the profile', async () => {
    const headers = { Authorization: { env: 'KEY' }, 'x-team': '{{repo.name}}' };
    const arrived = await arrives({ headers });
    expect(one(arrived, 'authorization')).toBe('endpoint-secret');
    expect(one(arrived, 'x-team')).toBe('p');
  });
});

describe('the signature', () => {
  const verify = (secret: string, { body, headers }: Arrived) =>
    new Webhook(secret).verify(
      body.toString(),
      Object.fromEntries([...headers].map(([name, [value = '']]) => [name, value])),
    );

  test('verifies with the reference library, over the very bytes that arrived', async () => {
    const arrived = await arrives({ secrets: [{ env: 'NEW' }] });
    expect(verify(SECRETS[0] ?? '', arrived)).toMatchObject({ type: 'task.dispatched' });
    expect(() => verify(SECRETS[1] ?? '', arrived)).toThrow();
    const altered = {
      ...arrived,
      body: Buffer.from(arrived.body.toString().replace('Build it', 'Break it')),
    };
    expect(() => verify(SECRETS[0] ?? '', altered)).toThrow();
  });

  test('verifies with the new and with the old secret while they rotate', async () => {
    const arrived = await arrives({ secrets: [{ env: 'NEW' }, { env: 'OLD' }] });
    for (const secret of SECRETS) expect(verify(secret, arrived)).toMatchObject({ type: 'task.dispatched' });
  });

  test('covers the bytes of a CloudEvent and of a template, too', async () => {
    const secrets = [{ env: 'NEW' }];
    for (const changes of [{ format: 'cloudevents' } as const, { body: { id: '{{task.id}}' } }])
      expect(verify(SECRETS[0] ?? '', await arrives({ secrets, ...changes }))).toBeTruthy();
  });
});

describe('the body', () => {
  test('has every field, and URLs that need nothing to be built', async () => {
    const arrived = await arrives({}, { deadlineAt, claimedAt: 1000 });
    const { type, timestamp, data } = JSON.parse(arrived.body.toString());
    expect([type, timestamp]).toEqual(['task.dispatched', '1970-01-01T00:00:01.000Z']);
    expect(Object.keys(data)).toEqual(['task', 'worktree', 'repo', 'attempt', 'lease', 'callback']);
    expect(data.task).toMatchObject({ id: 'wt3f9a~build-api', local_id: 'build-api', truncated: [] });
    expect(data.attempt).toMatchObject({ id: RUN, number: 2, max: 3, fence: 17 });
    expect(data.attempt).toMatchObject({ dispatched_at: timestamp, deadline });
    expect(data.lease).toMatchObject({ token: TOKEN, heartbeat_every_s: 60 });
    const base = 'http://127.0.0.1:7420/api/task/wt3f9a~build-api';
    expect(data.task.details_url).toBe(base);
    for (const verb of ['complete', 'fail', 'heartbeat', 'release', 'input'])
      expect(data.callback[`${verb}_url`]).toBe(`${base}/${verb}`);
  });

  test('as a CloudEvent is in structured mode, its id and trace those of the headers', async () => {
    const arrived = await arrives({ format: 'cloudevents' });
    expect(one(arrived, 'content-type')).toBe('application/cloudevents+json; charset=utf-8');
    const event = JSON.parse(arrived.body.toString());
    expect(event).toMatchObject({
      specversion: '1.0',
      id: one(arrived, 'webhook-id'),
      source: 'workgraph://box/wt3f9a',
      type: 'dev.workgraph.task.dispatched.v1',
      subject: 'wt3f9a~build-api',
      datacontenttype: 'application/json',
      traceparent: one(arrived, 'traceparent'),
      tracestate: one(arrived, 'tracestate'),
      data: { task: { local_id: 'build-api' } },
    });
    expect(Number.isNaN(Date.parse(event.time))).toBe(false);
    // Attribute names of CloudEvents are lower-case letters and digits only.
    for (const name of Object.keys(event)) expect(name).toMatch(/^[a-z0-9]+$/);
  });

  test('is the same to the last byte whenever it is made again for the same run', async () => {
    const run = { claimedAt: Date.parse('2026-11-22T05:57:52.120Z') };
    for (const format of ['standard', 'cloudevents'] as const) {
      const [first, second] = [await arrives({ format }, run), await arrives({ format }, run)];
      expect(second.body.equals(first.body)).toBe(true);
    }
  });
});
