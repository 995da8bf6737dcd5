// A fuzzer that reads the served description: requests that nearly fit it, requests that do not, and bytes that are no
// requests at all. Nothing may answer 5xx, hang, show a token or change a graph. FUZZ_REQUESTS says how many.

import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { plainJson, roughly, type Schema } from '../support/from-schema.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 400);
const ANSWER_WITHIN_MS = 10_000;
/** Made once, and here: its tables of graphemes take a second. */
const UNKNOWN_ID = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
const TOKENS = /wg[ltc]_[A-Za-z0-9_-]{20,}/;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: Schema;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
interface Wanted {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

let playground: Playground;
let supervised: Supervised;
let api: Caller;
let before: string;
let wanted: fc.Arbitrary<Wanted>;
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

const graph = () => readFile(join(playground.repo, '.workgraph', 'graph.jsonl'), 'utf8');

beforeAll(async () => {
  playground = await createPlayground();
  await playground.writeGraph(playground.repo, [
    { id: 'far', exec: 'true', tags: ['schedule:2126-01-01T00:00:00Z'] },
    {
      id: 'over',
      status: 'done',
      artifacts: ['a'],
      log: [{ timestamp: '2026-05-01T00:00:00Z', message: 'm' }],
    },
    { id: 'draft', paused: true, description: 'd' },
    { id: 'after', after: ['draft'] },
  ]);
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n');
  supervised = await supervise(playground);
  api = await callerOf(supervised);
  before = await graph();
  const { paths } = (await api.get('/api/openapi.json')).json as unknown as {
    paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  wanted = requests(paths);
});
afterAll(async () => {
  agent.destroy();
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

function requests(
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>,
): fc.Arbitrary<Wanted> {
  const operations = Object.entries(paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([verb, operation]) => ({ path, verb, operation })),
  );
  // Draining answers 503 from then on, as it should; events never end, as they should.
  const asked = operations.filter(({ path }) => !path.endsWith('/drain') && path !== '/api/events');
  const known = ['far', 'over', 'draft', 'after'];
  return fc.constantFrom(...asked).chain(({ path, verb, operation }) => {
    const body = operation.requestBody ? Object.values(operation.requestBody.content)[0]?.schema : undefined;
    return fc
      .record({
        // The operator gets ids that do not exist, all others the ones that do.
        operator: fc.boolean(),
        known: fc.constantFrom(...known),
        unknown: UNKNOWN_ID,
        token: fc.constantFrom(
          'none',
          'wgt_x',
          `wgl_${'z'.repeat(43)}`,
          `wgc_${'z'.repeat(43)}`,
          'Basic eA==',
        ),
        verb: fc.oneof(
          { weight: 9, arbitrary: fc.constant(verb.toUpperCase()) },
          {
            weight: 1,
            arbitrary: fc.constantFrom('GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'POST'),
          },
        ),
        query: fc.array(
          fc.tuple(
            fc.constantFrom(...(operation.parameters ?? []).map(({ name }) => name), 'x', 'worktree'),
            fc.oneof(
              fc.string({ maxLength: 20, unit: 'binary' }),
              fc.constantFrom('1', '-1', 'true', playground.repo),
            ),
          ),
          { maxLength: 3 },
        ),
        headers: fc.dictionary(
          fc.constantFrom(
            'idempotency-key',
            'if-none-match',
            'prefer',
            'origin',
            'sec-fetch-site',
            'last-event-id',
            'content-encoding',
            'x-http-method-override',
          ),
          fc.oneof(
            fc.string({ maxLength: 30 }),
            fc.constantFrom('*', '"k"', 'wait=0', 'null', 'https://evil.example', 'cross-site', 'DELETE'),
          ),
          { maxKeys: 3 },
        ),
        type: fc.oneof(
          { weight: 8, arbitrary: fc.constant('application/json') },
          {
            weight: 1,
            arbitrary: fc.constantFrom(
              'text/plain',
              'application/x-www-form-urlencoded',
              'multipart/form-data',
              '',
            ),
          },
        ),
        body: fc.oneof(
          {
            weight: 8,
            arbitrary: body
              ? roughly(body).map((value) => JSON.stringify(plainJson(value)))
              : fc.constant(undefined),
          },
          { weight: 1, arbitrary: fc.string({ maxLength: 60, unit: 'binary' }) },
          {
            weight: 1,
            arbitrary: fc.constantFrom('{', '[[[[', `${'['.repeat(3000)}`, '{"__proto__":1}', '\ufeff{}', ''),
          },
        ),
      })
      .map((parts): Wanted => {
        const id = parts.operator ? `no-${parts.unknown}` : parts.known;
        const query = new URLSearchParams(
          parts.query.map(([name, value]): [string, string] => [name, wellFormed(value)]),
        );
        const token = parts.operator ? `Bearer ${api.token}` : parts.token;
        return {
          method: parts.verb,
          path: path
            .replace('{id}', encodeURIComponent(wellFormed(id)))
            .replace('{token}', `wgc_${'q'.repeat(43)}`)
            .replace('{attempt}', encodeURIComponent(wellFormed(id)))
            .concat(parts.query.length > 0 ? `?${query}` : ''),
          headers: {
            ...Object.fromEntries(
              Object.entries(parts.headers).map(([name, value]) => [
                name,
                value.replace(/[^\x20-\x7e]/g, '?'),
              ]),
            ),
            ...(token === 'none' ? {} : { authorization: token.includes(' ') ? token : `Bearer ${token}` }),
            ...(parts.type === '' ? {} : { 'content-type': parts.type }),
          },
          body: parts.body,
        };
      });
  });
}

function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

function send(want: Wanted): Promise<{ readonly status: number; readonly text: string }> {
  const url = new URL(api.url);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: url.hostname,
        port: url.port,
        agent,
        method: want.method,
        path: want.path,
        headers: want.headers,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: JSON.stringify(response.headers) + Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    sent.setTimeout(ANSWER_WITHIN_MS, () => sent.destroy(new Error('no answer: it hangs')));
    // An upload that is refused half-way may be cut off; an answer that never comes is told by the timeout.
    sent.on('error', (error) =>
      'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
        ? resolve({ status: 0, text: '' })
        : reject(error),
    );
    sent.end(want.body);
  });
}

function judge(status: number, text: string): void {
  if (status >= 500) throw new Error(`answered ${status}: ${text.slice(0, 500)}`);
  if (TOKENS.test(text)) throw new Error(`shows a token: ${text.slice(0, 500)}`);
}

test(
  `${REQUESTS} requests made from the description: no 5xx, no hang, no token, no changed graph`,
  async () => {
    await fc.assert(
      fc.asyncProperty(wanted, async (want) => {
        const { status, text } = await send(want);
        judge(status, text);
      }),
      { numRuns: REQUESTS, endOnFailure: REQUESTS > 1000 },
    );
    expect(await graph()).toBe(before);
    expect(supervised.supervisor.state).toBe('running');
  },
  REQUESTS * 50 + 30_000,
);

/** Bytes on the socket; resolves with what came back once the other side is done, or has gone quiet. */
function raw(bytes: Uint8Array): Promise<string> {
  const url = new URL(api.url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(url.port), url.hostname);
    const done = () => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString('latin1'));
    };
    socket.setTimeout(2000, done);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', done);
    socket.on('close', done);
    socket.end(bytes);
  });
}

const GARBAGE = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .tuple(
      fc.constantFrom('GET', 'POST', 'PRI', '\u0000', 'get'),
      fc.constantFrom('/api/health', '*', 'http://evil.example/', '/api/task/%zz', '/../..', ''),
      fc.constantFrom('HTTP/1.1', 'HTTP/9.9', 'HTTP/1.0', ''),
      fc.array(
        fc.constantFrom(
          'Host: 127.0.0.1',
          'Host: evil.example',
          'Content-Length: 5',
          'Content-Length: -1',
          'Content-Length: 99999999999',
          'Transfer-Encoding: chunked',
          'Transfer-Encoding: gzip, chunked',
          'Expect: 100-continue',
          'Upgrade: websocket',
          'Connection: upgrade',
          `X: ${'y'.repeat(20_000)}`,
          ': nothing',
        ),
        { maxLength: 4 },
      ),
      fc.uint8Array({ maxLength: 50 }),
    )
    .map(([method, path, version, headers, body]) =>
      Buffer.concat([Buffer.from(`${method} ${path} ${version}\r\n${headers.join('\r\n')}\r\n\r\n`), body]),
    ),
);

test(
  'raw bytes on the socket: an honest refusal or silence, and the next one is served as ever',
  async () => {
    await fc.assert(
      fc.asyncProperty(GARBAGE, async (bytes) => {
        const answer = await raw(bytes);
        const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
        judge(status, answer);
      }),
      { numRuns: Math.max(50, Math.floor(REQUESTS / 10)) },
    );
    expect((await api.get('/api/health')).status).toBe(200);
    expect(await graph()).toBe(before);
  },
  REQUESTS * 50 + 60_000,
);
