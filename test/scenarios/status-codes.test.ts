// "Status codes, exactly" (http-protocol 2.2) and the order of the checks (6.4), line by line over a real supervisor. Duplicate,
// late and superseded reports are in outside-work.test.ts, the rows of the table in api-surface.test.ts.

import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createApiServer } from '../../src/api/server.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type Answer, type Ask, send } from '../api/api-kit.ts';
import { scriptedViews } from '../api/scripted-views.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

interface Told extends Answer {
  readonly json: Readonly<Record<string, unknown>>;
}

let playground: Playground;
let supervised: Supervised;
let operator: string;
let address: { readonly host: string; readonly port: number };

async function begin(tasks: readonly string[]): Promise<void> {
  playground = await createPlayground();
  await playground.writeGraph(
    playground.repo,
    tasks.map((id) => ({ id, tags: ['executor:external'] })),
  );
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
  supervised = await supervise(playground);
  await Promise.all(tasks.map((id) => supervised.event('run.handed-off', id)));
  const api = JSON.parse(await readFile(supervised.paths.apiFile, 'utf8')) as { url: string; token: string };
  operator = api.token;
  address = { host: new URL(api.url).hostname, port: Number(new URL(api.url).port) };
}

async function end(): Promise<void> {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
}

/** Over TCP with the operator's token, unless an authorization says otherwise ('' for none). */
async function ask(wanted: Ask): Promise<Told> {
  const headers = { authorization: `Bearer ${operator}`, ...wanted.headers };
  return (await send(address, { ...wanted, headers })) as Told;
}

const post = (path: string, body: unknown = {}, token?: string) =>
  ask({
    method: 'POST',
    path,
    body,
    ...(token === undefined ? {} : { headers: { authorization: token && `Bearer ${token}` } }),
  });

async function claim(task: string): Promise<string> {
  const { json } = await post(`/api/task/${task}/claim`, { worker_id: 'w' });
  return (json.lease as { token: string }).token;
}

/** What every refusal carries, whatever it refuses. */
function expectProblem(told: Told, status: number, code: string): void {
  expect([told.status, told.json.code]).toEqual([status, code]);
  expect(told.headers['content-type']).toBe('application/problem+json');
  expect(told.json).toMatchObject({
    type: `urn:workgraph:problem:${code}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
    instance: expect.stringMatching(/^req_/),
    retryable: expect.any(Boolean),
  });
  for (const name of Object.keys(told.json)) expect(name).toMatch(/^[a-z_]+$/);
  expect(told.headers).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  });
  expect(told.headers['access-control-allow-origin']).toBeUndefined();
}

/** The bytes as they are; what comes back until the other side hangs up or has answered. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let back = '';
    const socket = connect(address.port, address.host, () => socket.write(bytes));
    socket.on('data', (chunk) => {
      back += chunk.toString('latin1');
      if (back.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('error', () => {
      // Hung up on: what came before that counts.
    });
    socket.on('close', () => resolve(back));
  });
}

describe('each code', () => {
  beforeAll(() => begin(['job', 'held', 'cancelled', 'other']));
  afterAll(end);

  test.each(['{', '{"a": 1,}', 'nonsense', '[1', '\ud800'])('400 malformed JSON: %j', async (body) => {
    const headers = { 'content-type': 'application/json' };
    expectProblem(
      await ask({ method: 'POST', path: '/api/task/job/complete', body, headers }),
      400,
      'malformed-json',
    );
  });

  test.each([
    ['no Host', 'GET /api/health HTTP/1.1\r\n\r\n'],
    ['two Hosts', 'GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['no HTTP', 'hello\r\n\r\n'],
  ])('400 malformed request: %s', async (_what, bytes) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('application/problem+json');
  });

  test('400 malformed address', async () => {
    expectProblem(await ask({ path: '/api/task/%zz' }), 400, 'malformed-request');
  });

  test.each([
    ['no token', ''],
    ['a wrong one', `Bearer wgt_${'x'.repeat(43)}`],
    ['a password', 'Basic d29yZDpwYXNz'],
  ])('401 with WWW-Authenticate: Bearer, for %s', async (_what, authorization) => {
    for (const wanted of [{ path: '/api/status' }, { method: 'POST', path: '/api/task/job/complete' }]) {
      const told = await ask({ ...wanted, headers: { authorization } });
      expectProblem(told, 401, 'unauthorized');
      expect(told.headers['www-authenticate']).toMatch(/^Bearer realm="/);
    }
  });

  test.each([
    ['host-not-allowed', { host: 'evil.example' }],
    ['host-not-allowed', { host: 'evil.example:7420' }],
    ['host-not-allowed', { host: '0.0.0.0' }],
    ['origin-not-allowed', { origin: 'https://evil.example' }],
    ['origin-not-allowed', { origin: 'null' }],
    ['origin-not-allowed', { origin: 'http://localhost' }],
    ['cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['cross-site', { 'sec-fetch-site': 'same-site' }],
  ])('403 %s: %j', async (code, headers) => {
    expectProblem(await ask({ path: '/api/status', headers: headers as Record<string, string> }), 403, code);
  });

  test('403 for what a run may not do', async () => {
    const token = await claim('other');
    expectProblem(await post('/api/control/drain', {}, token), 403, 'forbidden');
    expectProblem(await post('/api/task/job/complete', {}, token), 403, 'forbidden');
    expect(supervised.supervisor.state).toBe('running');
  });

  test('the checks come in their order: Host, Origin, Sec-Fetch-Site, token, content type', async () => {
    const wrong = {
      host: 'evil.example',
      origin: 'https://evil.example',
      'sec-fetch-site': 'cross-site',
      authorization: '',
      'content-type': 'text/plain',
    };
    const codes: unknown[] = [];
    const { host, ...rest } = wrong;
    const { origin, ...fetched } = rest;
    const { 'sec-fetch-site': _site, ...unnamed } = fetched;
    const { authorization: _none, ...known } = unnamed;
    for (const headers of [wrong, rest, fetched, unnamed, known])
      codes.push((await ask({ method: 'POST', path: '/api/control/pause', body: 'a=b', headers })).json.code);
    expect([host, origin, codes]).toEqual([
      'evil.example',
      'https://evil.example',
      ['host-not-allowed', 'origin-not-allowed', 'cross-site', 'unauthorized', 'not-json'],
    ]);
  });

  test("node's own fetch passes: it says sec-fetch-mode and nothing else", async () => {
    const response = await fetch(`http://${address.host}:${address.port}/api/status`, {
      headers: { authorization: `Bearer ${operator}` },
    });
    expect(response.status).toBe(200);
  });

  test('404 for a task and for an address that are not there', async () => {
    expectProblem(await ask({ path: '/api/task/nothing' }), 404, 'not-found');
    expectProblem(await post('/api/task/nothing/complete'), 404, 'not-found');
    expectProblem(await ask({ path: '/api/nothing' }), 404, 'no-such-route');
    expectProblem(await ask({ path: '/nothing' }), 404, 'no-such-route');
  });

  test('405 with Allow, at every address that there is; no GET or HEAD changes anything', async () => {
    const { json } = await ask({ path: '/api/openapi.json' });
    const paths = Object.entries(json.paths as Readonly<Record<string, object>>);
    expect(paths.length).toBeGreaterThan(20);
    for (const [path, operations] of paths) {
      const methods = Object.keys(operations).map((name) => name.toUpperCase());
      const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].sort().join(', ');
      const real = path.replace('{id}', 'job').replace('{token}', 'wgc_x').replace('{attempt}', 'run_x');
      for (const method of [
        'PUT',
        'DELETE',
        'PATCH',
        ...(methods.includes('GET') ? ['POST'] : ['GET', 'HEAD']),
      ]) {
        const told = await ask({ method, path: real });
        expect([method, path, told.status, told.headers.allow]).toEqual([method, path, 405, allow]);
      }
    }
  });

  test('409 not-claimed, already-claimed, already-terminal: each with its code', async () => {
    expectProblem(await post('/api/task/job/answer', { answer: 'x' }), 409, 'nothing-asked');
    const token = await claim('held');
    expectProblem(await post('/api/task/held/claim', { worker_id: 'v' }), 409, 'already-claimed');
    await post('/api/task/held/complete', {}, token);
    const told = await post('/api/task/held/fail', {}, token);
    expectProblem(told, 409, 'already-terminal');
    expect(told.json).toMatchObject({ task_id: 'held', state: 'succeeded' });
    expectProblem(await post('/api/task/held/heartbeat'), 409, 'not-claimed');
    expectProblem(await post('/api/task/held/answer', { answer: 'x' }), 409, 'not-claimed');
  });

  test('410 task-cancelled, whatever is said of it, with the final state', async () => {
    const token = await claim('cancelled');
    const { json } = await post('/api/task/cancelled/cancel');
    await supervised.control.ended(String(json.run), 10_000);
    for (const verb of ['complete', 'fail', 'release']) {
      const told = await post(`/api/task/cancelled/${verb}`, {}, token);
      expectProblem(told, 410, 'task-cancelled');
      expect(told.json).toMatchObject({ task_id: 'cancelled', state: 'open' });
    }
  });

  test('413 for what is declared too large, before a byte of it is read', async () => {
    const head = `POST /api/task/job/complete HTTP/1.1\r\nHost: ${address.host}:${address.port}\r\nAuthorization: Bearer ${operator}\r\nContent-Type: application/json\r\n`;
    const refused = await raw(`${head}Content-Length: 1048577\r\n\r\n`);
    expect(refused).toMatch(/^HTTP\/1\.1 413 /);
    const first = await raw(`${head}Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n`);
    expect(first).toMatch(/^HTTP\/1\.1 413 /);
    const allowed = await raw(`${head}Content-Length: 1048576\r\nExpect: 100-continue\r\n\r\n`);
    expect(allowed).toMatch(/^HTTP\/1\.1 100 /);
  });

  test('413 for what turns out to be too large', async () => {
    const head = `POST /api/task/job/complete HTTP/1.1\r\nHost: ${address.host}:${address.port}\r\nAuthorization: Bearer ${operator}\r\nContent-Type: application/json\r\n`;
    const size = 1024 * 1024 + 3;
    const chunk = `${size.toString(16)}\r\n"${'x'.repeat(size - 2)}"\r\n`;
    // The end of the body never comes: it is refused for what has come.
    expect(await raw(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`)).toMatch(/^HTTP\/1\.1 413 /);
    expect((await ask({ path: '/api/task/job' })).json.status).toBe('in-progress');
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
  ])('415 for %s', async (type) => {
    const wanted = { method: 'POST', path: '/api/task/job/complete', body: 'a=b' };
    expectProblem(await ask({ ...wanted, headers: { 'content-type': type } }), 415, 'not-json');
  });

  test('422 says which member does not fit', async () => {
    const told = await post('/api/tasks/claim', { worker_id: 'w', max_tasks: 51 });
    expectProblem(told, 422, 'invalid-request');
    expect(told.json.errors).toEqual([{ path: 'max_tasks', message: expect.any(String) }]);
  });
});

describe('what ends things', () => {
  beforeEach(() => begin(['job', 'other']));
  afterEach(end);

  test('410 task-removed, whatever is said of it, with the final state', async () => {
    const token = await claim('job');
    await playground.writeGraph(playground.repo, [{ id: 'other', tags: ['executor:external'] }]);
    for (const verb of ['complete', 'heartbeat', 'fail', 'input']) {
      const say = () => post(`/api/task/job/${verb}`, { question: 'q' }, token);
      let told = await say();
      while (told.status !== 410 && (await Promise.race([supervised.bus.next('tick.finished'), true])))
        told = await say();
      expectProblem(told, 410, 'task-removed');
      expect(told.json).toMatchObject({ task_id: 'job', state: expect.any(String) });
    }
  });

  test('429 with Retry-After after ten wrong tokens in a minute; the right one passes all the same', async () => {
    const wrong = () =>
      ask({ path: '/api/status', headers: { authorization: `Bearer wgl_${'x'.repeat(43)}` } });
    for (let n = 0; n < 10; n++) expectProblem(await wrong(), 401, 'unauthorized');
    const told = await wrong();
    expectProblem(told, 429, 'too-many-failures');
    expect(Number(told.headers['retry-after'])).toBeGreaterThan(0);
    expect(told.json.retryable).toBe(true);
    expect((await ask({ path: '/api/status' })).status).toBe(200);
  });

  test('503 with Retry-After while it drains: for taking, not for reporting', async () => {
    const token = await claim('job');
    expect((await post('/api/control/drain')).status).toBe(202);
    await supervised.supervisor.tick();
    for (const [path, body] of [
      ['/api/task/other/claim', { worker_id: 'w' }],
      ['/api/task/other/dispatch', {}],
    ] as const) {
      const told = await post(path, body);
      expectProblem(told, 503, 'not-running');
      expect([told.headers['retry-after'], told.json.retryable]).toEqual(['2', true]);
    }
    expect((await post('/api/tasks/claim', { worker_id: 'w' })).json).toEqual({ tasks: [] });
    expect((await post('/api/task/job/heartbeat', {}, token)).json.directive).toBe('continue');
    expect((await post('/api/task/job/complete', {}, token)).json.state).toBe('completed');
    expect((await post('/api/control/resume')).status).toBe(200);
    await supervised.supervisor.tick();
    expect((await post('/api/task/other/claim', { worker_id: 'w' })).status).toBe(200);
  });

  test('503 with Retry-After while it starts: nothing has been looked at yet', async () => {
    const starting = await supervise(playground, { start: false, stateDir: `${playground.folder}/second` });
    const socketPath = `${playground.folder}/starting.sock`;
    const server = createApiServer({
      control: starting.control,
      views: scriptedViews(),
      tokens: { operator },
      config: {
        listen: { kind: 'off' },
        publicUrl: null,
        allowRemote: false,
        allowedHosts: [],
        allowedOrigins: [],
        page: false,
        maxBodyBytes: 1024,
      },
      socketPath,
      clock: systemClock(),
      log: silentLog,
      version: '',
    });
    await server.start();
    try {
      for (const path of ['/api/tasks/claim', '/api/task/job/dispatch']) {
        const told = (await send({ socketPath }, { method: 'POST', path, body: { worker_id: 'w' } })) as Told;
        expectProblem(told, 503, 'not-running');
        expect(told.headers['retry-after']).toBe('2');
      }
      expect((await send({ socketPath }, { path: '/api/health' })).status).toBe(200);
    } finally {
      await server.stop();
      await starting.stop({ cancelAgents: true });
    }
  });

  test('by the socket no token is needed; one that is shown fences all the same', async () => {
    const where = { socketPath: supervised.paths.socket };
    const say = async (verb: string, body: object, token?: string) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await send(where, { method: 'POST', path: `/api/task/job/${verb}`, body, headers })) as Told;
    };
    const taken = await say('claim', { worker_id: 'w' });
    const old = (taken.json.lease as { token: string }).token;
    expect((await say('release', {})).status).toBe(200);
    await supervised.nth(2, 'run.handed-off', 'job');
    const young = ((await say('claim', { worker_id: 'v' })).json.lease as { token: string }).token;
    for (const verb of ['complete', 'fail', 'heartbeat', 'release', 'input'])
      for (const told of [
        await say(verb, { question: 'q' }, old),
        await say(verb, { question: 'q', lease_token: old }),
      ]) {
        expectProblem(told, 409, 'lease-superseded');
        expect(told.json).toMatchObject({ current_attempt: 1, current_fence: expect.any(Number) });
      }
    const nonsense = await say('complete', { lease_token: `wgl_${'x'.repeat(43)}` });
    expectProblem(nonsense, 401, 'unauthorized');
    expect((await say('complete', { lease_token: young })).json).toMatchObject({ state: 'completed' });
  });
});
