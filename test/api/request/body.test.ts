import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { sendRaw, startApi, type TestApi } from '../api-kit.ts';
import { LATE_TOKEN } from '../scripted-control.ts';

const LIMIT = 64 * 1024;
let api: TestApi;
beforeEach(async () => {
  api = await startApi();
});
afterEach(() => api.stop());

const COMPLETE = '/api/task/deploy/complete';
const complete = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  api.ask({ method: 'POST', path: COMPLETE, body, headers });
const completions = () => api.control.calls.filter((call) => call.name === 'complete').length;

describe('content type', () => {
  test.each([
    ['application/json', 200],
    ['application/json; charset=utf-8', 200],
    ['Application/JSON', 200],
    ['application/problem+json', 200],
    ['text/plain', 415],
    // What `curl -d` says of a body; on the socket no page can have said it.
    ['application/x-www-form-urlencoded', 200],
    ['application/x-www-form-urlencoded; charset=utf-8', 415],
    ['multipart/form-data; boundary=x', 415],
    ['application/jsonp', 415],
    ['text/plain; application/json', 415],
  ])('%s → %d', async (type, status) => {
    expect((await complete('{}', { 'content-type': type })).status).toBe(status);
    expect(completions()).toBe(status === 200 ? 1 : 0);
  });

  test('a body without any type is refused, an empty one needs none', async () => {
    expect((await complete('{}', {})).status).toBe(415);
    expect((await complete('', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(200);
    expect((await complete('', {})).status).toBe(200);
  });

  test('a form is refused everywhere; JSON under its type only where a page could have sent it', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await complete('summary=x', form)).status).toBe(415);
    const ask = { method: 'POST', path: COMPLETE, headers: form };
    expect((await api.askTcp({ ...ask, body: '{}' })).status).toBe(200);
    const body = JSON.stringify({ lease_token: LATE_TOKEN });
    expect((await api.askTcp({ ...ask, headers: { ...form, authorization: [] }, body })).status).toBe(415);
    expect(completions()).toBe(1);
  });

  test('a compressed body is refused', async () => {
    expect(
      (await complete('{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' })).status,
    ).toBe(415);
  });
});

describe('JSON', () => {
  test.each([
    ['{', 400],
    ['nonsense', 400],
    ["{'a': 1}", 400],
    ['{"a": 1,}', 400],
    ['{} {}', 400],
    ['"text"', 422],
    ['[]', 422],
    ['null', 422],
    ['7', 422],
    ['{"agent": 7}', 422],
    ['{"agent": ""}', 422],
    ['{"agent": "two\\nlines"}', 422],
    ['{"status": "perhaps"}', 422],
    ['{"lease_token": 7}', 422],
    ['{"__proto__": {"admin": true}}', 422],
    ['{"artifacts": {"deep": [{"__proto__": 1}]}}', 422],
    ['{"constructor": {"prototype": 1}, "toString": 1}', 200],
    ['{"artifacts": {"constructor": {"prototype": {"x": 1}}}}', 200],
    ['\ufeff{}', 200],
  ])('%s → %d', async (body, status) => {
    const answer = await complete(body);
    expect(answer.status).toBe(status);
    expect(completions()).toBe(status === 200 ? 1 : 0);
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });

  test('an error does not repeat what was sent', async () => {
    expect((await complete('{"lease_token": wgl_secret}')).text).not.toContain('wgl_secret');
    expect((await complete('{"status": "wgl_secret"}')).text).not.toContain('wgl_secret');
  });

  test('what is not UTF-8 is refused', async () => {
    const answer = await sendRaw(
      { path: api.socket },
      Buffer.concat([
        Buffer.from(
          `POST ${COMPLETE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"agent":"`,
        ),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}'),
      ]),
      { end: false },
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  test('nesting up to a sane depth is taken, beyond it refused, however deep', async () => {
    const nested = (depth: number) => `{"artifacts": ${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect((await complete(nested(99))).status).toBe(200);
    expect((await complete(nested(100))).status).toBe(422);
    expect((await complete(nested(30_000))).status).toBe(422);
    expect((await complete('{"a":'.repeat(10_000))).status).toBe(422);
    expect((await complete(`{"summary": "${'[{'.repeat(5000)}"}`)).status).toBe(200);
    expect((await complete('{"summary": "\\"[[\\\\"}')).status).toBe(200);
  });
});

describe('size', () => {
  test('exactly the limit passes, one byte more is refused', async () => {
    const exact = `{"artifacts": "${'x'.repeat(LIMIT - 17)}"}`;
    expect(Buffer.byteLength(exact)).toBe(LIMIT);
    expect((await complete(exact)).status).toBe(200);
    const more = await complete(`${exact} `);
    expect(more.status).toBe(413);
    expect(more.json).toMatchObject({ code: 'body-too-large', max_bytes: LIMIT });
  });

  test('a declared length over the limit is refused without a byte of it being read', async () => {
    const head = `POST ${COMPLETE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n`;
    // Nothing follows: the answer cannot have waited for it. The server then gives the connection up.
    expect(await sendRaw({ path: api.socket }, head, { end: false })).toMatch(/^HTTP\/1.1 413 /);
  });

  test('a client that asks first is not told to continue', async () => {
    const answer = await sendRaw(
      { path: api.socket },
      `POST ${COMPLETE} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n`,
      { end: false },
    );
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });

  test('a client that asks first with a small body is', async () => {
    const status = await new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: api.socket,
          agent: false,
          method: 'POST',
          path: COMPLETE,
          headers: { expect: '100-continue', 'content-type': 'application/json', 'content-length': '2' },
        },
        (response) => resolve(response.resume().statusCode),
      );
      sent.on('continue', () => sent.end('{}'));
      sent.on('error', reject);
      sent.flushHeaders();
    });
    expect(status).toBe(200);
  });

  test('a chunked body is counted while it arrives', async () => {
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(
        {
          socketPath: api.socket,
          agent: false,
          method: 'POST',
          path: COMPLETE,
          headers: { 'content-type': 'application/json' },
        },
        (response) => resolve(response.resume().statusCode),
      );
      sent.on('error', reject);
      // Never ended: only the count can end it.
      for (let i = 0; i < 9; i++) sent.write('x'.repeat(8 * 1024));
    });
    expect(answer).toBe(413);
    expect(completions()).toBe(0);
  });

  test('a small chunked body is taken', async () => {
    const answer = await api.ask({
      method: 'POST',
      path: COMPLETE,
      headers: { 'transfer-encoding': 'chunked', 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(200);
  });

  test('a body that breaks off completes nothing and harms no one', async () => {
    const head = `POST ${COMPLETE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"agent"`;
    await sendRaw({ path: api.socket }, head);
    expect((await api.ask({ path: '/api/health' })).status).toBe(200);
    expect(completions()).toBe(0);
    expect(api.log.lines.filter((line) => line.level === 'error')).toEqual([]);
  });
});
