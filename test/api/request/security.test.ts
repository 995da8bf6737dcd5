import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { handClock, sendRaw, startApi, type TestApi } from '../api-kit.ts';
import { OPERATOR_TOKEN, RUN_TOKEN, UNKNOWN_TOKEN } from '../scripted-control.ts';

let api: TestApi;
let port: number;

async function start(options: Parameters<typeof startApi>[0] = {}): Promise<void> {
  api = await startApi(options);
  await api.server.openTcp();
  port = Number(new URL(api.server.address().url ?? '').port);
}
afterEach(() => api.stop());

describe('on TCP', () => {
  beforeEach(() => start());

  test.each([
    ['127.0.0.1:PORT', 200],
    ['localhost:PORT', 200],
    ['LOCALHOST:PORT', 200],
    ['[::1]:PORT', 200],
    ['evil.example', 403],
    ['evil.example:PORT', 403],
    ['127.0.0.1', 403],
    ['127.0.0.1:1', 403],
    ['localhost.evil.example:PORT', 403],
    ['localhost:PORT@evil.example', 403],
    ['localhost:PORT, evil.example', 403],
    ['0.0.0.0:PORT', 403],
    ['a b\\c', 403],
  ])('Host %s → %d', async (host, status) => {
    const answer = await api.askTcp({
      path: '/api/health',
      headers: { host: host.replace('PORT', String(port)) },
    });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.json).toMatchObject({ code: 'host-not-allowed' });
  });

  test.each([
    ['Origin', 'https://evil.example', 403],
    ['Origin', 'null', 403],
    ['Origin', 'http://localhost:3000', 403],
    ['Sec-Fetch-Site', 'cross-site', 403],
    ['Sec-Fetch-Site', 'same-site', 403],
    ['Sec-Fetch-Site', 'garbage', 403],
    ['Sec-Fetch-Site', 'same-origin', 200],
    ['Sec-Fetch-Site', 'none', 200],
    ['Sec-Fetch-Mode', 'cors', 200],
  ])('%s: %s → %d, even with the right token, and for health too', async (name, value, status) => {
    for (const path of ['/api/status', '/api/health'])
      expect((await api.askTcp({ path, headers: { [name]: value } })).status).toBe(status);
  });

  test("node's own fetch passes", async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/task/deploy/complete`, {
      method: 'POST',
      headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ state: 'completed' });
  });

  test.each([
    ['', 401],
    ['Bearer', 401],
    ['Bearer ', 401],
    [`Bearer ${OPERATOR_TOKEN}x`, 401],
    [`Bearer ${OPERATOR_TOKEN.slice(0, -1)}`, 401],
    [`Bearer ${UNKNOWN_TOKEN}`, 401],
    [`Basic ${Buffer.from(`x:${OPERATOR_TOKEN}`).toString('base64')}`, 401],
    [OPERATOR_TOKEN, 401],
    [`Bearer ${OPERATOR_TOKEN}`, 200],
    [`bearer ${OPERATOR_TOKEN}`, 200],
  ])('authorization %j → %d', async (authorization, status) => {
    const answer = await api.askTcp({ path: '/api/status', headers: { authorization } });
    expect(answer.status).toBe(status);
    if (status === 401) {
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(api.control.calls).toEqual([]);
    }
  });

  test('health needs no token and tells nothing', async () => {
    const answer = await api.askTcp({ path: '/api/health', headers: { authorization: '' } });
    expect(answer.json).toEqual({
      status: 'ok',
      version: '1.2.3',
      uptime_s: expect.any(Number),
      started_at: expect.any(String),
    });
  });

  test('neither a token in the address nor a cookie counts', async () => {
    for (const ask of [
      { path: `/api/status?access_token=${OPERATOR_TOKEN}` },
      { path: `/api/status?token=${OPERATOR_TOKEN}` },
      { path: '/api/status', headers: { cookie: `token=${OPERATOR_TOKEN}` } },
    ])
      expect((await api.askTcp({ ...ask, headers: { authorization: '', ...ask.headers } })).status).toBe(401);
  });

  test.each([
    ['GET', '/api/nothing'],
    ['DELETE', '/api/status'],
    ['GET', '/api/events'],
    ['POST', '/api/control/drain'],
    ['POST', '/api/control/restart'],
    ['POST', '/api/task/deploy/claim'],
    ['POST', '/api/task/deploy/complete'],
    ['GET', '/api/task/deploy'],
  ])('%s %s without a token is 401, whether it exists or not', async (method, path) => {
    const answer = await api.askTcp({ method, path, headers: { authorization: '' } });
    expect(answer.status).toBe(401);
    expect(api.control.calls).toEqual([]);
  });

  test('a lease token alone completes its task: in the header, or in the body without any header', async () => {
    const path = '/api/task/build/complete';
    const header = await api.askTcp({
      method: 'POST',
      path,
      headers: { authorization: `Bearer ${RUN_TOKEN}` },
    });
    expect(header.json).toMatchObject({ worktree: '/w1', duplicate: false });
    const body = await api.askTcp({
      method: 'POST',
      path,
      body: { lease_token: RUN_TOKEN },
      headers: { authorization: '' },
    });
    expect(body.json).toMatchObject({ worktree: '/w1', duplicate: true });
    const foreign = await api.askTcp({
      method: 'POST',
      path: '/api/task/deploy/complete',
      body: { lease_token: RUN_TOKEN },
      headers: { authorization: '' },
    });
    expect(foreign.status).toBe(403);
  });

  test('a form post of a web page fails on its content type too', async () => {
    const answer = await api.askTcp({
      method: 'POST',
      path: '/api/task/deploy/complete',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'a=1',
    });
    expect(answer.status).toBe(415);
  });

  test('a preflight gets no permission', async () => {
    const answer = await api.askTcp({
      method: 'OPTIONS',
      path: '/api/task/deploy/complete',
      headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });
    expect(answer.status).toBe(405);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

test('the eleventh wrong token in a minute is 429; the right one still passes; a minute later it is 401 again', async () => {
  const clock = handClock(1_000_000);
  await start({ clock });
  const wrong = () => api.askTcp({ path: '/api/status', headers: { authorization: 'Bearer nope' } });
  for (let i = 0; i < 10; i++) expect((await wrong()).status).toBe(401);
  clock.advance(20_000);
  const limited = await wrong();
  expect(limited.status).toBe(429);
  expect(limited.headers['retry-after']).toBe('40');
  expect(limited.json).toMatchObject({ code: 'too-many-failures', retryable: true });
  expect((await api.askTcp({ path: '/api/status' })).status).toBe(200);
  clock.advance(40_000);
  expect((await wrong()).status).toBe(401);
});

test('names and origins of the configuration are served', async () => {
  await start({
    config: {
      allowedHosts: ['host.docker.internal', 'exact.example:9'],
      allowedOrigins: ['https://mine.example'],
      publicUrl: 'https://agents.example.org/',
    },
  });
  const at = async (headers: Record<string, string>) =>
    (await api.askTcp({ path: '/api/health', headers })).status;
  expect(await at({ host: 'host.docker.internal:7420' })).toBe(200);
  expect(await at({ host: 'exact.example:9' })).toBe(200);
  expect(await at({ host: 'exact.example:10' })).toBe(403);
  expect(await at({ host: 'agents.example.org' })).toBe(200);
  expect(await at({ host: 'agents.example.org:443' })).toBe(200);
  expect(await at({ origin: 'https://mine.example' })).toBe(200);
  expect(await at({ origin: 'https://mine.example.evil.example' })).toBe(403);
});

describe('on the socket', () => {
  beforeEach(() => start());

  test.each([
    { host: 'evil.example' },
    { host: '' },
    { host: 'a b\\c' },
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
  ])('%j does not matter: no web page comes in here', async (headers) => {
    expect((await api.ask({ path: '/api/status', headers: headers as Record<string, string> })).status).toBe(
      200,
    );
  });

  test('a wrong token is refused, the right one is taken', async () => {
    expect((await api.ask({ path: '/api/status', headers: { authorization: 'Bearer nope' } })).status).toBe(
      401,
    );
    const right = { authorization: `Bearer ${OPERATOR_TOKEN}` };
    expect((await api.ask({ path: '/api/status', headers: right })).status).toBe(200);
  });
});

test.each([
  ['no Host', 'GET /api/health HTTP/1.1\r\n', 400],
  ['no Host, as HTTP 1.0 allows', 'GET /api/health HTTP/1.0\r\n', 400],
  ['an empty Host', 'GET /api/health HTTP/1.1\r\nhost:\r\n', 403],
  ['two Hosts', 'GET /api/health HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\nhost: evil.example\r\n', 400],
  [
    'a whole address as target',
    'GET http://127.0.0.1:PORT/api/health HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\n',
    400,
  ],
])('%s is refused on TCP', async (_what, head, status) => {
  await start();
  const bytes = `${head.replaceAll('PORT', String(port))}connection: close\r\n\r\n`;
  const answer = await sendRaw({ host: '127.0.0.1', port }, bytes, { end: false });
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toContain('application/problem+json');
});
