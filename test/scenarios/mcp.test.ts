// Agents that speak MCP with a whole supervisor: over HTTP, and over the pipes of `supervisor mcp`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { builtCli } from '../support/built-cli.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised;
let api: Caller;

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeConfig('[api]\nlisten = "127.0.0.1:0"\n[executors.outside]\ntype = "external"\n');
});
afterEach(async () => {
  await supervised.stop({ cancelAgents: true });
  await playground.remove();
});

async function start(...tasks: Parameters<Playground['writeGraph']>[1]): Promise<void> {
  await playground.writeGraph(playground.repo, tasks);
  supervised = await supervise(playground);
  api = await callerOf(supervised);
}

const ACCEPT = { accept: 'application/json, text/event-stream' };
let lastId = 0;

/** One request of a client of 2025; its answer may come as an event. */
async function ask(method: string, params: object = {}, token?: string | null) {
  const response = await fetch(`${api.url}/mcp`, {
    method: 'POST',
    headers: {
      ...ACCEPT,
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token ?? api.token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++lastId, method, params }),
  });
  const text = await response.text();
  const data = /^data: ?(.+)$/m.exec(text)?.[1] ?? text;
  const answer = JSON.parse(data) as { result?: never; error?: unknown };
  if (method !== 'tools/call') expect(answer).toHaveProperty('result');
  return { status: response.status, ...answer };
}

async function tool(name: string, args: object = {}, token?: string) {
  const { result } = await ask('tools/call', { name, arguments: args }, token);
  const { content, isError = false } = result as unknown as {
    content: { text: string }[];
    isError?: boolean;
  };
  const text = content[0]?.text ?? '';
  return { isError, text, value: isError ? null : (JSON.parse(text) as Record<string, never>) };
}

const toolNames = async (token?: string) => {
  const { result } = await ask('tools/list', {}, token);
  return (result as unknown as { tools: { name: string; annotations: object }[] }).tools;
};

test('a task is added, asked about, made to wait, taken, asked a person, and completed', async () => {
  await start({ id: 'first', executor: 'outside' });
  await supervised.event('run.handed-off', 'first');
  const tools = await toolNames();
  expect(tools.map(({ name }) => name).sort()).toEqual([
    ...['add_dependency', 'add_task', 'ask', 'complete', 'fail', 'get_task'],
    ...['list_tasks', 'next_task', 'progress', 'why'],
  ]);
  const readOnly = tools.filter(
    ({ annotations }) => 'readOnlyHint' in annotations && annotations.readOnlyHint,
  );
  expect(readOnly.map(({ name }) => name).sort()).toEqual(['get_task', 'list_tasks', 'why']);

  const added = await tool('add_task', { title: 'Second one', executor: 'outside', after: ['first'] });
  expect(added.value).toMatchObject({ task: 'second-one', state: 'waiting' });
  const why = await tool('why', { task: 'second-one' });
  expect(why.value).toMatchObject({ code: 'dependency', because: expect.stringContaining('first') });
  await tool('add_task', { title: 'Third', executor: 'outside' });
  expect((await tool('add_dependency', { task: 'third', after: 'second-one' })).value).toMatchObject({
    after: ['second-one'],
  });
  expect((await tool('add_dependency', { task: 'third', after: 'no-such' })).text).toContain('no-such');

  const taken = await tool('next_task', { worker: 'me' });
  expect(taken.value).toMatchObject({ task: { task: { local_id: 'first' } } });
  await tool('ask', { task: 'first', question: 'Which one?', options: ['a', 'b'] });
  await supervised.control.answer({ task: 'first' }, 'a');
  const going = await tool('progress', { task: 'first', message: 'half' });
  expect(going.value).toMatchObject({ directive: 'continue', answer: 'a' });
  expect(
    (await tool('complete', { task: 'first', summary: 'made', artifacts: { n: 1 } })).value,
  ).toMatchObject({
    status: 'done',
  });
  await supervised.event('run.handed-off', 'second-one');
  expect((await tool('next_task', { worker: 'me' })).value).toMatchObject({
    task: { task: { local_id: 'second-one' } },
  });
  expect((await tool('fail', { task: 'second-one', reason: 'cannot be done' })).value).toMatchObject({
    status: 'failed',
  });
  expect((await tool('list_tasks', { state: 'finished' })).value).toMatchObject({
    tasks: [{ task: 'first' }, { task: 'second-one' }],
  });
});

test("a run's token is about its own task alone", async () => {
  await start({ id: 'own', executor: 'outside' }, { id: 'other' });
  await supervised.event('run.handed-off', 'own');
  const { token } = await supervised.control.claim({ task: 'own' }, 'me');
  expect((await toolNames(token)).map(({ name }) => name).sort()).toEqual([
    ...['ask', 'complete', 'fail', 'get_task', 'progress', 'why'],
  ]);
  expect((await tool('get_task', {}, token)).value).toMatchObject({ task: 'own' });
  for (const name of ['get_task', 'why', 'progress', 'complete'])
    expect(await tool(name, { task: 'other' }, token)).toMatchObject({
      isError: true,
      text: expect.stringContaining('good for the task of its own run only'),
    });
  const { result, error } = await ask('tools/call', { name: 'add_task', arguments: { title: 'x' } }, token);
  expect(JSON.stringify(error ?? result)).toContain('add_task');
  expect((await tool('complete', { summary: 'made' }, token)).value).toMatchObject({ status: 'done' });
  expect((await playground.readGraph(playground.repo)).has('x')).toBe(false);
});

test('no one gets in without a token, or with more in its hand than its scope', async () => {
  await start({ id: 'a', executor: 'outside' });
  expect((await api.call('POST', '/mcp', { body: {}, token: null, headers: ACCEPT })).status).toBe(401);
  expect((await api.call('POST', '/mcp', { body: {}, token: 'wgl_wrong', headers: ACCEPT })).status).toBe(
    401,
  );
  expect((await api.call('GET', '/mcp', { headers: ACCEPT })).status).toBe(405);
  expect((await api.call('POST', '/mcp', { body: '{"no', headers: ACCEPT })).status).toBe(400);
  const huge = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { x: 'y'.repeat(2_000_000) } };
  expect((await api.call('POST', '/mcp', { body: huge, headers: ACCEPT })).status).toBe(413);
});

test('supervisor mcp carries it over pipes, and says when there is no supervisor', async () => {
  await start({ id: 'a', title: 'Say it' });
  const child = spawn(process.execPath, [builtCli(), 'mcp', '--state-dir', playground.stateDir], {
    cwd: playground.repo,
    env: { PATH: process.env.PATH ?? '', HOME: playground.folder },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const answers = new Map<number, { result?: unknown; error?: { message: string } }>();
  let rest = '';
  let heard = () => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as { id: number };
      answers.set(message.id, message as never);
    }
    heard();
  });
  const say = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const answer = async (id: number) => {
    while (!answers.has(id))
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    return answers.get(id);
  };
  const clientInfo = { name: 'test', version: '1' };
  say({
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo },
  });
  expect(await answer(1)).toMatchObject({ result: { serverInfo: { name: 'workgraph-supervisor' } } });
  say({ method: 'notifications/initialized' });
  say({ id: 2, method: 'tools/call', params: { name: 'get_task', arguments: { task: 'a' } } });
  expect(JSON.stringify(await answer(2))).toContain('Say it');
  child.stdin.write('not json\n');
  await supervised.stop({ cancelAgents: true });
  say({ id: 3, method: 'tools/list' });
  expect((await answer(3))?.error?.message).toContain('supervisor');
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
});
