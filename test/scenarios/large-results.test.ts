// One limit for what is sent (1 MiB) and a small line in the graph: where large results go, by every way in.

import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

const MIB = 1024 * 1024;

let playground: Playground;
let supervised: Supervised;
let api: Caller;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  await playground.remove();
});

async function begin(config = ''): Promise<void> {
  await playground.writeConfig(`${config}[api]\nlisten = "127.0.0.1:0"\n`);
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

interface Given {
  readonly lease: { readonly token: string };
  readonly callback: { readonly complete_url: string; readonly signed_url: string };
}

async function claimed(): Promise<Given> {
  await playground.writeGraph(playground.repo, [{ id: 'job', tags: ['executor:external'] }]);
  await begin();
  await supervised.event('run.handed-off', 'job');
  return (await api.post('/api/task/job/claim', { worker_id: 'w' })).json as unknown as Given;
}

async function line(): Promise<string> {
  const text = await readFile(join(playground.repo, '.workgraph', 'graph.jsonl'), 'utf8');
  return text.split('\n').find((one) => one.includes('"id":"job"')) ?? '';
}

/** The one artifact of the task, parsed. */
async function artifact(): Promise<{ readonly result: { readonly file: string; readonly bytes: number } }> {
  const { artifacts } = JSON.parse(await line()) as { artifacts: string[] };
  return JSON.parse(artifacts[0] ?? 'null');
}

test('nearly a megabyte as JSON: the graph names a file, whole, and every reader of the task is told which', async () => {
  const { lease } = await claimed();
  const body = { result: { rows: 'ü'.repeat(MIB / 2 - 100) }, summary: 'many rows' };
  const done = await api.post('/api/task/job/complete', body, lease.token);
  expect([done.status, done.json.duplicate]).toEqual([200, false]);
  expect((await line()).length).toBeLessThan(2000);
  const { result } = await artifact();
  expect(JSON.parse(await readFile(join(playground.repo, result.file), 'utf8'))).toEqual(body.result);
  expect((await api.get('/api/task/job')).json.artifacts).toEqual([{ result }]);
  const settled = await supervised.event('run.settled', 'job');
  expect(JSON.stringify(settled).length).toBeLessThan(2000);

  const again = await api.post('/api/task/job/complete', body, lease.token);
  expect(again.json).toMatchObject({ duplicate: true });
  expect((await readdir(join(playground.repo, '.workgraph', 'results'))).length).toBe(1);
});

test('a megabyte of bytes through the pre-signed URL is kept byte for byte', async () => {
  const { callback } = await claimed();
  const bytes = Buffer.alloc(MIB);
  for (let n = 0; n < bytes.length; n++) bytes[n] = n % 256;
  const response = await fetch(callback.signed_url, {
    method: 'POST',
    headers: { 'content-type': 'application/zip' },
    body: bytes,
  });
  expect(response.status).toBe(200);
  expect((await line()).length).toBeLessThan(2000);
  const { result } = await artifact();
  const kept = JSON.parse(await readFile(join(playground.repo, result.file), 'utf8'));
  expect(kept.media_type).toBe('application/zip');
  expect(Buffer.from(kept.base64, 'base64').equals(bytes)).toBe(true);
});

test('one byte more is 413 by either way, nothing is kept, and the attempt continues', async () => {
  const { lease, callback } = await claimed();
  for (const [url, token] of [
    [callback.complete_url, lease.token],
    [callback.signed_url, null],
  ] as const) {
    const refused = await api.call('POST', url, { body: `"${'x'.repeat(MIB - 1)}"`, token });
    expect([refused.status, refused.json.code, refused.json.max_bytes]).toEqual([413, 'body-too-large', MIB]);
  }
  expect(await readdir(join(playground.repo, '.workgraph'))).not.toContain('results');
  expect((await api.post('/api/task/job/heartbeat', {}, lease.token)).json.directive).toBe('continue');
});

test('by the operator, for a task that no one claimed, it is the same', async () => {
  await claimed();
  const done = await api.post('/api/task/job/complete', { artifacts: ['a', 'x'.repeat(500_000)] });
  expect(done.status).toBe(200);
  expect((await line()).length).toBeLessThan(2000);
});

test('what an agent answers with is kept so too', async () => {
  const agent = createServer((incoming, outgoing) => {
    incoming.resume().on('end', () => outgoing.end(JSON.stringify({ rows: 'x'.repeat(300_000) })));
  });
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = agent.address() as AddressInfo;
    await playground.writeGraph(playground.repo, [{ id: 'job', tags: ['executor:agent'] }]);
    const profile = `type = "http"\nendpoint = "http://127.0.0.1:${port}/"\ncompletion = "response"\n`;
    await begin(`[executors.agent]\n${profile}`);
    await supervised.event('run.settled', 'job');
    expect(await line()).toContain('.workgraph/results/');
    expect((await line()).length).toBeLessThan(2000);
  } finally {
    agent.close();
  }
});
