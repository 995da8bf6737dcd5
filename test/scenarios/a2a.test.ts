// The recipe for A2A agents as it stands in docs/recipes/a2a.md, run against a small A2A 1.0 server of the standard
// library; and every state that such an agent can push.

import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const RECIPE = readFileSync(new URL('../../docs/recipes/a2a.md', import.meta.url), 'utf8');
const CONFIG = /^```toml\n([\s\S]*?)^```$/m.exec(RECIPE)?.[1] ?? '';

/** What the agent was sent, and where and with what it is to push. */
interface Sent {
  readonly headers: IncomingHttpHeaders;
  readonly message: { readonly messageId: string; readonly role: string; readonly parts: readonly object[] };
  readonly configuration: {
    readonly returnImmediately: boolean;
    readonly taskPushNotificationConfig: {
      readonly url: string;
      readonly token: string;
      readonly authentication: { readonly scheme: string; readonly credentials: string };
    };
  };
}

let playground: Playground;
let supervised: Supervised;
let api: Caller;
let agent: Server;
let sent: Sent[];
/** What the agent answers to message:send. */
let answer: () => object;
/** What it answers to GetTask. */
let remoteTask: () => readonly [status: number, body: object];

beforeEach(async () => {
  playground = await createPlayground();
  sent = [];
  answer = () => ({ task: { id: 'remote-1', status: { state: 'TASK_STATE_SUBMITTED' } } });
  remoteTask = () => [200, { id: 'remote-1', status: { state: 'TASK_STATE_WORKING' } }];
  agent = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      if (incoming.method === 'GET' && incoming.url === '/tasks/remote-1') {
        const [status, body] = remoteTask();
        return void outgoing
          .writeHead(status, { 'content-type': 'application/a2a+json' })
          .end(JSON.stringify(body));
      }
      if (incoming.url !== '/message:send') return void outgoing.writeHead(404).end();
      sent.push({ headers: incoming.headers, ...JSON.parse(Buffer.concat(chunks).toString('utf8')) });
      outgoing.writeHead(200, { 'content-type': 'application/a2a+json' }).end(JSON.stringify(answer()));
    });
  });
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  await new Promise((resolve) => agent.close(resolve));
  await playground.remove();
});

async function begin(more: object = {}, config = CONFIG): Promise<Sent> {
  const { port } = agent.address() as AddressInfo;
  await playground.writeGraph(playground.repo, [
    { id: 'look', title: 'Say "so"', description: 'Where?', tags: ['executor:researcher'], ...more },
  ]);
  await playground.writeConfig(config.replace('41241', String(port)));
  supervised = await supervise(playground);
  await supervised.event('run.handed-off', 'look');
  api = await callerOf(supervised);
  return first();
}

function first(): Sent {
  const [one] = sent;
  if (!one) throw new Error('the agent was sent nothing');
  return one;
}

const message = (text: string, more: object = {}) => ({
  messageId: 'm1',
  role: 'ROLE_AGENT',
  parts: [{ text }],
  ...more,
});
const status = (state: string, text?: string, more: object = {}) => ({
  statusUpdate: {
    taskId: 'remote-1',
    contextId: 'c',
    status: { state: `TASK_STATE_${state}`, ...(text === undefined ? {} : { message: message(text, more) }) },
  },
});

/** Pushes as the agent would: by the URL and the credentials that it was given. */
function push(body: unknown, { token, ...headers }: Record<string, string | null> = {}) {
  const { url, authentication } = first().configuration.taskPushNotificationConfig;
  return api.call('POST', url, {
    body,
    token: token === undefined ? authentication.credentials : token,
    headers: { 'content-type': 'application/a2a+json', ...(headers as Record<string, string>) },
  });
}

async function task(): Promise<Record<string, unknown> | undefined> {
  return (await playground.readGraph(playground.repo)).get('look');
}

async function latestRun() {
  const [run] = await supervised.control.runs({ task: 'look' });
  if (!run) throw new Error('there is no run');
  return run;
}

describe('the recipe', () => {
  test('the agent gets an A2A 1.0 message and a place to push to; its pushes end the task', async () => {
    const { headers, message: asked, configuration } = await begin();
    expect(headers).toMatchObject({ 'a2a-version': '1.0', 'content-type': 'application/a2a+json' });
    const run = await latestRun();
    expect(asked).toEqual({
      messageId: run.run,
      role: 'ROLE_USER',
      parts: [{ text: 'Say "so"\n\nWhere?' }],
    });
    expect(configuration).toMatchObject({
      returnImmediately: true,
      taskPushNotificationConfig: {
        url: `${api.url}/api/a2a/notify/${run.run}`,
        token: configuration.taskPushNotificationConfig.authentication.credentials,
        authentication: { scheme: 'Bearer' },
      },
    });
    expect(run.lease).toMatchObject({ external_ref: 'remote-1' });

    expect((await push(status('WORKING', 'reading'))).status).toBe(204);
    expect(await supervised.event('run.progress', 'look')).toMatchObject({ message: 'reading' });
    const done = {
      task: {
        id: 'remote-1',
        status: { state: 'TASK_STATE_COMPLETED', message: message('found it') },
        artifacts: [{ artifactId: 'a', parts: [{ text: 'there' }] }],
      },
    };
    const pushed = await push(done);
    expect([pushed.status, pushed.json]).toEqual([204, {}]);
    const settled = await supervised.event('run.settled', 'look');
    expect(settled.outcome).toMatchObject({
      kind: 'succeeded',
      summary: 'found it',
      artifacts: { result: done.task.artifacts },
    });
    expect(await task()).toMatchObject({ status: 'done' });
    // A repeated push, because the response was lost, gets the same response.
    expect((await push(done)).status).toBe(204);
    expect((await push(status('WORKING'))).status).toBe(204);
    expect((await push(status('FAILED'))).json.code).toBe('already-terminal');
    expect(supervised.count('run.settled', 'look')).toBe(1);
  });

  test('a final state in the answer itself ends it, without any push', async () => {
    answer = () => ({ task: { id: 'r', status: { state: 'TASK_STATE_COMPLETED', message: message('42') } } });
    const { port } = agent.address() as AddressInfo;
    await playground.writeGraph(playground.repo, [{ id: 'look', tags: ['executor:researcher'] }]);
    await playground.writeConfig(CONFIG.replace('41241', String(port)));
    supervised = await supervise(playground);
    const settled = await supervised.event('run.settled', 'look');
    expect(settled.outcome).toMatchObject({ kind: 'succeeded', summary: '42' });
  });
});

describe('what is pushed', () => {
  test.each([
    ['FAILED', { kind: 'failed', failure: 'reported', message: 'no net', retryable: true }],
    ['REJECTED', { kind: 'failed', message: 'the agent rejected it: no net', retryable: false }],
    ['CANCELED', { kind: 'failed', message: 'the agent cancelled it: no net', retryable: false }],
  ])('%s', async (state, outcome) => {
    await begin();
    expect((await push(status(state, 'no net'))).status).toBe(204);
    expect((await supervised.event('run.settled', 'look')).outcome).toMatchObject(outcome);
    expect(await task()).toMatchObject({ status: 'failed' });
  });

  test.each([
    'INPUT_REQUIRED',
    'AUTH_REQUIRED',
  ])('%s: a question, once; answered, the answer is in the task; WORKING continues', async (state) => {
    await begin();
    for (let n = 0; n < 2; n++) expect((await push(status(state, 'Which one?'))).status).toBe(204);
    expect(supervised.count('run.input', 'look')).toBe(1);
    expect((await latestRun()).lease).toMatchObject({
      question: expect.stringContaining('Which one?'),
      answer: null,
    });
    await api.post('/api/task/look/answer', { answer: 'this one' });
    // A push that was under way all the time asks nothing again.
    await push(status(state, 'Which one?'));
    expect((await latestRun()).lease).toMatchObject({ answer: 'this one' });
    expect((await supervised.event('run.answered', 'look')).answer).toBe('this one');
    await push(status('WORKING', 'going on'));
    expect((await latestRun()).lease).toMatchObject({ question: null, answer: null });
    await push(status(state, 'And now?', { messageId: 'm2' }));
    expect(supervised.count('run.input', 'look')).toBe(2);
  });

  test('a push is no promise of further ones: no lease begins to run', async () => {
    await begin();
    await push(status('WORKING', 'a long thing'));
    await push(status('INPUT_REQUIRED', 'Well?'));
    await api.post('/api/task/look/answer', { answer: 'well' });
    expect((await latestRun()).lease).toMatchObject({ expires_at: null });
  });

  test('artifacts that come in parts are the result of the end, over a restart too', async () => {
    await begin();
    const part = (artifactId: string, text: string, append = false) => ({
      artifactUpdate: { taskId: 'remote-1', artifact: { artifactId, parts: [{ text }] }, append },
    });
    for (const one of [part('a', 'draft'), part('a', 'one'), part('b', 'other'), part('a', 'two', true)])
      expect((await push(one)).status).toBe(204);
    const { url } = api;
    await supervised.stop({ cancelAgents: false });
    supervised = await supervise(playground);
    await supervised.event('run.adopted', 'look').catch(() => undefined);
    api = await callerOf(supervised);
    // The port is kept: what agents were given leads here again.
    expect(api.url).toBe(url);
    expect((await push(status('COMPLETED'))).status).toBe(204);
    const settled = await supervised.event('run.settled', 'look');
    expect(settled.outcome).toMatchObject({
      artifacts: {
        result: [
          { artifactId: 'a', parts: [{ text: 'one' }, { text: 'two' }] },
          { artifactId: 'b', parts: [{ text: 'other' }] },
        ],
      },
    });
  });

  test('parts without end are refused, and the attempt continues', async () => {
    await begin();
    const text = 'x'.repeat(900_000);
    const codes: unknown[] = [];
    for (let n = 0; n < 6; n++)
      codes.push(
        (await push({ artifactUpdate: { artifact: { artifactId: `a${n}`, parts: [{ text }] } } })).status,
      );
    expect(codes).toEqual([204, 204, 204, 204, 413, 413]);
    expect((await latestRun()).phase).toBe('handed-off');
  });

  test('cancelled here: a later end is refused as gone, a later sign of life is harmless', async () => {
    await begin();
    await supervised.control.cancel({ task: 'look' }, 'changed our minds');
    await supervised.control.ended((await latestRun()).run, 10_000);
    expect((await push(status('WORKING'))).status).toBe(204);
    const end = await push(status('COMPLETED'));
    expect([end.status, end.json.code]).toEqual([410, 'task-cancelled']);
  });

  test('a keyed push is answered alike when it is repeated: 204 without a body, a refusal with one', async () => {
    await begin();
    const keyed = async (body: object, key: string) => {
      const { status: is, json, headers } = await push(body, { 'idempotency-key': key });
      return [is, json.code, headers.get('idempotency-replayed')];
    };
    expect(await keyed(status('COMPLETED'), 'one')).toEqual([204, undefined, null]);
    expect(await keyed(status('COMPLETED'), 'one')).toEqual([204, undefined, 'true']);
    expect(await keyed(status('FAILED'), 'two')).toEqual([409, 'already-terminal', null]);
    expect(await keyed(status('FAILED'), 'two')).toEqual([409, 'already-terminal', 'true']);
    expect(await keyed(status('FAILED'), 'one')).toEqual([422, 'idempotency-key-reused', null]);
  });

  test('a verify command that takes its time does not keep the agent waiting', async () => {
    await begin({ verify: 'sleep 8' });
    const begun = Date.now();
    expect((await push(status('COMPLETED'))).status).toBe(204);
    expect(Date.now() - begun).toBeLessThan(7500);
    expect((await supervised.event('run.settled', 'look')).outcome.kind).toBe('succeeded');
  }, 30_000);
});

describe('who may push', () => {
  test('the token as Bearer, as notification token, or as both', async () => {
    await begin();
    const { token } = first().configuration.taskPushNotificationConfig;
    const extra = { 'x-a2a-notification-token': token };
    expect((await push(status('WORKING'))).status).toBe(204);
    expect((await push(status('WORKING'), { ...extra, token: null })).status).toBe(204);
    expect((await push(status('WORKING'), extra)).status).toBe(204);
  });

  test('no one else: no token, a wrong one, the operator, the pre-signed one, another attempt', async () => {
    await begin({ retry: 1 });
    const codes = async (headers: Record<string, string | null>) => {
      const { status: is, json } = await push(status('COMPLETED'), headers);
      return [is, json.code];
    };
    const wrong = `wgl_${'z'.repeat(43)}`;
    expect(await codes({ token: null })).toEqual([401, 'unauthorized']);
    expect(await codes({ token: wrong })).toEqual([401, 'unauthorized']);
    expect(await codes({ 'x-a2a-notification-token': wrong })).toEqual([401, 'unauthorized']);
    expect(await codes({ token: api.token })).toEqual([403, 'forbidden']);
    const { url, token } = first().configuration.taskPushNotificationConfig;
    const elsewhere = await api.call('POST', url.replace(/[^/]*$/, 'run_other'), {
      body: status('COMPLETED'),
      token,
    });
    expect([elsewhere.status, elsewhere.json.code]).toEqual([403, 'forbidden']);
    expect((await latestRun()).phase).toBe('handed-off');
  });

  test.each([
    ['two members', { ...status('WORKING'), message: message('x') }, 422],
    ['no member', {}, 422],
    ['a task of A2A 0.3', { kind: 'task', id: 'x', status: { state: 'completed' } }, 422],
    ['a list', [], 422],
    ['text', '"x"', 422],
    ['no JSON', '{', 400],
  ])('%s is refused', async (_what, body, expected) => {
    await begin();
    expect((await push(body)).status).toBe(expected);
    const form = await push('a=b', { 'content-type': 'text/plain' });
    expect(form.status).toBe(415);
  });

  test('other methods are told which one is meant', async () => {
    await begin();
    const { url, token } = first().configuration.taskPushNotificationConfig;
    const got = await api.call('GET', url, { token });
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

test('what ended while the supervisor restarted is asked for, though the agent answers with trouble at first', async () => {
  await begin();
  await supervised.stop({ cancelAgents: false });
  let asked = 0;
  remoteTask = () =>
    ++asked < 3
      ? [asked === 1 ? 503 : 404, {}]
      : [
          200,
          {
            id: 'remote-1',
            status: { state: 'TASK_STATE_COMPLETED', message: message('All found') },
            artifacts: [{ artifactId: 'a', parts: [{ text: 'one' }] }],
          },
        ];
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'look');
  const done = (await playground.readGraph(playground.repo)).get('look');
  expect(done).toMatchObject({ status: 'done' });
  expect(JSON.stringify(done)).toContain('artifactId');
  expect(sent).toHaveLength(1);
});

test('what continues over a restart is pushed to its end as ever', async () => {
  const { configuration } = await begin();
  await supervised.stop({ cancelAgents: false });
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  remoteTask = () => {
    asked();
    return [200, { id: 'remote-1', status: { state: 'TASK_STATE_WORKING' } }];
  };
  supervised = await supervise(playground);
  await isAsked;
  api = await callerOf(supervised);
  const { url, token } = configuration.taskPushNotificationConfig;
  const pushed = await api.post(
    api.url + new URL(url).pathname,
    { statusUpdate: { taskId: 'remote-1', status: { state: 'TASK_STATE_COMPLETED' } } },
    token,
  );
  expect(pushed.status).toBe(204);
  await supervised.event('run.settled', 'look');
  expect((await playground.readGraph(playground.repo)).get('look')).toMatchObject({ status: 'done' });
});
