// Whatever comes in: never a 5xx, never a hang, never a call with something unchecked, and the server lives on.

import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sendRaw, startApi, type TestApi } from './api-kit.ts';
import { LATE_TOKEN, ODD_ID, OPERATOR_TOKEN, RUN_TOKEN, UNKNOWN_TOKEN } from './scripted-control.ts';

let api: TestApi;
beforeEach(async () => {
  api = await startApi({ patience: { headersTimeoutMs: 300, requestTimeoutMs: 600 } });
});
afterEach(() => api.stop());

const id = fc.oneof(
  fc.constantFrom('build', 'deploy', 'w1~build', 'w2~build', ODD_ID, 'run_x', '..', '__proto__'),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const encodedId = id.map((text) => encodeURIComponent(text));
const path = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        encodedId,
        fc.constantFrom(
          '',
          '/why',
          '/complete',
          '/fail',
          '/heartbeat',
          '/release',
          '/claim',
          '/cancel',
          '/retry',
        ),
      )
      .map(([one, verb]) => `/api/task/${one}${verb}`),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '/api/health',
      '/api/status',
      '/api/tasks',
      '/api/runs',
      '/api/control/pause',
      '/api/control/resume',
      '/api/control/drain',
      '/api/control/restart',
      '/api/control/reload',
    ),
  },
  { weight: 1, arbitrary: fc.webPath() },
);
const query = fc.oneof(
  fc.constant(''),
  fc.webQueryParameters().map((text) => `?${text}`),
  fc
    .tuple(fc.constantFrom('worktree', 'state', 'limit', 'cursor', 'open', 'task', '__proto__'), fc.string())
    .map(([name, value]) => `?${name}=${encodeURIComponent(value)}`),
);
const value = fc.jsonValue({ maxDepth: 3 });
const body = fc.oneof(
  fc.record(
    {
      lease_token: fc.oneof(fc.constantFrom(RUN_TOKEN, LATE_TOKEN, UNKNOWN_TOKEN), value),
      result: value,
      artifacts: value,
      summary: value,
      agent: fc.oneof(fc.string(), value),
      status: fc.oneof(fc.constantFrom('completed', 'failed'), value),
      error: value,
      reason: value,
      retryable: value,
      worker_id: fc.oneof(fc.string(), value),
      progress: value,
      target: value,
    },
    { requiredKeys: [] },
  ),
  value,
);
const payload = fc.oneof(
  fc.constant(undefined),
  body.map((one) => JSON.stringify(one)),
  fc.string({ unit: 'binary' }),
);
const token = fc.constantFrom(
  '',
  `Bearer ${OPERATOR_TOKEN}`,
  `Bearer ${RUN_TOKEN}`,
  `Bearer ${UNKNOWN_TOKEN}`,
  'Basic eA==',
);
const type = fc.constantFrom('application/json', 'application/json', 'text/plain', '');
const method = fc.constantFrom('GET', 'POST', 'POST', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS');

test('any request is answered below 500, and refusals are problem documents', async () => {
  await api.server.openTcp();
  await fc.assert(
    fc.asyncProperty(
      method,
      path,
      query,
      payload,
      token,
      type,
      fc.boolean(),
      async (verb, at, ask, text, auth, kind, tcp) => {
        const request = {
          method: verb,
          path: `${at}${ask}`,
          headers: {
            ...(tcp || auth ? { authorization: auth } : {}),
            ...(kind ? { 'content-type': kind } : {}),
          },
          ...(text === undefined || verb === 'GET' || verb === 'HEAD' ? {} : { body: text }),
        };
        const answer = await (tcp ? api.askTcp(request) : api.ask(request));
        expect(answer.status).toBeLessThan(500);
        if (answer.status >= 400 && verb !== 'HEAD') {
          expect(answer.headers['content-type']).toBe('application/problem+json');
          expect(answer.json).toMatchObject({ status: answer.status, code: expect.any(String) });
        }
        expect(answer.text).not.toContain(OPERATOR_TOKEN);
        expect(answer.headers['cache-control']).toBe('no-store');
      },
    ),
    { numRuns: 300 },
  );
  expect(api.log.lines.filter((line) => line.level === 'error')).toEqual([]);
  expect(JSON.stringify(api.log.lines)).not.toMatch(/wg[ltc]_[rupl]{5}/);
  for (const { name, args } of api.control.calls) {
    if (name !== 'complete') continue;
    const request = args[0] as Record<string, unknown>;
    expect(['succeeded', 'failed']).toContain(request.result);
    for (const key of ['agent', 'summary', 'reason'])
      if (key in request) expect(typeof request[key]).toBe('string');
  }
});

test('raw garbage on the socket is answered or hung up on, never waited for', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        'GET ',
        'POST /api/task/deploy/complete HTTP/1.1\r\n',
        'GET /api/health HTTP/1.1\r\n',
        'GET /api/events HTTP/1.1\r\n',
        'host: x\r\n',
        'content-length: 5\r\n',
        'content-length: -5\r\n',
        'content-length: 99999999999999999999\r\n',
        'transfer-encoding: chunked\r\n',
        'transfer-encoding: gzip\r\n',
        'expect: 100-continue\r\n',
        'expect: more\r\n',
        'upgrade: websocket\r\nconnection: upgrade\r\n',
        'content-type: application/json\r\n',
        '\r\n',
        '\r\n',
        '5\r\nhello\r\n',
        'fffffffff\r\n',
        '0\r\n\r\n',
        'CONNECT x:1 HTTP/1.1\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      )
      .map((text) => Buffer.from(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), async (pieces) => {
      // The sending side is closed, as a client does that has nothing more to say.
      const answer = await sendRaw({ path: api.socket }, Buffer.concat(pieces));
      for (const [, status] of answer.matchAll(/HTTP\/1\.1 (\d{3})/g))
        expect(Number(status)).toBeLessThan(500);
    }),
    { numRuns: 150 },
  );
  await sendRaw(
    { path: api.socket },
    Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nx: '), Buffer.alloc(100_000, 'a')]),
  );
  await sendRaw({ path: api.socket }, randomBytes(1_000_000));
  expect((await api.ask({ path: '/api/health' })).status).toBe(200);
  expect(api.log.lines.filter((line) => line.level === 'error')).toEqual([]);
});

test('a client that expects something else, or takes us for a proxy, gets a response like everyone', async () => {
  const expecting = await sendRaw(
    { path: api.socket },
    'GET /api/health HTTP/1.1\r\nhost: x\r\nexpect: the-moon\r\nconnection: close\r\n\r\n',
  );
  expect(expecting).toMatch(/^HTTP\/1\.1 200 OK\r\n.*"status":"ok"/s);
  const tunnel = await sendRaw({ path: api.socket }, 'CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n\r\n');
  expect(tunnel).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"malformed-request"/s);
});

test('a client that is too slow and never disconnects is disconnected', async () => {
  // Only reads to the end and never closes its own side.
  const socket = connect({ path: api.socket, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => socket.once('end', resolve));
  const gone = new Promise<{ readonly code?: string }>((resolve) => socket.once('error', resolve));
  socket.write('GET /api/health HTTP/1.1\r\nx: ');
  await ended;
  expect(Buffer.concat(chunks).toString()).toContain('"code":"request-timeout"');
  // Writing shows when the other side is gone for good.
  const writing = setInterval(() => socket.write('a'), 100).unref();
  expect((await gone).code).toMatch(/EPIPE|ECONNRESET/);
  clearInterval(writing);
  socket.destroy();
});

test('any id comes through the address unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), async (text) => {
      // Dot segments are steps in a path and never reach a route; control characters are refused by design.
      fc.pre(text !== '.' && text !== '..' && !/\p{Cc}/u.test(text));
      await api.ask({ path: `/api/task/${encodeURIComponent(text)}` });
      expect(api.control.calls.at(-1)).toEqual({ name: 'task', args: [{ task: text }] });
    }),
    { numRuns: 100 },
  );
});
