import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../api-kit.ts';
import { CALLBACK_TOKEN, RUN_TOKEN, UNKNOWN_TOKEN } from '../scripted-control.ts';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
});
afterEach(() => api.stop());

const PATH = `/api/callback/${CALLBACK_TOKEN}`;
// Nothing but the URL: the operator's token is taken off.
const call = (path: string, body?: string, headers: Record<string, string> = {}, method = 'POST') =>
  api.askTcp({
    method,
    path,
    headers: { authorization: [], ...headers },
    ...(body === undefined ? {} : { body }),
  });
const reported = () => api.control.calls.filter(({ name }) => name === 'complete').at(-1)?.args[0];

describe('the pre-signed callback', () => {
  test.each([
    ['JSON', '{"a":[1]}', 'application/json', { artifacts: { result: { a: [1] } } }],
    ['JSON under another type', '[1]', 'text/plain', { artifacts: { result: [1] } }],
    ['text', 'all done', 'text/plain', { summary: 'all done' }],
    ['a form', 'a=b', 'application/x-www-form-urlencoded', { summary: 'a=b' }],
    ['a long text', 'x'.repeat(3000), 'text/plain', { artifacts: { result: 'x'.repeat(3000) } }],
    ['a number', '7', '', { artifacts: { result: 7 } }],
    ['nested beyond sense', '['.repeat(500), 'application/json', { summary: '['.repeat(500) }],
  ])('%s is the result', async (_name, body, type, expected) => {
    const answer = await call(PATH, body, type === '' ? {} : { 'content-type': type });
    expect([answer.status, answer.json]).toEqual([200, expect.objectContaining({ state: 'completed' })]);
    expect(reported()).toMatchObject({
      task: 'build',
      worktree: '/g1',
      caller: { kind: 'run', run: 'run_build1' },
      result: 'succeeded',
      ...expected,
    });
  });

  test('an empty body, and bytes that are no text', async () => {
    expect((await call(PATH)).status).toBe(200);
    expect(reported()).not.toHaveProperty('artifacts');
    const { url } = api.server.address();
    const response = await fetch(`${url}${PATH}`, { method: 'POST', body: new Uint8Array([255, 254, 0]) });
    expect(response.status).toBe(200);
    expect(reported()).toMatchObject({ artifacts: { result: { base64: '//4A' } } });
  });

  test.each([
    ['no paper', 'no paper', true],
    ['{"error":{"message":"no ink"},"retryable":false}', 'no ink', false],
    ['{"error":"jam"}', 'jam', true],
    ['{"x":1}', 'reported as failed by its callback URL', true],
  ])('?outcome=fail with %s', async (body, reason, retryable) => {
    await call(`${PATH}?outcome=fail`, body);
    expect(reported()).toMatchObject({ result: 'failed', reason, retryable });
  });

  test('what it is not: another token, another method, another query, another place', async () => {
    for (const token of [RUN_TOKEN, UNKNOWN_TOKEN, `wgc_${'z'.repeat(43)}`, 'x'])
      expect((await call(`/api/callback/${token}`, '{}')).status).toBe(401);
    expect((await call(`${PATH}?outcome=maybe`, '{}')).status).toBe(422);
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const wrong = await call(PATH, undefined, {}, method);
      expect([method, wrong.status, wrong.headers.allow]).toEqual([method, 405, 'POST']);
    }
    const held = await api.askTcp({
      path: '/api/task/build',
      headers: { authorization: `Bearer ${CALLBACK_TOKEN}` },
    });
    expect(held.status).toBe(401);
    expect((await call(PATH, '{}', { origin: 'https://evil.example' })).status).toBe(403);
    expect((await call(PATH, 'x'.repeat(70_000))).status).toBe(413);
  });

  test('its path is in no log', async () => {
    await call(PATH, '{}');
    expect(JSON.stringify(api.log.lines)).not.toContain(CALLBACK_TOKEN);
  });
});
