import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { handClock, startApi, type TestApi } from '../api-kit.ts';

let api: TestApi;
let clock: ReturnType<typeof handClock>;
const streams: IncomingMessage[] = [];
beforeEach(async () => {
  clock = handClock(1_700_000_000_000);
  api = await startApi({ clock });
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.destroy();
  await api.stop();
});

interface Reader {
  /** Resolves when the text so far fits. */
  until(fits: (text: string) => boolean): Promise<string>;
  readonly stream: IncomingMessage;
}

async function listen(lastId?: string): Promise<Reader> {
  const stream = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
    request({ socketPath: api.socket, path: '/api/events', agent: false, headers }, resolve)
      .on('error', reject)
      .end();
  });
  streams.push(stream);
  stream.setEncoding('utf8');
  let text = '';
  stream.on('data', (chunk: string) => {
    text += chunk;
  });
  const reader: Reader = {
    stream,
    async until(fits) {
      while (!fits(text)) await once(stream, 'data');
      return text;
    },
  };
  await reader.until((so) => so.includes('retry:'));
  return reader;
}

const healed = (graph: string) => api.control.emit({ name: 'graph.healed', at: clock.now(), graph });
const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
const graphsIn = (text: string) => [...text.matchAll(/"graph":"([^"]+)"/g)].map((match) => match[1]);

test('events arrive with rising ids, their names and their fields', async () => {
  const reader = await listen();
  expect(reader.stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(reader.stream.headers['cache-control']).toBe('no-store');
  healed('/a');
  healed('/b\nline');
  const text = await reader.until((so) => so.includes('/b'));
  const [first = 0, second] = idsIn(text);
  expect(second).toBe(first + 1);
  expect(text).toContain(
    `id: ${first}\nevent: graph.healed\ndata: {"name":"graph.healed","at":1700000000000,"graph":"/a"}\n\n`,
  );
  expect(text).toContain('"graph":"/b\\nline"}\n\n');
});

describe('Last-Event-ID', () => {
  test('replays what came after it, once, and then continues', async () => {
    const before = await listen();
    for (const graph of ['/1', '/2', '/3']) healed(graph);
    const [, second] = idsIn(await before.until((so) => so.includes('/3')));
    const reader = await listen(String(second));
    healed('/4');
    const text = await reader.until((so) => so.includes('/4'));
    expect(graphsIn(text)).toEqual(['/3', '/4']);
    expect(text).not.toContain('stream.gap');
  });

  test('the newest id replays nothing', async () => {
    const before = await listen();
    healed('/1');
    const [only] = idsIn(await before.until((so) => so.includes('/1')));
    const reader = await listen(String(only));
    healed('/2');
    expect(graphsIn(await reader.until((so) => so.includes('/2')))).toEqual(['/2']);
  });

  test('more than a thousand events ago: the gap is told, and the last thousand come', async () => {
    const before = await listen();
    healed('/first');
    const [first] = idsIn(await before.until((so) => so.includes('/first')));
    for (let i = 0; i < 1500; i++) healed(`/g${i}`);
    const reader = await listen(String(first));
    const text = await reader.until((so) => so.includes('/g1499'));
    expect(text).toContain('event: stream.gap');
    const graphs = graphsIn(text);
    expect([graphs.length, graphs[0]]).toEqual([1000, '/g500']);
  });

  test.each([
    '1',
    '8999999999999999',
  ])('an id of another life (%s) gets the gap and all that is kept', async (id) => {
    healed('/1');
    const reader = await listen(id);
    const text = await reader.until((so) => so.includes('/1'));
    expect(text).toContain('event: stream.gap');
  });

  test.each(['', 'x', '-1', '1e3', '9'.repeat(30)])('nonsense (%j) means from now on', async (id) => {
    healed('/1');
    const reader = await listen(id);
    healed('/2');
    expect(graphsIn(await reader.until((so) => so.includes('/2')))).toEqual(['/2']);
  });

  test('ids continue rising after a restart', async () => {
    healed('/1');
    const before = await listen('1');
    const [old = 0] = idsIn(await before.until((so) => so.includes('/1')));
    await api.server.stop();
    clock.advance(1);
    await api.server.start();
    const reader = await listen(String(old));
    healed('/2');
    const [next = 0] = idsIn(await reader.until((so) => so.includes('/2')));
    expect(next).toBeGreaterThan(old);
  });
});

test('large events do not fill the memory: the oldest are released', async () => {
  const large = 'x'.repeat(1024 * 1024);
  for (let i = 0; i < 12; i++) healed(`/${i}${large}`);
  const reader = await listen('1');
  const text = await reader.until((so) => so.includes('/11x') && so.endsWith('\n\n'));
  expect(graphsIn(text).map((graph) => graph?.slice(0, 3))).toEqual([
    '/5x',
    '/6x',
    '/7x',
    '/8x',
    '/9x',
    '/10',
    '/11',
  ]);
});

test('a reader that does not read is cut off, and the others continue', async () => {
  const lazy = await listen();
  lazy.stream.pause();
  const closed = once(lazy.stream, 'close').catch(() => []);
  const reader = await listen();
  const large = 'x'.repeat(512 * 1024);
  for (let i = 0; i < 12; i++) {
    healed(`/${i}${large}`);
    await reader.until((so) => so.includes(`/${i}x`));
  }
  lazy.stream.resume();
  await closed;
  healed('/end');
  await reader.until((so) => so.includes('/end'));
});

test('a silent stream says every 15 s that it lives', async () => {
  const reader = await listen();
  clock.advance(14_999);
  clock.advance(1);
  clock.advance(15_000);
  const text = await reader.until((so) => so.split(': keep-alive\n\n').length === 3);
  expect(text).not.toContain('event:');
});

test('a reader that hangs up is forgotten; a stop ends the others and listens no more', async () => {
  const gone = await listen();
  gone.stream.destroy();
  const reader = await listen();
  healed('/1');
  await reader.until((so) => so.includes('/1'));
  expect(api.control.listeners()).toBe(1);
  const ended = once(reader.stream, 'end');
  await api.server.stop();
  await ended;
  expect(api.control.listeners()).toBe(0);
});

test('HEAD tells the type and opens no stream', async () => {
  const answer = await api.ask({ method: 'HEAD', path: '/api/events' });
  expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([
    200,
    'text/event-stream',
    '',
  ]);
});
