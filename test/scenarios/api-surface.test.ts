// The table of the REST surface (http-protocol 2.2), row by row, over a real supervisor: each row by the unix socket, where no
// token is needed, and by TCP with the operator's. What each status code means is in status-codes.test.ts.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dispatchData } from '../../src/api/shapes/dispatch-schema.ts';
import { type Answer, send } from '../api/api-kit.ts';
import { createPlayground, type Playground, type TaskLine } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const DOORS = ['socket', 'tcp'] as const;
type DoorName = (typeof DOORS)[number];

let playground: Playground;
let other: string;
let supervised: Supervised;
let operator: string;
let address: { readonly host: string; readonly port: number };

/** Held tasks of this name, one for each door. */
const held = (name: string, more: object = {}): TaskLine[] =>
  DOORS.map((door) => ({ id: `${name}-${door}`, tags: ['executor:external'], ...more }));
const NAMES = ['claimed', 'beaten', 'done', 'failed', 'lost', 'retried', 'given-back', 'asked', 'stopped'];
NAMES.push('signed', 'signed-fail', 'defaults', 'polled', 'noticed', 'referred', 'taken');

beforeAll(async () => {
  playground = await createPlayground();
  other = await playground.worktree('other');
  await playground.writeGraph(other, [{ id: 'twice', tags: ['executor:external'] }]);
  await playground.writeGraph(playground.repo, [
    { id: 'twice', tags: ['executor:external'] },
    ...NAMES.flatMap((name) => held(name)),
    ...held('topical', { tags: ['executor:external', 'topic:mail'] }),
    ...DOORS.map((door) => ({ id: `partner-${door}`, tags: ['executor:partner'] })),
    ...DOORS.map((door) => ({ id: `again-${door}`, tags: ['executor:again'] })),
    ...DOORS.flatMap((door) =>
      ['begin', 'wait', 'told'].map((name) => ({
        id: `${name}-${door}`,
        exec: 'true',
        tags: ['schedule:2126-01-01T00:00:00Z'],
      })),
    ),
    { id: 'blocked', after: ['twice'], tags: ['executor:external'] },
    { id: 'over', status: 'done' },
  ]);
  await playground.writeConfig(
    '[api]\nlisten = "127.0.0.1:0"\n[executors.partner]\ntype = "external"\n[executors.again]\ntype = "external"\nretry = { attempts = 3, backoff = "1s" }\n',
  );
  supervised = await supervise(playground);
  await Promise.all(
    [...NAMES, 'topical', 'again', 'partner'].flatMap((name) =>
      DOORS.map((door) => supervised.event('run.handed-off', `${name}-${door}`)),
    ),
  );
  const api = JSON.parse(await readFile(supervised.paths.apiFile, 'utf8')) as { url: string; token: string };
  operator = api.token;
  address = { host: new URL(api.url).hostname, port: Number(new URL(api.url).port) };
});
afterAll(async () => {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

type Json = Readonly<Record<string, unknown>>;
interface Called extends Answer {
  readonly json: Json;
}

describe.each(DOORS)('by %s', (door: DoorName) => {
  /** As the operator; `token`: as a worker, '' without a token. */
  async function call(
    method: string,
    path: string,
    body?: unknown,
    more: { readonly token?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Called> {
    const own = door === 'tcp' ? operator : '';
    const token = more.token ?? own;
    const where = door === 'tcp' ? address : { socketPath: supervised.paths.socket };
    const headers = { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...more.headers };
    return (await send(where, { method, path, headers, ...(body === undefined ? {} : { body }) })) as Called;
  }
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    call('GET', path, undefined, { headers });
  const post = (path: string, body: unknown = {}, token?: string) =>
    call('POST', path, body, token === undefined ? {} : { token });
  const id = (name: string) => `${name}-${door}`;
  const at = (name: string, verb: string) => `/api/task/${id(name)}/${verb}`;

  /** Claims a task; gives the token of its lease, and all that came with it. */
  async function claim(name: string, terms: object = {}) {
    const { status, json } = await post(at(name, 'claim'), { worker_id: 'w', ...terms });
    expect([name, status]).toEqual([name, 200]);
    const data = dispatchData.parse(json);
    return { token: data.lease.token, data };
  }

  const bad = async (path: string, body: object, token?: string) => {
    const { status, json } = await post(path, body, token);
    expect([JSON.stringify(body).slice(0, 80), status, json.code]).toEqual([
      JSON.stringify(body).slice(0, 80),
      422,
      'invalid-request',
    ]);
  };

  test('GET /api/health: {status, version, uptime_s, started_at}, no token, no other data', async () => {
    const { status, json } = await call('GET', '/api/health', undefined, { token: '' });
    expect([status, Object.keys(json).sort()]).toEqual([
      200,
      ['started_at', 'status', 'uptime_s', 'version'],
    ]);
    expect(json).toMatchObject({ status: 'ok', uptime_s: expect.any(Number) });
  });

  test('GET /api/openapi.json: OpenAPI 3.1 with the webhook of a dispatch', async () => {
    const { status, json } = await get('/api/openapi.json');
    expect([status, json.openapi]).toEqual([200, '3.1.0']);
    expect(Object.keys(json.webhooks as Json)).toContain('task.dispatched');
  });

  test('GET /api/tasks: by state, executor and worktree; in pages', async () => {
    const ids = async (query: string) => {
      const { status, json } = await get(`/api/tasks?${query}`);
      expect(status).toBe(200);
      return (json.tasks as Json[]).map(({ task }) => task);
    };
    expect(await ids('executor=partner')).toEqual(['partner-socket', 'partner-tcp']);
    expect(await ids(`worktree=${encodeURIComponent(other)}`)).toEqual(['twice']);
    expect(await ids('state=finished&status=done')).toContain('over');
    expect(await ids('state=queued&executor=partner')).toEqual([]);
    const everything = await ids('limit=10000');
    const paged: unknown[] = [];
    let pages = 0;
    for (let cursor = ''; ; pages++) {
      const { json } = await get(`/api/tasks?limit=10${cursor}`);
      paged.push(...(json.tasks as Json[]).map(({ task }) => task));
      if (json.next_cursor === null) break;
      cursor = `&cursor=${String(json.next_cursor)}`;
    }
    expect([paged, pages > 2]).toEqual([everything, true]);
    for (const query of ['state=asleep', 'limit=0', 'limit=10001', 'cursor=x', 'whatever=1'])
      expect([query, (await get(`/api/tasks?${query}`)).status]).toEqual([query, 422]);
  });

  test('GET /api/task/{id}: 200 with ETag, 304, 404; an id of two worktrees is 409 with candidates', async () => {
    await supervised.supervisor.quiet();
    const first = await get(`/api/task/${id('defaults')}`);
    expect([first.status, first.json.task]).toEqual([200, id('defaults')]);
    const etag = first.headers.etag ?? '';
    expect(etag).toMatch(/^"[\w-]+"$/);
    const same = await get(`/api/task/${id('defaults')}`, { 'if-none-match': etag });
    expect([same.status, same.text, same.headers.etag]).toEqual([304, '', etag]);
    const whole = await get(`/api/task/${encodeURIComponent(String(first.json.id))}`);
    expect([whole.status, whole.json.id]).toEqual([200, first.json.id]);
    expect(await get('/api/task/nothing')).toMatchObject({ status: 404, json: { code: 'not-found' } });
    const two = await get('/api/task/twice');
    expect([two.status, two.json.code, (two.json.candidates as Json[]).length]).toEqual([
      409,
      'ambiguous-task-id',
      2,
    ]);
    for (const { id: one } of two.json.candidates as Json[])
      expect((await get(`/api/task/${encodeURIComponent(String(one))}`)).status).toBe(200);
  });

  test('GET /api/task/{id} with Prefer: wait and If-None-Match: as soon as it changes', async () => {
    await supervised.supervisor.quiet();
    const etag = (await get(`/api/task/${id('noticed')}`)).headers.etag ?? '';
    const waiting = get(`/api/task/${id('noticed')}`, { 'if-none-match': etag, prefer: 'wait=50' });
    await post(at('noticed', 'complete'));
    const news = await waiting;
    expect([news.status, news.headers['preference-applied']]).toEqual([200, 'wait=50']);
    expect(news.headers.etag).not.toBe(etag);
  });

  test('POST /api/tasks/claim: always 200 with a list of the data that agents are sent; one, for 300 s, by default', async () => {
    const begun = Date.now();
    const one = await post('/api/tasks/claim', { worker_id: 'w', task_ids: [id('defaults'), id('polled')] });
    expect([one.status, (one.json.tasks as Json[]).length]).toEqual([200, 1]);
    const data = dispatchData.parse((one.json.tasks as Json[])[0]);
    const lasts = Date.parse(data.lease.expires_at ?? '') - begun;
    expect([lasts >= 300_000, lasts < 310_000]).toEqual([true, true]);
    expect(data.lease.token).toMatch(/^wgl_[\w-]{43}$/);
    expect(data.attempt).toMatchObject({ number: 1, fence: expect.any(Number), deadline: null });
    const none = await post('/api/tasks/claim', { worker_id: 'w', task_ids: ['nothing'] });
    expect([none.status, none.json]).toEqual([200, { tasks: [] }]);
  });

  test('POST /api/tasks/claim: executors, topics, worktrees, task_ids, external_ref', async () => {
    const got = async (wish: object) => {
      const { json } = await post('/api/tasks/claim', { worker_id: 'w', max_tasks: 50, ...wish });
      return (json.tasks as Json[]).map(({ task }) => (task as Json).local_id).sort();
    };
    expect(await got({ topics: ['mail'], task_ids: [id('topical')] })).toEqual([id('topical')]);
    expect(await got({ executors: ['partner'], task_ids: [id('partner')] })).toEqual([id('partner')]);
    expect(await got({ worktrees: [other], task_ids: [id('referred')] })).toEqual([]);
    const wish = { worktrees: [playground.repo], task_ids: [id('referred')], external_ref: 'r'.repeat(4096) };
    expect(await got(wish)).toEqual([id('referred')]);
    await post(at('referred', 'complete'));
    expect((await supervised.event('run.settled', id('referred'))).external_ref).toBe('r'.repeat(4096));
  });

  test('POST /api/tasks/claim: its bounds', async () => {
    const path = '/api/tasks/claim';
    for (const body of [
      {},
      { worker_id: '' },
      { worker_id: 'w', max_tasks: 0 },
      { worker_id: 'w', max_tasks: 51 },
      { worker_id: 'w', max_tasks: 1.5 },
      { worker_id: 'w', wait_s: -1 },
      { worker_id: 'w', wait_s: 50.5 },
      { worker_id: 'w', lease_s: -1 },
      { worker_id: 'w', lease_s: 86_401 },
      { worker_id: 'w', external_ref: 'r'.repeat(4097) },
      { worker_id: 'w', topics: 'mail' },
      { worker_id: 'two\nlines' },
    ])
      await bad(path, body);
    const most = { worker_id: 'w', max_tasks: 50, wait_s: 0, lease_s: 86_400, task_ids: ['nothing'] };
    expect((await post(path, most)).status).toBe(200);
  });

  test('POST /api/task/{id}/claim: 200 with task and lease; 409 already-claimed, not-ready; 404', async () => {
    const { data } = await claim('claimed', { lease_s: 60, external_ref: 'ref' });
    expect(data.task.local_id).toBe(id('claimed'));
    const second = await post(at('claimed', 'claim'), { worker_id: 'late' });
    expect([second.status, second.json.code]).toEqual([409, 'already-claimed']);
    const early = await post('/api/task/blocked/claim', { worker_id: 'w' });
    expect([early.status, early.json.code]).toEqual([409, 'not-ready']);
    expect((await post('/api/task/nothing/claim', { worker_id: 'w' })).json.code).toBe('not-found');
    await bad(at('beaten', 'claim'), {});
  });

  test('POST /api/task/{id}/heartbeat: lease, directive, deadline; progress, external_ref and extend_s; 409', async () => {
    const { token } = await claim('beaten', { lease_s: 100 });
    const beat = await post(
      at('beaten', 'heartbeat'),
      { lease_token: token, extend_s: 1000, progress: { percent: 40, message: 'half' }, external_ref: 'x' },
      '',
    );
    expect([beat.status, beat.json]).toEqual([
      200,
      { directive: 'continue', lease: { expires_at: expect.any(String) }, deadline: null },
    ]);
    const lease = beat.json.lease as { expires_at: string };
    expect(Date.parse(lease.expires_at) - Date.now()).toBeGreaterThan(900_000);
    expect(await supervised.event('run.progress', id('beaten'))).toMatchObject({
      message: '40 % half',
      external_ref: 'x',
    });
    await bad(at('beaten', 'heartbeat'), { progress: { percent: 101 } }, token);
    await bad(at('beaten', 'heartbeat'), { progress: { message: 'x'.repeat(2001) } }, token);
    await bad(at('beaten', 'heartbeat'), { extend_s: 0 }, token);
    const unauthorized = await post('/api/task/over/heartbeat');
    expect([unauthorized.status, unauthorized.json.code]).toEqual([409, 'not-claimed']);
  });

  test('POST /api/task/{id}/complete: everything that may be said, and {state, duplicate, late}', async () => {
    const { token } = await claim('done');
    const done = await post(
      at('done', 'complete'),
      {
        lease_token: token,
        result: { n: 1 },
        summary: 'all of it',
        artifacts: [{ name: 'log', path: 'out.log', media_type: 'text/plain' }],
        commit: 'abc123',
        external_id: 'e-1',
      },
      '',
    );
    expect([done.status, done.json]).toEqual([
      200,
      expect.objectContaining({ state: 'completed', status: 'done', duplicate: false, late: false }),
    ]);
    const task = (await playground.readGraph(playground.repo)).get(id('done'));
    expect(task).toMatchObject({ status: 'done' });
    const [artifact = ''] = (task?.artifacts ?? []) as string[];
    expect(JSON.parse(artifact)).toEqual({
      result: { n: 1 },
      commit: 'abc123',
      external_id: 'e-1',
      artifacts: [{ name: 'log', path: 'out.log', media_type: 'text/plain' }],
    });
  });

  test('POST /api/task/{id}/complete without any token: by hand, as the operator', async () => {
    const done = await post(at('taken', 'complete'), {});
    expect([done.status, done.json.state]).toEqual([200, 'completed']);
  });

  test('POST /api/task/{id}/fail: {state, attempts_left}; failed for good or ready again, not before retry_after_s', async () => {
    const once = await claim('failed');
    const failed = await post(at('failed', 'fail'), {
      lease_token: once.token,
      error: { message: 'm'.repeat(2000), code: 'E1', details: { line: 3 } },
      retryable: false,
    });
    expect([failed.status, failed.json]).toEqual([
      200,
      expect.objectContaining({ state: 'failed', attempts_left: 0 }),
    ]);
    const more = await claim('again');
    const later = await post(at('again', 'fail'), {
      lease_token: more.token,
      error: { message: 'not now' },
      retry_after_s: 3600,
    });
    expect([later.status, later.json]).toEqual([
      200,
      expect.objectContaining({ state: 'ready', attempts_left: 2 }),
    ]);
    // Its own backoff of a second comes first.
    while ((await get(at('again', 'why'))).json.code !== 'retry-after')
      await supervised.bus.next('tick.finished');
    for (const error of [{ message: 'm'.repeat(2001) }, { message: '' }, {}, 'm'.repeat(2001)])
      await bad(at('lost', 'fail'), { error });
    await bad(at('lost', 'fail'), { retry_after_s: -1 });
  });

  test('POST /api/task/{id}/release: 200, open again, no attempt counted; delay_s lets it rest', async () => {
    const { token, data } = await claim('given-back');
    const back = await post(at('given-back', 'release'), {
      lease_token: token,
      reason: 'no time',
      delay_s: 3600,
    });
    expect([back.status, back.json.status]).toEqual([200, 'open']);
    expect((await get(at('given-back', 'why'))).json).toMatchObject({ code: 'handed-back' });
    // Said twice, because the answer was lost, it is the same.
    const again = await post(at('given-back', 'release'), { lease_token: token });
    expect([again.status, again.json.status]).toEqual([200, 'open']);
    await post(at('given-back', 'retry'));
    await supervised.nth(2, 'run.handed-off', id('given-back'));
    const next = await claim('given-back');
    expect(next.data.attempt.number).toBe(1);
    expect(next.data.attempt.fence).toBeGreaterThan(data.attempt.fence);
  });

  test('POST /api/task/{id}/input and /answer: the lease clock stops, and continues', async () => {
    const { token } = await claim('asked', { lease_s: 60 });
    const asked = await post(at('asked', 'input'), {
      lease_token: token,
      question: 'Which?',
      options: ['a', 'b'],
    });
    expect([asked.status, asked.json.lease]).toEqual([200, { expires_at: null }]);
    const answered = await post(at('asked', 'answer'), { answer: 'a' });
    expect([answered.status, answered.json.answer]).toEqual([200, 'a']);
    const beat = await post(at('asked', 'heartbeat'), { lease_token: token });
    expect(beat.json).toMatchObject({ answer: 'a', lease: { expires_at: expect.any(String) } });
    await bad(at('asked', 'input'), {}, token);
    await bad(at('asked', 'input'), { question: 'q', options: Array(51).fill('o') }, token);
  });

  test('POST /api/task/{id}/cancel: 202 with Location; the worker hears it', async () => {
    const { token } = await claim('stopped');
    const { status, headers, json } = await post(at('stopped', 'cancel'), { reason: 'enough' });
    expect([status, headers.location]).toEqual([202, `/api/task/${id('stopped')}`]);
    await supervised.control.ended(String(json.run), 10_000);
    const beat = await post(at('stopped', 'heartbeat'), { lease_token: token });
    expect([beat.status, beat.json.directive]).toEqual([200, 'cancel']);
  });

  test('POST /api/task/{id}/dispatch: 202 with Location and Retry-After: 2', async () => {
    const { status, headers, json } = await post(at('begin', 'dispatch'));
    expect([status, headers.location, headers['retry-after']]).toEqual([
      202,
      `/api/task/${id('begin')}`,
      '2',
    ]);
    expect(json).toMatchObject({ task: id('begin'), executor: 'command' });
    await supervised.event('run.settled', id('begin'));
    await bad(at('begin', 'dispatch'), { notify_url: 'file:///etc/passwd' });
  });

  test('POST /api/task/{id}/dispatch with Prefer: wait: 200 with Preference-Applied when it has finished', async () => {
    const { status, headers, json } = await call(
      'POST',
      at('wait', 'dispatch'),
      {},
      { headers: { prefer: 'wait=30' } },
    );
    expect([status, headers['preference-applied'], headers['retry-after']]).toEqual([
      200,
      'wait=30',
      undefined,
    ]);
    expect(json).toMatchObject({ outcome: { kind: 'succeeded' }, finished_at: expect.any(String) });
  });

  test('POST /api/task/{id}/dispatch with notify_url: that page is told once, with its query as it was given', async () => {
    const told: { readonly url: string | undefined; readonly body: Json }[] = [];
    let hear = () => {};
    const heard = new Promise<void>((resolve) => {
      hear = resolve;
    });
    const page = createServer((incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        told.push({ url: incoming.url, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
        outgoing.end();
        hear();
      });
    });
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = page.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/webhook-waiting/17?signature=a%2Fb&x=1`;
      const begun = await post(at('told', 'dispatch'), { notify_url: url, external_ref: 'n8n-17' });
      expect(begun.status).toBe(202);
      await heard;
      expect(told).toMatchObject([
        {
          url: '/webhook-waiting/17?signature=a%2Fb&x=1',
          body: { type: 'task.completed', data: { local_id: id('told'), external_ref: 'n8n-17' } },
        },
      ]);
    } finally {
      page.close();
    }
  });

  test('POST /api/callback/{token}: the whole body is the result, of any type, without a token; ?outcome=fail fails it', async () => {
    const { data } = await claim('signed');
    const url = new URL(data.callback?.signed_url ?? '');
    expect(url.pathname).toMatch(/^\/api\/callback\/wgc_[\w-]{43}$/);
    const done = await call('POST', url.pathname, '{"rows": [1, 2]}', {
      token: '',
      headers: { 'content-type': 'text/csv' },
    });
    expect([done.status, done.json.state]).toEqual([200, 'completed']);
    const task = (await playground.readGraph(playground.repo)).get(id('signed'));
    expect(task?.artifacts).toEqual(['{"result":{"rows":[1,2]}}']);
    const second = await claim('signed-fail');
    const path = new URL(second.data.callback?.signed_url ?? '').pathname;
    const failed = await call('POST', `${path}?outcome=fail`, 'it broke', { token: '' });
    expect([failed.status, failed.json.state]).toEqual([200, 'failed']);
    expect((await supervised.event('run.settled', id('signed-fail'))).outcome).toMatchObject({
      message: 'it broke',
    });
  });

  test('POST /api/a2a/notify/{attempt}: 204 for the attempt whose token it is (every state: a2a.test.ts)', async () => {
    const { token, data } = await claim('lost');
    const body = { statusUpdate: { status: { state: 'TASK_STATE_WORKING' } } };
    const taken = await post(`/api/a2a/notify/${data.attempt.id}`, body, token);
    expect([taken.status, taken.text]).toEqual([204, '']);
  });
});

describe('GET /api/events', () => {
  async function* frames(lastId?: string) {
    const response = await fetch(`http://${address.host}:${address.port}/api/events`, {
      headers: {
        authorization: `Bearer ${operator}`,
        ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      },
    });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('utf8');
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const frame = text.slice(0, end);
        text = text.slice(end + 2);
        if (frame.includes('data:')) yield frame;
      }
    }
  }
  const idOf = (frame: string) => Number(/^id: (\d+)$/m.exec(frame)?.[1]);

  test('ids rise, and Last-Event-ID brings exactly what came after it', async () => {
    // Everything that happened until now is later than the first instant there is.
    const all: string[] = [];
    for await (const frame of frames('1')) {
      all.push(frame);
      if (all.length === 12) break;
    }
    expect(all[0]).toContain('event: stream.gap');
    const ids = all.slice(1).map(idOf);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(new Set(ids).size).toBe(ids.length);
    for await (const frame of frames(String(ids[3]))) {
      expect(idOf(frame)).toBe(ids[4]);
      break;
    }
  });
});
