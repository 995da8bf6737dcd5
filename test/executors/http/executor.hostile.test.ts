// Endpoints that mean harm, or are broken in ways that look like it: whatever they send, a dispatch ends in bounded time
// and memory with one of the meanings of the table, and nothing of the supervisor goes where it should not.

import { readdir, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { HttpDelivery, HttpProfile } from '../../../src/domain/profile.ts';
import type { HttpExecutorParts } from '../../../src/executors/http/options.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import {
  eagerClock,
  executor,
  json,
  listen,
  outcomeOf,
  recordingLog,
  runControl,
  TOKEN,
  tidying,
} from './support.ts';

const tidy = tidying();
afterEach(() => tidy.run());

const { assign } = tidy;

/** A server that speaks for itself: `act` gets each connection once the request's first bytes are there. */
async function raw(act: (socket: Socket, before: number) => void): Promise<{ url: string; count(): number }> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    socket.once('data', () => act(socket, count++));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  tidy.add({
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/t`, count: () => count };
}

/** Writes a piece again and again as fast as the other side takes it, until the connection is gone. */
function pour(socket: Socket, piece: string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
    if (!socket.destroyed) socket.once('drain', more);
  };
  more();
}

/** Writes one byte every few milliseconds, for ever. */
function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 10);
  socket.on('close', () => clearInterval(timer));
}

const SHORT: Partial<HttpDelivery> = { connectMs: 50, responseMs: 200, attempts: 1 };

/** Dispatches for real, within short times; the result, and how long it took, ms. */
async function dispatch(
  url: string,
  changes: Partial<HttpProfile> = {},
  parts: Partial<HttpExecutorParts> = {},
) {
  const assignment = await assign({ endpoint: url, delivery: SHORT, ...changes });
  const start = performance.now();
  const begun = await executor({ clock: systemClock(), ...parts }).begin(assignment, runControl());
  const output = await readFile(join(assignment.folder, 'output.log'), 'utf8').catch(() => '');
  return { begun, output, ms: performance.now() - start };
}

const unreachable = { kind: 'ended', outcome: { kind: 'failed', failure: 'unreachable', retryable: true } };

/** Twice the connection time and the answer's, and what a busy machine may add. */
const BOUND_MS = 10_000;

describe('hostile or broken agents', () => {
  test.each([
    ['callback', 4096],
    ['response', 65_536],
  ] as const)('an endless answer to completion = %p is cut off, the connection closed, and %p bytes kept', async (completion, kept) => {
    const server = tidy.add(
      await listen((_q, r) => {
        r.writeHead(200, { 'content-type': 'application/json' });
        const pour = () => {
          while (r.write('x'.repeat(65_536)));
          r.once('drain', pour);
        };
        r.on('error', () => {});
        pour();
      }),
    );
    const assignment = await assign({ endpoint: server.url, completion });
    const begun = await executor({ limits: { maxResultBytes: 65_536 } }).begin(assignment, runControl());
    expect(begun.kind).toBe(completion === 'callback' ? 'handed-off' : 'ended');
    const output = await readFile(join(assignment.folder, 'output.log'), 'utf8');
    expect(output.length).toBeGreaterThanOrEqual(kept);
    expect(output.length).toBeLessThan(kept + 500);
  });

  test('one that accepts the connection and says nothing is given up in time', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
    const delivery = { connectMs: 50, responseMs: 100, attempts: 1 };
    const given = executor({ clock: systemClock(), delivery });
    const callback = await given.begin(await assign({ endpoint }), runControl());
    const response = await given.begin(await assign({ endpoint, completion: 'response' }), runControl());
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
    expect(outcomeOf(callback)).toMatchObject({ failure: 'unreachable' });
    expect(outcomeOf(response)).toMatchObject({ failure: 'timeout', retryable: true });
  });

  test('one that speaks no HTTP is unreachable, not a crash', async () => {
    const babble = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('SSH-2.0-OpenSSH_9.2\r\n'),
    );
    await new Promise<void>((resolve) => babble.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(babble.address() as AddressInfo).port}/`;
    const given = executor({ delivery: { attempts: 1 } });
    const plain = await given.begin(await assign({ endpoint }), runControl());
    const tls = await given.begin(
      await assign({ endpoint: endpoint.replace('http:', 'https:') }),
      runControl(),
    );
    await new Promise((resolve) => babble.close(resolve));
    expect(outcomeOf(plain)).toMatchObject({ failure: 'unreachable' });
    expect(outcomeOf(tls)).toMatchObject({ failure: 'unreachable' });
  });

  test('tokens and secrets that it sends back are kept nowhere', async () => {
    const { log, text } = recordingLog();
    const secret = 'sk-configured-secret';
    const server = tidy.add(
      await listen((q, r) =>
        json(r, 200, { status: 'done', summary: `got ${q.headers['x-key']}`, result: q }),
      ),
    );
    const assignment = await assign({ endpoint: server.url, headers: { 'x-key': { env: 'KEY' } } });
    const begun = await executor({ log, variables: { KEY: secret } }).begin(assignment, runControl());
    expect(server.received[0]?.body).toContain(TOKEN);
    const output = await readFile(join(assignment.folder, 'output.log'), 'utf8');
    for (const kept of [JSON.stringify(begun), output, text()]) {
      expect(kept).not.toContain(TOKEN);
      expect(kept).not.toContain(secret);
    }
    expect(outcomeOf(begun)).toMatchObject({ kind: 'succeeded', summary: 'got [redacted]' });
  });

  test.each([
    422, 202,
  ])('credentials and query of an endpoint that answers %p are not told', async (status) => {
    const { log, text } = recordingLog();
    const server = tidy.add(await listen((_q, r) => json(r, status, {}, { location: '/s/1' })));
    const endpoint = server.url.replace('http://', 'http://joe:pass-word@').concat('/t?access=query-secret');
    const assignment = await assign({ endpoint, completion: 'poll' });
    const begun = await executor({ log }).begin(assignment, runControl());
    expect(server.received[0]).toMatchObject({
      path: '/t?access=query-secret',
      headers: { authorization: `Basic ${Buffer.from('joe:pass-word').toString('base64')}` },
    });
    const output = await readFile(join(assignment.folder, 'output.log'), 'utf8');
    for (const kept of [JSON.stringify(begun), output, text()])
      expect(kept).not.toMatch(/pass-word|query-secret/);
  });

  test('a run whose folder is gone is dispatched all the same', async () => {
    const { log, text } = recordingLog();
    const server = tidy.add(await listen((_q, r) => json(r, 202, {})));
    const assignment = await assign({ endpoint: server.url });
    await rm(assignment.folder, { recursive: true });
    expect((await executor({ log }).begin(assignment, runControl())).kind).toBe('handed-off');
    expect(text()).toContain('http.output-lost');
    await expect(readdir(assignment.folder)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a status line that comes byte by byte and never ends', async () => {
    const { url } = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
      drip(socket, 'a');
    });
    const { begun, ms } = await dispatch(url);
    expect(begun).toMatchObject(unreachable);
    expect(ms).toBeLessThan(BOUND_MS);
  });

  test.each([
    [200, unreachable],
    [202, { kind: 'handed-off' }],
  ])('a body to %p that comes byte by byte and never ends', async (status, expected) => {
    const { url } = await raw((socket) => {
      socket.write(`HTTP/1.1 ${status} OK\r\ncontent-length: 100000\r\n\r\n{"status":`);
      drip(socket, ' ');
    });
    const { begun, ms } = await dispatch(url, { delivery: { ...SHORT, responseMs: 1500 } });
    expect(begun).toMatchObject(expected);
    expect(ms).toBeLessThan(BOUND_MS);
  });

  test('an answer that is the result and never ends is cut off at its time limit, and may be tried again', async () => {
    const { url } = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      drip(socket, ' ');
    });
    const { begun, ms } = await dispatch(url, { completion: 'response' });
    expect(outcomeOf(begun)).toMatchObject({ kind: 'failed', retryable: true });
    expect(ms).toBeLessThan(BOUND_MS);
  });

  test('one that never reads what it is sent', async () => {
    const { url } = await raw((socket) => void socket.pause());
    const body = { context: 'x'.repeat(200_000) };
    const { begun, ms } = await dispatch(url, { body });
    expect(begun).toMatchObject(unreachable);
    expect(ms).toBeLessThan(BOUND_MS);
  });

  test('a small body that would be a large one is not unpacked, and is said to be coded', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const coded = tidy.add(
      await listen((request, response) => {
        expect(request.headers['accept-encoding']).toBe('identity');
        response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' });
        response.end(bomb);
      }),
    );
    const { begun, output } = await dispatch(coded.url, { delivery: { attempts: 1 } });
    expect(begun.kind).toBe('handed-off');
    expect(output).toMatch(/\d+ bytes in content-encoding gzip, which was not requested/);
    const result = await dispatch(coded.url, { completion: 'response', delivery: { attempts: 1 } });
    expect(outcomeOf(result.begun)).toEqual({
      kind: 'succeeded',
      summary: expect.stringMatching(/larger than|content-encoding gzip/),
    });
  });

  test.each<[string, (socket: Socket) => void]>([
    ['one header without end', (socket) => pour(socket, 'x'.repeat(65_536))],
    ['headers without end', (socket) => pour(socket, 'x-more: yes\r\n'.repeat(1000))],
    [
      'informational answers without end',
      (socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
    ],
    [
      'an extension of a chunk without end',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;');
        pour(socket, 'x=y;'.repeat(1000));
      },
    ],
    [
      'trailers without end',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n');
        pour(socket, 'x-more: yes\r\n'.repeat(1000));
      },
    ],
  ])('%s', async (_what, flood) => {
    const { url } = await raw((socket) => {
      if (!_what.includes('informational') && !/chunk|trailers/.test(_what))
        socket.write('HTTP/1.1 200 OK\r\n');
      flood(socket);
    });
    const { begun, ms, output } = await dispatch(url);
    expect(begun).toMatchObject(unreachable);
    expect(ms).toBeLessThan(BOUND_MS);
    expect(output.length).toBeLessThan(10_000);
  });

  test('informational answers before the real one are passed over', async () => {
    const { url } = await raw((socket) => {
      socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(50));
      socket.write('HTTP/1.1 103 Early Hints\r\nlocation: http://evil.example/\r\n\r\n'.repeat(50));
      socket.end('HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n');
    });
    const { begun } = await dispatch(url, { delivery: { attempts: 1 } });
    expect(begun).toMatchObject({ kind: 'handed-off', reference: null });
  });

  test.each<[string, string]>([
    [
      'another protocol',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    ],
    ['a status of four digits', 'HTTP/1.1 2020 OK\r\n\r\n'],
    ['a status that is no number', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}'],
    ['a length below zero', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}'],
    ['a chunk that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}'],
    ['a null byte in a header', 'HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n{}'],
  ])('%s is trouble, and tried again', async (_what, answer) => {
    const taken = 'HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n';
    const { url, count } = await raw((socket, before) => void socket.end(before === 0 ? answer : taken));
    const { begun } = await dispatch(url, { delivery: { attempts: 2, backoffMs: 1 } });
    expect(begun.kind).toBe('handed-off');
    expect(count()).toBe(2);
  });

  test('a connection that is reset in the middle of an outcome has told none', async () => {
    const { url } = await raw((socket, before) => {
      if (before > 0)
        return void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"status":"failed"} ');
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"status":"completed"}', () =>
        socket.resetAndDestroy(),
      );
    });
    const { begun } = await dispatch(url, { delivery: { attempts: 2, backoffMs: 1 } });
    expect(outcomeOf(begun)).toMatchObject({ kind: 'failed', failure: 'reported' });
  });

  test('what follows a whole answer is not read', async () => {
    const { url } = await raw((socket) =>
      socket.end(
        'HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{"status":"completed"}',
      ),
    );
    expect((await dispatch(url, { delivery: { attempts: 1 } })).begun.kind).toBe('handed-off');
  });

  test.each<[string, Buffer, object]>([
    [
      'bytes that are no UTF-8',
      Buffer.from([...Buffer.from('{"status":"completed","summary":"a'), 0xff, 0xc3, ...Buffer.from('b"}')]),
      { kind: 'succeeded', summary: 'a\ufffd\ufffdb' },
    ],
    ['a byte order mark', Buffer.from('\ufeff{"status":"completed"}'), { kind: 'succeeded' }],
    ['UTF-16', Buffer.from('{"status":"completed"}', 'utf16le'), { kind: 'handed-off' }],
    [
      'a key that is a prototype',
      Buffer.from('{"status":"completed","result":{"__proto__":{"polluted":1}}}'),
      { kind: 'succeeded' },
    ],
    [
      'brackets without end',
      Buffer.from(`{"status":"completed","result":${'['.repeat(30_000)}`),
      { kind: 'handed-off' },
    ],
    [
      'a null character',
      Buffer.from('{"status":"completed","summary":"a\\u0000b"}'),
      { kind: 'succeeded', summary: 'a\u0000b' },
    ],
  ])('%s', async (_what, body, expected) => {
    const server = tidy.add(await listen((_request, response) => void response.writeHead(200).end(body)));
    const { begun } = await dispatch(server.url, { delivery: { attempts: 1 } });
    expect(begun.kind === 'ended' ? begun.outcome : begun).toMatchObject(expected);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('a client that lost count of its own times is ended by ours', async () => {
    let expire = () => {};
    const clock = {
      ...eagerClock(),
      after: (ms: number, act: () => void) => {
        expect(ms).toBe(50 * 2 + 200 + 5000);
        expire = act;
        return () => {};
      },
    };
    const client: NonNullable<HttpExecutorParts['client']> = (_request, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve({ kind: 'none', timedOut: false, message: 'ended' }));
        expire();
      });
    const { begun } = await dispatch('http://127.0.0.1:1/', {}, { clock, client });
    expect(begun).toMatchObject(unreachable);
  });

  test('an answer after the end of the attempt comes too late', async () => {
    const control = runControl();
    let answerLate = () => {};
    const server = tidy.add(
      await listen((_request, response) => {
        answerLate = () => json(response, 200, { status: 'completed' });
        control.stop('timeout');
      }),
    );
    const begun = await executor({ clock: systemClock() }).begin(
      await assign({ endpoint: server.url }),
      control,
    );
    answerLate();
    expect(outcomeOf(begun)).toMatchObject({ kind: 'failed', failure: 'timeout' });
  });

  test('an answer that is the result is not waited for beyond the deadline', async () => {
    const { url } = await raw(() => {});
    const clock = systemClock();
    const assignment = await assign(
      { endpoint: url, completion: 'response', delivery: { connectMs: 50 } },
      { deadlineAt: clock.now() + 150 },
    );
    const start = performance.now();
    const begun = await executor({ clock }).begin(assignment, runControl());
    expect(outcomeOf(begun)).toMatchObject({ failure: 'timeout' });
    expect(performance.now() - start).toBeLessThan(BOUND_MS);
  });

  test.each([
    'http://169.254.169.254/latest/meta-data/iam',
    '//evil.example/status',
    'https://127.0.0.1:1/status',
    'http://joe:secret@evil.example/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    '\\\\evil.example\\share',
  ])('a Location of %s is not asked: the task is, below the endpoint', async (location) => {
    const server = tidy.add(
      await listen((request, response) =>
        request.method === 'POST'
          ? json(response, 202, {}, { location })
          : json(response, 200, { status: 'done', summary: request.path }),
      ),
    );
    const lookup: NonNullable<HttpExecutorParts['lookup']> = async (name) => {
      throw new Error(`asked for ${name}`);
    };
    const assignment = await assign({
      endpoint: `${server.url}/api`,
      completion: 'poll',
      headers: { authorization: 'Bearer of-the-endpoint' },
    });
    const asking = executor({ lookup });
    const begun = await asking.begin(assignment, runControl());
    if (begun.kind !== 'handed-off') throw new Error('not taken');
    const handle = { ...begun, process: null, adopted: false };
    expect(await asking.attend(assignment, handle, runControl())).toEqual({
      kind: 'succeeded',
      summary: '/api/wt3f9a~build-api',
    });
    expect(server.received).toHaveLength(2);
  });

  test('a Location keeps no user and password, and is asked with those of the endpoint', async () => {
    const server = tidy.add(
      await listen((request, response) =>
        request.method === 'POST'
          ? json(response, 202, {}, { location: `http://evil:words@${request.headers.host}/s/1` })
          : json(response, 200, { status: 'done' }),
      ),
    );
    const endpoint = server.url.replace('http://', 'http://joe:pass-word@');
    const assignment = await assign({ endpoint, completion: 'poll' });
    const begun = await executor().begin(assignment, runControl());
    expect(begun).toMatchObject({ reference: `${server.url}/s/1` });
    if (begun.kind !== 'handed-off') throw new Error('not taken');
    await executor().attend(assignment, { ...begun, process: null, adopted: false }, runControl());
    expect(server.received[1]).toMatchObject({
      path: '/s/1',
      headers: { authorization: `Basic ${Buffer.from('joe:pass-word').toString('base64')}` },
    });
  });
});
