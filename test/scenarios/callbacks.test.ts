// Whether agents can report back is known before anything is claimed for them, and a claim that comes to nothing is
// released.

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, supervisor } from '../support/actors.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;
let server: Server | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  server?.closeAllConnections();
  server?.close();
  server = null;
  await playground.remove();
});

const taskOf = async (id: string) => (await playground.readGraph(playground.repo)).get(id);

/** An agent that accepts everything and is never finished before `over`; what it was asked, in order. */
async function agent(): Promise<{ url: string; asked: string[]; finish(): void }> {
  const asked: string[] = [];
  let status = 'running';
  server = createServer((request, response) => {
    request.resume();
    asked.push(`${request.method} ${request.headers['x-back'] ?? ''}`);
    response.writeHead(request.method === 'POST' ? 202 : 200, { 'content-type': 'application/json' });
    response.end(request.method === 'POST' ? '{}' : JSON.stringify({ status }));
  });
  const listening = server;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  return {
    url,
    asked,
    finish: () => {
      status = 'completed';
    },
  };
}

test('run --once ends and lists what could not be called back; nothing was claimed or sent', async () => {
  const { url, asked } = await agent();
  await playground.writeGraph(playground.repo, [
    { id: 'outside', executor: 'remote' },
    { id: 'told', executor: 'teller' },
    { id: 'local', exec: 'echo local' },
  ]);
  await playground.writeConfig(`
[api]
listen = "off"
[executors.remote]
type = "http"
endpoint = "${url}"
completion = "callback"
[executors.teller]
type = "command"
command = ["echo", "{{callback.complete_url}}"]
`);
  const ended = await supervisor(playground, ['run', '--once', '--json']);
  expect(ended.status).toBe(0);
  const lines = ended.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const last = lines.at(-1) as { status: { held: { task: string; code: string; because: string }[] } };
  const { held } = last.status;
  expect(held.map(({ task, code }) => [task, code]).sort()).toEqual([
    ['outside', 'executor-unavailable'],
    ['told', 'executor-unavailable'],
  ]);
  for (const { because } of held) expect(because).toContain('[api] listen is off');
  expect(ended.stdout + ended.stderr).not.toContain('run.broken');
  expect(lines.filter((line) => line.name === 'run.claimed').map((line) => line.task)).toEqual(['local']);
  expect(asked).toEqual([]);
  for (const id of ['outside', 'told']) {
    expect(await taskOf(id)).toMatchObject({ status: 'open' });
    expect(await taskOf(id)).not.toHaveProperty('assigned');
  }
  expect(await taskOf('local')).toMatchObject({ status: 'done' });
});

test('a template that names the callback URL has it, though no other profile is called back', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'by-words', executor: 'words' },
    { id: 'by-shell', executor: 'shell' },
  ]);
  const file = (name: string) => join(playground.folder, name);
  await playground.writeConfig(`
[executors.words]
type = "command"
command = ["sh", "-c", "printf %s \\"$0\\" >'${file('words')}'", "{{callback.complete_url}}"]
[executors.shell]
type = "command"
shell = "printf %s {{callback.complete_url}} >'${file('shell')}'"
`);
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'by-words');
  await supervised.event('run.settled', 'by-shell');
  const shape = (id: string) => new RegExp(`^http://127\\.0\\.0\\.1:\\d+/api/task/[^/]+${id}/complete$`);
  expect(await readFile(file('words'), 'utf8')).toMatch(shape('by-words'));
  expect(await readFile(file('shell'), 'utf8')).toMatch(shape('by-shell'));
});

test('what was handed off before TCP was switched off is attended to all the same', async () => {
  const { url, asked, finish } = await agent();
  const config = (listen: string) => `
[api]
listen = "${listen}"
[executors.remote]
type = "http"
endpoint = "${url}"
headers = { x-back = "{{callback.complete_url}}" }
completion = "poll"
poll_interval = "20ms"
`;
  await playground.writeGraph(playground.repo, [{ id: 'outside', executor: 'remote' }]);
  await playground.writeConfig(config('auto'));
  supervised = await supervise(playground);
  await supervised.event('run.handed-off', 'outside');
  expect(asked[0]).toMatch(/^POST http:\/\/127\.0\.0\.1:\d+\/.*\/complete$/);
  await supervised.stop({ cancelAgents: false });
  await playground.writeConfig(config('off'));
  supervised = await supervise(playground);
  await supervised.event('run.adopted', 'outside');
  finish();
  await supervised.event('run.settled', 'outside');
  expect(await taskOf('outside')).toMatchObject({ status: 'done' });
  expect(asked.filter((line) => line.startsWith('POST'))).toHaveLength(1);
});

test('a run that breaks between its claim and its start gives the claim back at once', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'broken', exec: 'echo never' }]);
  await playground.writeConfig('');
  supervised = await supervise(playground, { executors: new Map() });
  const running = supervised;
  await running.event('run.claimed', 'broken');
  await running.event('run.released', 'broken');
  const task = await taskOf('broken');
  expect(task).toMatchObject({ status: 'open' });
  expect(task).not.toHaveProperty('assigned');
  // It rests: what broke just now would break again.
  const why = await eventually(async () => {
    const found = await running.control.why({ task: 'broken' });
    return found.code === 'run-broken' ? found : null;
  });
  expect(why).toMatchObject({ state: 'held', because: expect.stringContaining('no executor of type') });
  await running.supervisor.quiet();
  expect(running.count('run.claimed', 'broken')).toBe(1);
  expect(await running.control.runs({ open: true, limit: 10 })).toEqual([]);
});

test('a delivery that was interrupted is released where no one could report its end any more', async () => {
  let posts = 0;
  // Takes the message and does not answer: the supervisor stops without knowing whether it arrived.
  const mute = createServer(() => posts++);
  server = mute;
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const { port } = mute.address() as AddressInfo;
  const config = (listen: string) =>
    `[api]\nlisten = "${listen}"\n[executors.remote]\ntype = "http"\nendpoint = "http://127.0.0.1:${port}"\n`;
  await playground.writeGraph(playground.repo, [{ id: 'outside', executor: 'remote' }]);
  await playground.writeConfig(config('auto'));
  supervised = await supervise(playground);
  await eventually(async () => (posts > 0 ? true : null));
  await supervised.stop({ cancelAgents: false });
  expect(await taskOf('outside')).toMatchObject({ status: 'in-progress' });
  await playground.writeConfig(config('off'));
  supervised = await supervise(playground);
  await supervised.event('run.released', 'outside');
  await supervised.supervisor.quiet();
  expect(await taskOf('outside')).toMatchObject({ status: 'open' });
  expect(await supervised.control.why({ task: 'outside' })).toMatchObject({ code: 'executor-unavailable' });
  expect(posts).toBe(1);
});
