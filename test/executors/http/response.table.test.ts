// How each answer to a dispatch is read (http-protocol 1.3), row by row: a real server answers, the real executor acts. The
// order is that of the table, so that it can be ticked off. What only a supervisor can show of a row (a hold that outlives
// a restart, a callback between two deliveries) is in test/scenarios/delivery.test.ts; the reading alone, with every odd
// body, in http-response.test.ts.

import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { HttpProfile } from '../../../src/domain/profile.ts';
import type { Begun } from '../../../src/executors/executor.ts';
import { createHttpExecutor } from '../../../src/executors/http/executor.ts';
import type { HttpExecutorParts } from '../../../src/executors/http/options.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import {
  assignmentFor,
  eagerClock,
  httpProfile,
  json,
  listen,
  type Received,
  runControl,
  tidying,
} from './support.ts';

const tidy = tidying();
afterEach(() => tidy.run());

/** One answer of the endpoint: a status with body and headers, or something done to the response. */
type Answer =
  | readonly [status: number, body?: unknown, headers?: Readonly<Record<string, string>>]
  | ((response: ServerResponse) => void);

interface Shown {
  readonly begun: Begun;
  readonly received: readonly Received[];
  /** The waits between deliveries, ms. */
  readonly slept: readonly number[];
  /** What was kept with the run. */
  readonly output: string;
}

/** Dispatches one task to an endpoint that answers so, the last answer again and again. */
async function dispatch(
  answers: readonly Answer[],
  profile: Partial<HttpProfile> = {},
  parts: Partial<HttpExecutorParts> = {},
): Promise<Shown> {
  const clock = eagerClock();
  const server = tidy.add(
    await listen((_request, response, before) => {
      const answer = answers[Math.min(before, answers.length - 1)] ?? [500];
      if (typeof answer === 'function') return answer(response);
      const [status, body = '', headers = {}] = answer;
      response.writeHead(status, { ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    }),
  );
  const folder = await tidy.folder();
  const assignment = assignmentFor(httpProfile({ endpoint: `${server.url}/api/task`, ...profile }), folder, {
    deadlineAt: (parts.clock ?? clock).now() + 86_400_000,
  });
  const executor = createHttpExecutor({ clock, identity: { random: () => 0.5 }, ...parts });
  const begun = await executor.begin(assignment, runControl());
  const output = await readFile(join(folder, 'output.log'), 'utf8').catch(() => '');
  return { begun, received: server.received, slept: clock.slept, output };
}

const accepted = { kind: 'handed-off' };
const done = (more: object = {}) => ({ kind: 'ended', outcome: { kind: 'succeeded', ...more } });
const permanent = {
  kind: 'ended',
  outcome: { kind: 'failed', failure: 'refused', retryable: false, message: expect.any(String) },
};

/** Delivered once more after the wait, with the same id, and taken then. */
function expectRetried(shown: Shown, waits: readonly number[]): void {
  expect(shown.begun).toMatchObject(accepted);
  expect(shown.slept).toEqual(waits);
  const header = (name: string) => shown.received.map(({ headers }) => headers[name]);
  expect(new Set(header('webhook-id')).size).toBe(1);
  expect(new Set(shown.received.map(({ body }) => body)).size).toBe(1);
  expect(header('workgraph-delivery')).toEqual(shown.received.map((_request, index) => String(index + 1)));
  expect(header('workgraph-attempt')).toEqual(shown.received.map(() => '2'));
}

describe('202', () => {
  test('is accepted, and the lease runs until the deadline of the attempt', async () => {
    const { begun, received } = await dispatch([[202]]);
    expect(begun).toEqual({ ...accepted, reference: null, deadlineAt: expect.any(Number) });
    expect(received).toHaveLength(1);
  });

  test('with Location: that is where to ask, relative ones too, and it is asked with completion = "poll" alone', async () => {
    for (const completion of ['callback', 'poll'] as const) {
      const { begun, received } = await dispatch([[202, '', { location: '/jobs/5' }]], { completion });
      const { origin } = new URL(`http://${received[0]?.headers.host}`);
      expect(begun).toMatchObject({ ...accepted, reference: `${origin}/jobs/5` });
      expect(received.map(({ method }) => method)).toEqual(['POST']);
    }
  });

  test('with status_url in its body: the same; a Location goes first', async () => {
    const body = { status_url: 'http://status.example/7' };
    expect((await dispatch([[202, body]])).begun).toMatchObject({ reference: 'http://status.example/7' });
    const { begun } = await dispatch([[202, body, { location: 'http://status.example/8' }]]);
    expect(begun).toMatchObject({ reference: 'http://status.example/8' });
  });

  test('with external_id: what the agent calls the work, beside a Location too', async () => {
    const { begun } = await dispatch([[202, { external_id: 'job-7' }]]);
    expect(begun).toMatchObject({ reference: 'job-7', externalId: 'job-7' });
    const both = await dispatch([[202, { external_id: 7 }, { location: 'http://status.example/7' }]]);
    expect(both.begun).toMatchObject({ reference: 'http://status.example/7', externalId: '7' });
  });

  test('with heartbeat_every_s: a promise of signs of life; nonsense is none', async () => {
    expect((await dispatch([[202, { heartbeat_every_s: 30 }]])).begun).toMatchObject({ heartbeatEveryS: 30 });
    const polled = await dispatch([[202, { heartbeat_every_s: 30 }]], { completion: 'poll' });
    expect(polled.begun).not.toHaveProperty('heartbeatEveryS');
    for (const nonsense of [0, -5, '30', 1e9, null])
      expect((await dispatch([[202, { heartbeat_every_s: nonsense }]])).begun).not.toHaveProperty(
        'heartbeatEveryS',
      );
  });

  test('with Retry-After: not asked before that', async () => {
    const clock = eagerClock();
    const asked: number[] = [];
    const server = tidy.add(
      await listen((request, response) => {
        if (request.method === 'POST') return json(response, 202, {}, { 'retry-after': '90' });
        asked.push(clock.now());
        json(response, 200, { status: 'done' });
      }),
    );
    const profile = httpProfile({ endpoint: server.url, completion: 'poll' });
    const assignment = assignmentFor(profile, await tidy.folder());
    const executor = createHttpExecutor({ clock, identity: { random: () => 0.5 } });
    const begunAt = clock.now();
    const begun = await executor.begin(assignment, runControl());
    if (begun.kind !== 'handed-off') throw new Error('not taken');
    const handle = { ...begun, process: null, adopted: false };
    expect(await executor.attend(assignment, handle, runControl())).toEqual({ kind: 'succeeded' });
    expect(asked).toEqual([begunAt + 90_000]);
  });

  test('with an outcome in its body is accepted all the same: 202 says that the work is not done', async () => {
    expect((await dispatch([[202, { status: 'completed' }]])).begun).toMatchObject(accepted);
  });
});

describe('200, 201, 204 without an outcome', () => {
  test.each<[string, Answer]>([
    ['200 of n8n', [200, { message: 'Workflow was started' }]],
    ['200 with nothing', [200]],
    ['201 with a name', [201, { id: 5 }]],
    ['204', [204]],
    ['200 with a word that only says "understood"', [200, { status: 'ok' }]],
  ])('accepted, not done: %s', async (_which, answer) => {
    const { begun, received } = await dispatch([answer]);
    expect(begun).toMatchObject(accepted);
    expect(received).toHaveLength(1);
  });
});

describe('200 with an outcome', () => {
  test('"completed" with a result is applied as if it had been called back', async () => {
    const answer: Answer = [200, { status: 'completed', summary: 'built', result: { url: 'x' } }];
    expect((await dispatch([answer])).begun).toEqual(done({ summary: 'built', artifacts: { url: 'x' } }));
  });

  test('"failed" with an error, too; the agent says whether trying again could help', async () => {
    for (const retryable of [true, false]) {
      const { begun } = await dispatch([[200, { status: 'failed', error: 'no disk', retryable }]]);
      const outcome = { kind: 'failed', failure: 'reported', message: 'no disk', retryable };
      expect(begun).toEqual({ kind: 'ended', outcome });
    }
  });

  test('contradicting itself: the status decides, and the error beside it is kept', async () => {
    const { begun } = await dispatch([[200, { status: 'completed', result: 1, error: 'half of it' }]]);
    expect(begun).toEqual(done({ artifacts: { result: 1, error: 'half of it' } }));
    const failed = await dispatch([[200, { status: 'failed', state: 'completed', result: 1, error: 'e' }]]);
    expect(failed.begun).toMatchObject({ outcome: { kind: 'failed', message: 'e' } });
  });
});

describe('any 2xx where the profile says that it is the end (on_2xx = "complete" of the table: completion = "response")', () => {
  test.each<[string, Answer, object]>([
    ['200', [200, { answer: 42 }], { artifacts: { answer: 42 } }],
    ['201', [201], {}],
    ['202', [202], {}],
    ['204', [204], {}],
    ['299', [299, 'all good', { 'content-type': 'text/plain' }], { summary: 'all good' }],
  ])('%s is done', async (_status, answer, outcome) => {
    expect((await dispatch([answer], { completion: 'response' })).begun).toEqual(done(outcome));
  });

  test('and is waited for longer; only an explicit failure is none', async () => {
    const { begun, received } = await dispatch([[200, { status: 'failed', error: 'e' }]], {
      completion: 'response',
    });
    expect(begun).toMatchObject({ outcome: { kind: 'failed', failure: 'reported' } });
    expect(received[0]?.headers).not.toHaveProperty('prefer');
  });
});

describe('3xx', () => {
  test.each([301, 302, 303, 304, 307, 308])('%i fails for good and is never followed', async (status) => {
    const elsewhere = tidy.add(await listen((_request, response) => json(response, 202, {})));
    const { begun, received } = await dispatch([[status, '', { location: elsewhere.url }]]);
    expect(begun).toMatchObject(permanent);
    expect(received).toHaveLength(1);
    expect(elsewhere.received).toHaveLength(0);
  });
});

describe('408, 425, 429, 500, 502, 503, 504, no connection, no answer', () => {
  test.each([
    408, 425, 429, 500, 502, 503, 504,
  ])('%i: the same delivery again, after a pause', async (status) => {
    expectRetried(await dispatch([[status], [202]]), [2500]);
  });

  test('the pause doubles and is random in its full length', async () => {
    const { slept } = await dispatch([[503]]);
    expect(slept).toEqual([2500, 5000, 10_000, 20_000, 40_000, 80_000, 160_000]);
    const none = await dispatch([[503]], {}, { identity: { random: () => 0 } });
    expect(none.slept).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  test('a connection that is refused', async () => {
    const gone = await listen(() => {});
    await gone.close();
    const { begun, slept } = await dispatch([[202]], { endpoint: gone.url });
    expect(slept).toHaveLength(7);
    expect(begun).toMatchObject({
      outcome: { failure: 'unreachable', message: expect.stringContaining('ECONNREFUSED') },
    });
  });

  test('a connection that is dropped before the status', async () => {
    expectRetried(await dispatch([(response) => response.destroy(), [202]]), [2500]);
  });

  test('a name that cannot be looked up just now', async () => {
    const server = tidy.add(await listen((_request, response) => json(response, 202, {})));
    let looked = 0;
    const lookup: NonNullable<HttpExecutorParts['lookup']> = async () => {
      if (++looked === 1) throw new Error('getaddrinfo EAI_AGAIN agent.invalid');
      return [{ address: '127.0.0.1', family: 4 }];
    };
    const endpoint = `http://agent.invalid:${server.port}/`;
    const { begun, slept } = await dispatch([], { endpoint }, { lookup });
    expect(begun).toMatchObject(accepted);
    expect(slept.at(-1)).toBe(2500);
    expect(looked).toBe(2);
  });

  test('TLS that cannot be agreed upon', async () => {
    const plain = tidy.add(await listen((_request, response) => json(response, 202, {})));
    const { begun, slept } = await dispatch([], { endpoint: plain.url.replace('http:', 'https:') });
    expect(slept).toHaveLength(7);
    expect(begun).toMatchObject({ outcome: { failure: 'unreachable', retryable: true } });
  });

  test('no connection, no TLS and no answer in time', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => void sockets.add(socket.on('error', () => {})));
    tidy.add({
      async close() {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => silent.close(resolve));
      },
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const delivery = { connectMs: 60, responseMs: 100, attempts: 2, backoffMs: 1 };
    const parts = { clock: systemClock() };
    // The last is an address of documentation: no one answers there, if it can be reached at all.
    for (const endpoint of [`http://127.0.0.1:${port}/`, `https://127.0.0.1:${port}/`, 'http://192.0.2.1/']) {
      const { begun } = await dispatch([], { endpoint, delivery }, parts);
      expect(begun).toMatchObject({
        outcome: { failure: 'unreachable', message: expect.stringContaining('in 2 deliveries') },
      });
    }
  });

  const soon = (ms: number) => new Date(Date.parse('2026-11-22T05:57:52.000Z') + ms).toUTCString();
  test.each<[string, string, number]>([
    ['seconds', '120', 120_000],
    ['seconds that are shorter than our own pause', '2', 2500],
    ['an HTTP date', soon(90_000), 89_880],
    ['an HTTP date that is past', soon(-90_000), 2500],
    ['0', '0', 2500],
    ['garbage', 'soon', 2500],
    ['a negative number', '-30', 2500],
    ['a fraction', '1.5', 2500],
    ['a date of another form', '2026-11-22T06:57:52Z', 2500],
    ['ten years', String(10 * 365 * 86_400), 3_600_000],
    ['a date in ten years', soon(10 * 365 * 86_400_000), 3_600_000],
    ['more digits than a number holds', '9'.repeat(400), 3_600_000],
  ])('Retry-After, %s: the longer of the two waits, an hour at most', async (_which, header, waited) => {
    const delivery = { windowMs: 7_200_000 };
    expectRetried(await dispatch([[429, '', { 'retry-after': header }], [202]], { delivery }), [waited]);
  });

  test('Retry-After is a second at least, where our own pause is shorter', async () => {
    const delivery = { backoffMs: 10 };
    expectRetried(await dispatch([[503, '', { 'retry-after': '0' }], [202]], { delivery }), [1000]);
  });

  test('eight deliveries, then the attempt has failed; another attempt may be made', async () => {
    const { begun, received } = await dispatch([[500]]);
    expect(begun).toEqual({
      kind: 'ended',
      outcome: {
        kind: 'failed',
        failure: 'unreachable',
        retryable: true,
        message: expect.stringMatching(/did not take the task in 8 deliveries.*HTTP 500/),
      },
    });
    expect(received).toHaveLength(8);
  });

  test('no delivery after an hour, or after the deadline of the attempt', async () => {
    const late = await dispatch([[503, '', { 'retry-after': '1900' }]]);
    expect(late.received).toHaveLength(2);
    // 1,900 s after the second delivery, which came 1,900 s after the first: the next attempt begins no sooner.
    const [second] = late.received.slice(-1);
    const asked = (Number(second?.headers['webhook-timestamp']) + 1900) * 1000;
    expect(late.begun).toMatchObject({ outcome: { failure: 'unreachable', notBefore: expect.any(Number) } });
    const { outcome } = late.begun as { readonly outcome: { readonly notBefore: number } };
    expect(Math.abs(outcome.notBefore - asked)).toBeLessThan(1500);
    const server = tidy.add(await listen((_request, response) => json(response, 503, {})));
    const clock = eagerClock();
    const deadlineAt = clock.now() + 8000;
    const assignment = assignmentFor(httpProfile({ endpoint: server.url }), await tidy.folder(), {
      deadlineAt,
    });
    await createHttpExecutor({ clock, identity: { random: () => 0.5 } }).begin(assignment, runControl());
    expect(server.received).toHaveLength(3);
    expect(clock.now()).toBeLessThanOrEqual(deadlineAt);
  });

  test('the profile may say otherwise of all of it', async () => {
    const delivery = { attempts: 3, backoffMs: 100, maxBackoffMs: 150 };
    const { received, slept } = await dispatch([[503]], { delivery });
    expect(received).toHaveLength(3);
    expect(slept).toEqual([50, 75]);
  });
});

describe('409', () => {
  test('on the first delivery fails for good', async () => {
    const { begun, received } = await dispatch([[409]]);
    expect(begun).toMatchObject(permanent);
    expect(received).toHaveLength(1);
  });

  test('on a later one is accepted: an earlier copy is being worked on', async () => {
    expectRetried(await dispatch([[504], [409]]), [2500]);
  });

  test('on the first of this process, but not of the message, is accepted: the number survives a crash', async () => {
    const server = tidy.add(await listen((_request, response) => json(response, 409, {})));
    const assignment = assignmentFor(httpProfile({ endpoint: server.url }), await tidy.folder());
    const control = { ...runControl(), deliveries: { begin: () => 2, end: () => {} } };
    const executor = createHttpExecutor({ clock: eagerClock(), identity: { random: () => 0.5 } });
    expect(await executor.begin(assignment, control)).toMatchObject(accepted);
    expect(server.received[0]?.headers['workgraph-delivery']).toBe('2');
  });
});

describe('410, and the header webhook-delivery of a non-2xx', () => {
  test.each<[string, Answer, string]>([
    ['410', [410], 'endpoint-gone'],
    [
      'disable with a status that would be tried again',
      [503, '', { 'webhook-delivery': 'disable' }],
      'endpoint-disabled',
    ],
    ['Disable, however it is written', [400, '', { 'Webhook-Delivery': ' DISABLE ' }], 'endpoint-disabled'],
  ])('%s holds everything of the profile until a person changes something', async (_which, answer, code) => {
    const { begun, received } = await dispatch([answer]);
    expect(begun).toMatchObject({ kind: 'ended', outcome: { kind: 'deferred', code, scope: 'profile' } });
    expect(begun).not.toHaveProperty('outcome.until');
    expect(received).toHaveLength(1);
  });

  test('the person is told the way out, which is another one where a task named the address itself', async () => {
    const profile = await dispatch([[410]]);
    expect(profile.begun).toHaveProperty(
      'outcome.because',
      expect.stringMatching(/change \[executors\.deploy-agent\], or `supervisor resume deploy-agent`$/),
    );
    const adHoc = await dispatch([[410]], { origin: { file: 'task' }, name: 'http://localhost/t' });
    expect(adHoc.begun).toHaveProperty(
      'outcome.because',
      expect.stringMatching(
        /name another executor on the task, or `supervisor resume http:\/\/localhost\/t`$/,
      ),
    );
  });

  test('abort-message ends this message alone, whatever the status would mean', async () => {
    const { begun, received } = await dispatch([[503, '', { 'webhook-delivery': 'abort-message' }]]);
    expect(begun).toMatchObject(permanent);
    expect(received).toHaveLength(1);
  });

  test('in a 2xx it means nothing', async () => {
    expect((await dispatch([[202, '', { 'webhook-delivery': 'disable' }]])).begun).toMatchObject(accepted);
  });
});

describe('404', () => {
  test('from a service that is just starting: delivered again with backoff until it is taken', async () => {
    expectRetried(await dispatch([[404], [404], [503], [202]]), [2500, 5000, 10_000]);
  });

  test('after the last delivery it is a refusal, in the words of the endpoint', async () => {
    const { begun, received, slept } = await dispatch([[404, { detail: 'no such webhook' }]]);
    expect(begun).toMatchObject(permanent);
    expect(begun).toHaveProperty(
      'outcome.message',
      expect.stringContaining('refused the task in 8 deliveries: HTTP 404: no such webhook'),
    );
    expect(received).toHaveLength(8);
    expect(slept).toHaveLength(7);
  });
});

describe('other 4xx, 501, 505', () => {
  test.each([
    400, 401, 402, 403, 405, 406, 411, 413, 414, 415, 417, 418, 422, 423, 426, 431, 451, 501, 505,
  ])('%i fails for good, with the words of the endpoint', async (status) => {
    const problem = { title: 'No', detail: 'no such region' };
    const { begun, received, slept } = await dispatch([[status, problem]]);
    expect(begun).toMatchObject(permanent);
    expect(begun).toHaveProperty(
      'outcome.message',
      expect.stringContaining(`HTTP ${status}: no such region`),
    );
    expect(received).toHaveLength(1);
    expect(slept).toEqual([]);
  });

  test.each([
    507, 520, 521, 599,
  ])('%i, which the table does not know, is trouble of a gateway: again', async (status) => {
    expectRetried(await dispatch([[status], [202]]), [2500]);
  });
});

describe('a 2xx whose body is not JSON', () => {
  test.each([
    200, 201, 202,
  ])('%i is accepted, and the first 4 kB are kept with the attempt', async (status) => {
    const { begun, output } = await dispatch([[status, `<h1>Thanks</h1>${'x'.repeat(9000)}end`]]);
    expect(begun).toMatchObject(accepted);
    expect(output).toContain('<h1>Thanks</h1>');
    expect(output).not.toContain('end\n');
    const [kept = ''] = /<h1>.*/.exec(output) ?? [];
    expect(kept).toHaveLength(4096);
  });
});

describe('the pace', () => {
  const far: NonNullable<HttpExecutorParts['lookup']> = async () => [{ address: '127.0.0.1', family: 4 }];

  async function many(count: number, delivery: Partial<HttpProfile>['delivery'] = {}) {
    let open = 0;
    let most = 0;
    const server = tidy.add(
      await listen((_request, response) => {
        most = Math.max(most, ++open);
        setImmediate(() =>
          setImmediate(() => {
            open--;
            json(response, 202, {});
          }),
        );
      }),
    );
    const clock = eagerClock();
    const profile = httpProfile({ endpoint: `http://agent.invalid:${server.port}/`, delivery });
    const executor = createHttpExecutor({ clock, identity: { random: () => 0.5 }, lookup: far });
    const folder = await tidy.folder();
    const begun = await Promise.all(
      Array.from({ length: count }, () => executor.begin(assignmentFor(profile, folder), runControl())),
    );
    return { begun, most, slept: clock.slept };
  }

  test('five at once, then one per second, to an endpoint elsewhere', async () => {
    const { begun, slept } = await many(8);
    expect(begun.every(({ kind }) => kind === 'handed-off')).toBe(true);
    expect([...slept].sort((a, b) => a - b).slice(-3)).toEqual([1000, 2000, 3000]);
  });

  test('as many in flight as the profile allows', async () => {
    const { most } = await many(6, { inFlight: 2, perSecond: null });
    expect(most).toBe(2);
  });
});
