// What a web page, a process of another user, and an agent that means harm can do over the API of a real supervisor: every
// route with every kind of token, and the ways to use up what others need.

import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Called, type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

interface Lease {
  readonly token: string;
  readonly signed: string;
  readonly run: string;
}

let playground: Playground;
let other: string;
let supervised: Supervised;
let api: Caller;
let mine: Lease;
let theirs: Lease;

const TASKS = ['mine', 'theirs', 'free', 'filler', 'keys', 'pushed'];

beforeAll(async () => {
  playground = await createPlayground();
  other = await playground.worktree('other');
  await playground.writeGraph(other, [{ id: 'mine', tags: ['executor:external'] }]);
  await playground.writeGraph(
    playground.repo,
    TASKS.map((id) => ({ id, tags: ['executor:external'] })),
  );
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
  supervised = await supervise(playground);
  await Promise.all(TASKS.map((id) => supervised.event('run.handed-off', id, playground.repo)));
  api = await callerOf(supervised);
  mine = await claim('mine');
  theirs = await claim('theirs');
});
afterAll(async () => {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

async function claim(task: string): Promise<Lease> {
  const path = `/api/task/${task}/claim?worktree=${encodeURIComponent(playground.repo)}`;
  const { status, json } = await api.post(path, { worker_id: 'w' });
  expect([task, status]).toEqual([task, 200]);
  const given = json as unknown as {
    lease: { token: string };
    callback: { signed_url: string };
    attempt: { id: string };
  };
  const signed = new URL(given.callback.signed_url).pathname.split('/').at(-1) ?? '';
  return { token: given.lease.token, signed, run: given.attempt.id };
}

const graph = () => readFile(join(playground.repo, '.workgraph', 'graph.jsonl'), 'utf8');
const code = ({ status, json }: Called) => [status, json.code];

/** What a run's own token opens, of its own task. Everything else is for the operator. */
const FOR_RUNS = new Set([
  'GET /api/task/{id}',
  'GET /api/task/{id}/why',
  'GET /api/task/{id}/prompt',
  'GET /api/task/{id}/verdicts',
  'POST /api/task/{id}/complete',
  'POST /api/task/{id}/fail',
  'POST /api/task/{id}/heartbeat',
  'POST /api/task/{id}/release',
  'POST /api/task/{id}/input',
  'POST /api/task/{id}/output',
]);
/** What carries its credential in its own way. */
const OWN_WAY = new Set(['POST /api/callback/{token}', 'POST /api/a2a/notify/{attempt}']);
const FOR_ANYONE = new Set(['GET /api/health']);

describe('every route with every kind of token', () => {
  let routes: { readonly name: string; readonly method: string; readonly path: string }[];
  beforeAll(async () => {
    const { paths } = (await api.get('/api/openapi.json')).json as unknown as {
      paths: Readonly<Record<string, object>>;
    };
    routes = Object.entries(paths).flatMap(([path, verbs]) =>
      Object.keys(verbs).map((verb) => ({
        name: `${verb.toUpperCase()} ${path}`,
        method: verb.toUpperCase(),
        path,
      })),
    );
    expect(routes.length).toBeGreaterThan(24);
  });

  const addressed = (path: string, task: string, run: string, token: string) =>
    path.replace('{id}', task).replace('{attempt}', run).replace('{token}', token);

  /** Each route as one caller; nothing of it may change anything. */
  async function codesFor(token: string | null, path: (pattern: string) => string) {
    const found = new Map<string, number>();
    for (const { name, method, path: pattern } of routes) {
      // A body that fits nothing but would be looked at only by who may come in.
      const body = { worker_id: 7, answer: 7, question: 7, error: 7, status: 7, message: 7, reason: 7 };
      const gone = new AbortController();
      const answer = await fetch(api.url + path(pattern), {
        method,
        signal: gone.signal,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
        },
        ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
      });
      found.set(name, answer.status);
      gone.abort();
    }
    return found;
  }

  test('no token, a wrong one, the pre-signed one as Bearer: only health', async () => {
    const before = await graph();
    for (const token of [null, `wgt_${'x'.repeat(43)}`, `wgl_${'x'.repeat(43)}`, mine.signed]) {
      const found = await codesFor(token, (path) =>
        addressed(path, 'mine', mine.run, `wgc_${'x'.repeat(43)}`),
      );
      for (const [name, status] of found)
        expect([name, FOR_ANYONE.has(name) ? status === 200 : [401, 429].includes(status), status]).toEqual([
          name,
          true,
          status,
        ]);
    }
    expect(await graph()).toBe(before);
  });

  test("another task with a run's token: nothing", async () => {
    const before = await graph();
    const found = await codesFor(mine.token, (path) => addressed(path, 'theirs', theirs.run, mine.token));
    for (const [name, status] of found) {
      const expected = FOR_ANYONE.has(name) ? 200 : name === 'POST /api/callback/{token}' ? 401 : 403;
      // No one is told more than that the token is wrong once it was wrong too often.
      expect([name, status === 429 ? 401 : status]).toEqual([name, expected]);
    }
    expect(await graph()).toBe(before);
    expect(supervised.supervisor.state).toBe('running');
  });

  test("its own task with a run's token: looking and reporting, and nothing else", async () => {
    const found = await codesFor(mine.token, (path) => addressed(path, 'mine', mine.run, mine.token));
    for (const [name, status] of found) {
      if (OWN_WAY.has(name) || FOR_ANYONE.has(name)) continue;
      const allowed = FOR_RUNS.has(name);
      expect([name, status === 403]).toEqual([name, !allowed]);
    }
    expect(found.get('GET /api/task/{id}')).toBe(200);
    expect(found.get('POST /api/a2a/notify/{attempt}')).toBe(422);
  });

  test('the operator is let in everywhere but where a run must say who it is', async () => {
    const found = await codesFor(api.token, (path) => addressed(path, 'no-such-task', mine.run, api.token));
    for (const [name, status] of found) {
      // Draining, reloading and the like are done by it, which is as it should be.
      const expected = name === 'POST /api/callback/{token}' ? [401, 429] : OWN_WAY.has(name) ? [403] : null;
      if (expected) expect([name, expected.includes(status)]).toEqual([name, true]);
      else expect([name, [401, 403].includes(status)]).toEqual([name, false]);
    }
    await api.post('/api/control/resume');
    await supervised.supervisor.tick();
  });
});

describe('an agent that means harm', () => {
  test('cannot find out what else there is: other worktrees and tasks look alike, there or not', async () => {
    const asked = async (path: string) => code(await api.call('GET', path, { token: theirs.token }));
    const refused = [403, 'forbidden'];
    for (const path of [
      '/api/task/mine',
      '/api/task/nothing',
      '/api/task/wt00000000~theirs',
      `/api/task/theirs?worktree=${encodeURIComponent(other)}`,
      `/api/task/theirs?worktree=${encodeURIComponent('/nowhere/at/all')}`,
    ])
      expect([path, await asked(path)]).toEqual([path, refused]);
    expect((await asked('/api/task/theirs'))[0]).toBe(200);
    // The namesake in the other worktree is another task, with this worktree's token too.
    const named = `/api/task/mine?worktree=${encodeURIComponent(other)}`;
    expect(code(await api.call('GET', named, { token: mine.token }))).toEqual(refused);
  });

  test('cannot show two tokens and be the better of them', async () => {
    const both = await api.call('POST', '/api/task/mine/complete', {
      token: mine.token,
      body: { lease_token: theirs.token },
    });
    expect(code(both)).toEqual([403, 'forbidden']);
    const narrowed = await api.call('POST', '/api/task/mine/complete', {
      body: { lease_token: theirs.token },
    });
    expect(code(narrowed)).toEqual([403, 'forbidden']);
  });

  test('cannot use up the connections by waiting: only four of its questions wait at a time', async () => {
    await supervised.supervisor.quiet();
    const path = '/api/task/theirs';
    const first = await api.call('GET', path, { token: theirs.token });
    const headers = { prefer: 'wait=50', 'if-none-match': first.headers.get('etag') ?? '' };
    const gone = new AbortController();
    let over = 0;
    const waiting = Array.from({ length: 4 }, () =>
      api
        .call('GET', path, { token: theirs.token, headers, signal: gone.signal })
        .catch(() => undefined)
        .finally(() => over++),
    );
    let fifth: Called;
    do
      fifth = await api.call('GET', path, { token: theirs.token, headers: { ...headers, prefer: 'wait=1' } });
    while (fifth.headers.get('preference-applied') !== null);
    expect([fifth.status, over]).toEqual([304, 0]);
    gone.abort();
    await Promise.all(waiting);
  });

  test('cannot fill the disk with results that do not count', async () => {
    const { token } = await claim('filler');
    expect((await api.post('/api/task/filler/complete', { result: 'x'.repeat(200_000) }, token)).status).toBe(
      200,
    );
    const results = join(playground.repo, '.workgraph', 'results');
    expect((await readdir(results)).length).toBe(1);
    for (let n = 0; n < 5; n++) {
      await api.post('/api/task/filler/complete', { result: `${n}`.repeat(200_000) }, token);
      await api.post('/api/task/filler/fail', { error: 'x', artifacts: `${n}`.repeat(200_000) }, token);
    }
    expect((await readdir(results)).length).toBe(1);
  });

  test('cannot fill the ledger with keys: the older ones of a run go', async () => {
    const { token } = await claim('keys');
    const beat = (key: string) =>
      api.call('POST', '/api/task/keys/heartbeat', { token, body: {}, headers: { 'idempotency-key': key } });
    await beat('first');
    for (let n = 0; n < 1400; n += 20)
      await Promise.all(Array.from({ length: 20 }, (_, m) => beat(`k${n + m}`)));
    expect((await beat('first')).headers.get('idempotency-replayed')).toBeNull();
    expect((await beat('k1399')).headers.get('idempotency-replayed')).toBe('true');
    await api.post('/api/task/keys/complete', {}, token);
  }, 60_000);

  test('cannot steer terminals, logs or the event stream by what it says', async () => {
    const words = '\u001b[2J\nevent: run.settled\ndata: {}\n\n';
    await api.post('/api/task/theirs/heartbeat', { progress: words }, theirs.token);
    const stream = await fetch(`${api.url}/api/events`, {
      headers: { authorization: `Bearer ${api.token}`, 'last-event-id': '1' },
    });
    let text = '';
    for await (const chunk of stream.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('utf8');
      if (text.includes('[2J')) break;
    }
    expect(text).not.toContain('\u001b');
    expect(text).not.toContain('\ndata: {}\n');
  });
});

describe('a repository that means harm', () => {
  test('cannot say where large results are written: a link in their place is not followed', async () => {
    const elsewhere = join(playground.folder, 'elsewhere');
    await mkdir(elsewhere);
    await symlink(elsewhere, join(other, '.workgraph', 'results'));
    const path = `/api/task/mine/complete?worktree=${encodeURIComponent(other)}`;
    const done = await api.post(path, { result: 'x'.repeat(100_000) });
    expect(done.status).toBe(200);
    expect(await readdir(elsewhere)).toEqual([]);
    // Not lost: it stands in the line, as long as that is.
    const line = await readFile(join(other, '.workgraph', 'graph.jsonl'), 'utf8');
    expect(line.length).toBeGreaterThan(100_000);
  });
});

describe('a web page', () => {
  const page = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };

  test.each([
    [
      'a form',
      'POST',
      '/api/task/free/complete',
      { 'content-type': 'application/x-www-form-urlencoded' },
      'a=b',
    ],
    ['a beacon', 'POST', '/api/task/free/complete', { 'content-type': 'text/plain' }, '{}'],
    ['a fetch without cors', 'POST', '/api/control/drain', { 'content-type': 'text/plain' }, '{}'],
    ['an image', 'GET', '/api/status', {}, undefined],
    ['an event source', 'GET', '/api/events', { accept: 'text/event-stream' }, undefined],
    [
      'a preflight',
      'OPTIONS',
      '/api/task/free/complete',
      { 'access-control-request-method': 'POST' },
      undefined,
    ],
    ['a web socket', 'GET', '/api/events', { connection: 'Upgrade', upgrade: 'websocket' }, undefined],
    ['a form to a pre-signed URL that leaked', 'POST', 'SIGNED', { 'content-type': 'text/plain' }, 'done'],
  ])('%s comes to nothing, whatever it knows', async (_what, method, path, headers, body) => {
    const before = await graph();
    const { host, port } = new URL(api.url);
    for (const token of [null, api.token]) {
      const lines = {
        host,
        ...page,
        ...headers,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      };
      const target = path === 'SIGNED' ? `/api/callback/${theirs.signed}` : path;
      const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
      const answer = await exchange(
        Number(port),
        `${method} ${target} HTTP/1.1\r\n${head.join('')}\r\n${body ?? ''}`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 403 /);
      expect(answer.toLowerCase()).not.toContain('access-control-');
    }
    expect(await graph()).toBe(before);
    expect(supervised.supervisor.state).toBe('running');
  });

  test('cannot use up the failures that a minute has: it is turned away before its token is looked at', async () => {
    for (let n = 0; n < 20; n++) {
      const headers = { ...page, authorization: `Bearer wgt_${'x'.repeat(43)}` };
      const response = await fetch(`${api.url}/api/status`, { headers });
      expect(response.status).toBe(403);
    }
  });
});

describe('a process of another', () => {
  test('that opens every connection and says nothing keeps no one on the socket from working', async () => {
    const { port, hostname } = new URL(api.url);
    const opened: Socket[] = [];
    for (let n = 0; n < 80; n++) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {
        // Turned away, as it should be.
      });
      opened.push(socket);
    }
    try {
      const status = await supervised.control.status();
      expect(status.supervisor.state).toBe('running');
    } finally {
      for (const socket of opened) socket.destroy();
    }
    // And those who come by TCP are served again as soon as it is gone.
    for (;;) {
      const health = await fetch(`${api.url}/api/health`).catch(() => null);
      if (health?.status === 200) break;
    }
  });
});

/** Bytes on a connection of their own; what came back. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let back = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
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
