import { describe, expect, test } from '@jest/globals';
import type { HttpAnswer } from '../../../src/executors/http/client.ts';
import { readDispatchAnswer, readPollAnswer } from '../../../src/executors/http/response.ts';

const ENDPOINT = new URL('https://agent.example/api/task?key=1');

type End = 'complete' | 'capped' | 'broken';

function answer(
  status: number,
  body: unknown = '',
  headers: Record<string, string> = {},
  end: End = 'complete',
): HttpAnswer {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { kind: 'answer', status, headers, body: bytes, end };
}

const none: HttpAnswer = { kind: 'none', timedOut: false, message: 'connect ECONNREFUSED' };

function read(given: HttpAnswer, completion: 'callback' | 'response' | 'poll' = 'callback', delivery = 1) {
  return readDispatchAnswer(given, { completion, delivery, endpoint: ENDPOINT });
}

describe('accepted is not done', () => {
  test.each<[string, HttpAnswer]>([
    ['202', answer(202)],
    ['202 whatever it says', answer(202, { status: 'completed' })],
    ['204', answer(204)],
    ['201 without outcome', answer(201, { id: 5 })],
    ['n8n', answer(200, { message: 'Workflow was started' })],
    ['200 that is not JSON', answer(200, '<html>ok</html>')],
    ['200 with a word that may mean "understood"', answer(200, { status: 'ok' })],
    ['"success" too', answer(200, { status: 'success' })],
    ['a list', answer(200, [1])],
    ['null', answer(200, 'null')],
    ['a status that is no text', answer(200, { status: { code: 'done' } })],
    ['an answer that was cut off', answer(200, '{"status":"completed","result":"', {}, 'capped')],
    ['202 whose body broke off', answer(202, '{"sta', {}, 'broken')],
  ])('%s', (_name, given) => {
    expect(read(given)).toMatchObject({ kind: 'accepted' });
  });

  test('keeps where and as what the far side knows the work', () => {
    expect(read(answer(202, { external_id: 42, status_url: '/s/42' }))).toMatchObject({
      monitor: 'https://agent.example/s/42',
      externalId: '42',
    });
    expect(read(answer(202, { status_url: '/s/42' }, { location: 'https://other.example/x' }))).toMatchObject(
      {
        monitor: 'https://other.example/x',
        externalId: null,
      },
    );
    for (const location of ['file:///etc/passwd', 'javascript:1', 'http://['])
      expect(read(answer(202, '', { location }))).toMatchObject({ monitor: null });
  });

  test('409 is accepted when an earlier delivery may have arrived, and refused on the first', () => {
    expect(read(answer(409), 'callback', 2)).toMatchObject({ kind: 'accepted' });
    expect(read(answer(409), 'callback', 1)).toMatchObject({ kind: 'refused' });
  });
});

describe('an explicit outcome ends the run', () => {
  test.each(['completed', 'done', 'succeeded', ' Done '])('status %j', (status) => {
    expect(read(answer(200, { status, summary: 'built', result: { url: 'x' } }))).toEqual({
      kind: 'ended',
      outcome: { kind: 'succeeded', summary: 'built', artifacts: { url: 'x' } },
    });
  });

  test.each<[unknown, object]>([
    [{ result: 'text' }, { summary: 'text', artifacts: 'text' }],
    [{ artifacts: [1], result: 2 }, { artifacts: { result: 2, artifacts: [1] } }],
    [{ artifacts: null }, {}],
    [{ message: 'hello' }, { summary: 'hello' }],
  ])('what counts as summary and artifacts: %j', (rest, expected) => {
    const body = { status: 'done', ...(rest as object) };
    expect(read(answer(200, body))).toEqual({ kind: 'ended', outcome: { kind: 'succeeded', ...expected } });
  });

  test.each<[object, object]>([
    [{ error: 'no disk' }, { message: 'no disk', retryable: true }],
    [{ error: { message: 'no disk', code: 7 } }, { message: 'no disk', retryable: true }],
    [
      { error: 'never', retryable: false },
      { message: 'never', retryable: false },
    ],
    [{}, { message: expect.stringContaining('no reason'), retryable: true }],
    [{ error: 'x'.repeat(9000) }, { message: 'x'.repeat(2000), retryable: true }],
  ])('a failure that the agent reports: %#', (rest, expected) => {
    expect(read(answer(200, { status: 'failed', ...rest }))).toEqual({
      kind: 'ended',
      outcome: { kind: 'failed', failure: 'reported', ...expected },
    });
  });
});

describe('completion = "response"', () => {
  test.each<[string, HttpAnswer, object]>([
    ['any JSON object', answer(200, { answer: 42 }), { kind: 'succeeded', artifacts: { answer: 42 } }],
    [
      'summary apart',
      answer(201, { summary: 's', n: 1 }),
      { kind: 'succeeded', summary: 's', artifacts: { n: 1 } },
    ],
    ['a list', answer(200, [1, 2]), { kind: 'succeeded', artifacts: [1, 2] }],
    [
      'plain text',
      answer(200, 'all good', { 'content-type': 'text/plain' }),
      { kind: 'succeeded', summary: 'all good' },
    ],
    ['a JSON string', answer(200, '"fine"'), { kind: 'succeeded', summary: 'fine' }],
    ['nothing', answer(204), { kind: 'succeeded' }],
    ["HTML is no one's summary", answer(200, '<p>', { 'content-type': 'text/html' }), { kind: 'succeeded' }],
    ['even 202', answer(202), { kind: 'succeeded' }],
    [
      'a failure all the same',
      answer(200, { status: 'failed', error: 'e' }),
      { kind: 'failed', failure: 'reported' },
    ],
    [
      'too large',
      answer(200, '[1,', {}, 'capped'),
      { kind: 'succeeded', summary: expect.stringContaining('larger') },
    ],
  ])('%s', (_name, given, outcome) => {
    expect(read(given, 'response')).toMatchObject({ kind: 'ended', outcome });
  });

  test('an answer that broke off is asked for again; one that took too long is a timeout', () => {
    expect(read(answer(200, '{"a":', {}, 'broken'), 'response')).toMatchObject({ kind: 'retry' });
    expect(read({ kind: 'none', timedOut: true, message: 't' }, 'response')).toMatchObject({
      kind: 'ended',
      outcome: { failure: 'timeout', retryable: true },
    });
    expect(read({ kind: 'none', timedOut: true, message: 't' })).toMatchObject({ kind: 'retry' });
  });
});

describe('everything else', () => {
  test.each([408, 425, 429, 500, 502, 503, 504, 521])('%i is tried again, as Retry-After says', (status) => {
    expect(read(answer(status, '', { 'retry-after': '120' }))).toMatchObject({
      kind: 'retry',
      retryAfter: '120',
    });
  });

  test('so is no answer at all', () => {
    expect(read(none)).toEqual({ kind: 'retry', because: 'connect ECONNREFUSED', retryAfter: undefined });
  });

  test.each([
    301, 302, 307, 308, 304, 400, 401, 403, 405, 413, 415, 422, 501, 505,
  ])('%i is for good', (status) => {
    expect(read(answer(status))).toMatchObject({
      kind: 'refused',
      because: expect.stringContaining(`HTTP ${status}`),
    });
  });

  test('404 is not for good before it was said again and again: who is just starting says it too', () => {
    expect(read(answer(404))).toMatchObject({ kind: 'retry', refusedInTheEnd: true });
  });

  test('410 closes the endpoint, and so does a wish to be disabled, but not in a 2xx', () => {
    expect(read(answer(410))).toMatchObject({ kind: 'closed', code: 'endpoint-gone' });
    const disable = { 'webhook-delivery': 'disable' };
    expect(read(answer(503, '', disable))).toMatchObject({ kind: 'closed', code: 'endpoint-disabled' });
    expect(read(answer(202, '', disable))).toMatchObject({ kind: 'accepted' });
    expect(read(answer(503, '', { 'webhook-delivery': 'abort-message' }))).toMatchObject({ kind: 'refused' });
  });

  test("says the endpoint's own words, on one line, not its markup", () => {
    const problem = { title: 'Unprocessable', detail: 'no\nsuch  region' };
    expect(read(answer(422, problem))).toMatchObject({ because: 'HTTP 422: no such region' });
    expect(read(answer(502, '<html>Bad gateway</html>', { 'content-type': 'text/html' }))).toMatchObject({
      because: 'HTTP 502',
    });
  });

  test('a body nested without end is not taken apart', () => {
    const deep = `{"status":"done","result":${'['.repeat(500_000)}${']'.repeat(500_000)}}`;
    expect(read(answer(200, deep))).toMatchObject({ kind: 'accepted' });
    expect(read(answer(200, '{"status":"done","summary":"[[[[\\"{{{{"}'))).toMatchObject({ kind: 'ended' });
  });
});

describe('status answers', () => {
  test.each([
    'accepted',
    'running',
    'queued',
    'pending',
    'in_progress',
    'pondering',
  ])('%j continues', (status) => {
    expect(readPollAnswer(answer(200, { status, summary: 'half way' }))).toMatchObject({
      kind: 'running',
      message: `${status}: half way`,
    });
  });

  test.each(['done', 'completed', 'succeeded', 'success', 'DONE'])('%j has finished', (status) => {
    expect(readPollAnswer(answer(200, { status, result: 1 }))).toMatchObject({
      kind: 'ended',
      outcome: { kind: 'succeeded', artifacts: 1 },
    });
  });

  test.each(['failed', 'error', 'cancelled'])('%j has finished, too', (status) => {
    expect(readPollAnswer(answer(200, { status, error: 'e' }))).toMatchObject({
      kind: 'ended',
      outcome: { kind: 'failed', failure: 'reported', message: 'e' },
    });
  });

  test.each<[string, HttpAnswer, string]>([
    ['not known', answer(404), 'unknown'],
    ['gone', answer(410), 'unknown'],
    ['not JSON', answer(200, 'ok'), 'trouble'],
    ['no status', answer(200, {}), 'trouble'],
    ['too large', answer(200, '{"status":"done","x":"', {}, 'capped'), 'trouble'],
    ['broken off', answer(200, '{"status":"do', {}, 'broken'), 'trouble'],
    ['a redirect', answer(302), 'trouble'],
    ['not allowed', answer(401), 'trouble'],
    ['down', answer(503), 'trouble'],
    ['no answer', none, 'trouble'],
  ])('%s is no outcome', (_name, given, kind) => {
    expect(readPollAnswer(given)).toMatchObject({ kind });
  });
});

describe('JSON-RPC in a 200', () => {
  const rpc = (rest: object) => answer(200, { jsonrpc: '2.0', id: 'run_1', ...rest });

  test.each([
    ['a wrong request', { error: { code: -32602, message: 'Invalid params' } }, 'refused'],
    ['an unknown method', { error: { code: -32601, message: 'Method not found' } }, 'refused'],
    ["the agent's own refusal", { error: { code: -32005, message: 'Unsupported content' } }, 'refused'],
    ['an error without a code', { error: {} }, 'refused'],
    ['an internal error', { error: { code: -32603, message: 'Internal error' } }, 'retry'],
  ])('%s is no acceptance', (_name, rest, kind) => {
    for (const completion of ['callback', 'response', 'poll'] as const)
      expect(read(rpc(rest), completion)).toMatchObject({
        kind,
        because: expect.stringContaining('JSON-RPC error'),
      });
  });

  test('a result is read as if it had come on its own', () => {
    expect(
      read(rpc({ result: { task: { id: 't1', status: { state: 'TASK_STATE_WORKING' } } } })),
    ).toMatchObject({
      kind: 'accepted',
      externalId: 't1',
    });
    expect(
      read(rpc({ result: { task: { id: 't1', status: { state: 'TASK_STATE_COMPLETED' } } } })),
    ).toMatchObject({ kind: 'ended', outcome: { kind: 'succeeded' } });
    expect(read(rpc({ result: 'pong' }))).toMatchObject({ kind: 'accepted' });
  });
});
