// Who had what done: written down once, with the name of who asked, over restarts; and the same change to many tasks.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectSupervisor } from '../../src/api/client/client.ts';
import { noteAction } from '../../src/control/actions.ts';
import { createBus } from '../../src/platform/bus.ts';
import { type Caller, callerOf } from '../support/api-calls.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let running: Supervised;
let api: Caller;

beforeEach(async () => {
  playground = await createPlayground();
  const other = await playground.worktree('other');
  await playground.writeGraph(playground.repo, [
    { id: 'broken', exec: 'exit 3' },
    { id: 'asks', tags: ['executor:human'] },
    { id: 'odd', executor: 'nobody', tags: ['old'] },
    { id: 'even', executor: 'nobody' },
  ]);
  await playground.writeGraph(other, [{ id: 'far', executor: 'nobody' }]);
  await playground.writeConfig(
    '[retry]\nattempts = 1\n[api]\nlisten = "127.0.0.1:0"\n[executors.human]\ntype = "external"\n',
  );
  running = await supervise(playground);
  await running.event('run.settled', 'broken');
  api = await callerOf(running);
});
afterEach(async () => {
  await running.stop({ cancelAgents: true });
  await playground.remove();
});

/** Both halves of a session of the page, as headers. */
async function enterPage(): Promise<Record<string, string>> {
  const client = await connectSupervisor({ socket: running.paths.socket });
  if (!client) throw new Error('the supervisor is not there');
  const { url } = await client.openPage('operator');
  client.close();
  const { port } = new URL(url);
  const made = await fetch(`http://127.0.0.1:${port}/page/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code: url.split('#k=')[1] }),
  });
  const { key } = (await made.json()) as { key: string };
  return { cookie: (made.headers.get('set-cookie') ?? '').split(';')[0] ?? '', 'x-page-key': key };
}

const byPage = (headers: Record<string, string>, path: string, body: unknown = {}) =>
  api.call('POST', path, { token: null, headers, body });

const acted = async (query = '') =>
  ((await api.get(`/api/actions${query}`)).json.actions as unknown as Record<string, unknown>[]).map(
    ({ actor, action, task, target, detail }) => [actor, action, task ?? target, detail],
  );

test('the page, a token and the operator are distinguished; pressed twice is once; a restart forgets nothing', async () => {
  const page = await enterPage();
  const once = { ...page, 'idempotency-key': '"one press"' };
  for (const _press of [1, 2]) expect((await byPage(once, '/api/task/broken/retry')).status).toBe(200);
  await running.nth(2, 'run.settled', 'broken');
  await api.post('/api/task/odd/complete', { summary: 'by hand' });
  await api.post('/api/task/odd/complete', { summary: 'by hand' });
  await byPage(page, '/api/control/pause', { target: 'human', reason: 'lunch' });
  const wanted = [
    ['page', 'pause', 'human', 'lunch'],
    ['operator', 'done', 'odd', 'by hand'],
    ['page', 'retry', 'broken', ''],
  ];
  expect(await acted()).toEqual(wanted);
  expect(running.count('action.taken', 'broken')).toBe(1);
  expect(await acted('?task=odd')).toEqual([['operator', 'done', 'odd', 'by hand']]);
  const { actions } = (await api.get('/api/task/broken')).json;
  expect(actions).toMatchObject([{ actor: 'page', action: 'retry', worktree: playground.repo }]);
  await running.stop({ cancelAgents: true });
  running = await supervise(playground);
  api = await callerOf(running);
  expect(await acted()).toEqual(wanted);
});

test('what was refused, what is only looked at, and what a worker reports of its own run, is no action', async () => {
  const page = await enterPage();
  expect((await byPage(page, '/api/task/gone/retry')).status).toBe(404);
  expect((await byPage(page, '/api/task/odd/cancel')).status).toBe(409);
  await api.get('/api/task/odd');
  const claimed = await api.post('/api/task/asks/claim', { worker_id: 'w', lease_s: 0 });
  const { token } = claimed.json.lease as unknown as { token: string };
  await api.post('/api/task/asks/heartbeat', {}, token);
  await api.post('/api/task/asks/complete', { summary: 'made' }, token);
  expect(await acted()).toEqual([]);
});

test('many tasks in several worktrees are paused, resumed and tagged; what cannot be is said of it alone', async () => {
  const page = await enterPage();
  const { tasks } = (await api.get('/api/tasks')).json as unknown as {
    tasks: { id: string; task: string }[];
  };
  const id = (name: string) => tasks.find(({ task }) => task === name)?.id ?? '';
  const many = [id('odd'), id('far'), 'gone'];
  const paused = await byPage(page, '/api/tasks/pause', { tasks: many });
  expect(paused.json).toMatchObject({
    done: 2,
    results: [
      { local_id: 'odd', done: true },
      { local_id: 'far', done: true },
      { task: 'gone', done: false, because: expect.stringContaining('there is no task gone') },
    ],
  });
  const other = `${playground.folder}/other`;
  const line = async (worktree: string, name: string) => (await playground.readGraph(worktree)).get(name);
  expect([await line(playground.repo, 'odd'), await line(other, 'far')]).toMatchObject([
    { paused: true },
    { paused: true },
  ]);
  expect((await api.get('/api/task/far')).json).toMatchObject({ state: 'paused' });
  await byPage(page, '/api/tasks/tag', { tasks: many.slice(0, 2), add: ['area/web'], remove: ['old'] });
  await byPage(page, '/api/tasks/resume', { tasks: [id('far')] });
  expect(await line(playground.repo, 'odd')).toMatchObject({ tags: ['area/web'], paused: true });
  expect(await line(other, 'far')).toMatchObject({ tags: ['area/web'] });
  expect((await line(other, 'far'))?.paused).toBeUndefined();
  await byPage(page, '/api/task/odd/resume');
  await byPage(page, '/api/task/even/tag', { add: ['new'] });
  expect((await acted()).slice(0, 4)).toEqual([
    ['page', 'tag', 'even', '+new'],
    ['page', 'resume', 'odd', ''],
    ['page', 'resume', 'far', ''],
    ['page', 'tag', 'far', '+area/web -old'],
  ]);
});

test('a disk that takes no note keeps nothing from being done, and it is told all the same', () => {
  const bus = createBus(createFakeClock('2026-05-01T00:00:00Z'));
  const heard: string[] = [];
  bus.on(({ name }) => heard.push(name));
  const warned: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (name: string) => void warned.push(name) };
  const ledger = {
    noteAction() {
      throw new Error('disk full');
    },
  };
  const clock = createFakeClock('2026-05-01T00:00:00Z');
  const action = { actor: 'page', action: 'retry', task: 'a', worktree: '/w', target: null, detail: '' };
  noteAction({ ledger, bus, clock, log }, action);
  expect([warned, heard]).toEqual([['action.unwritten'], ['action.taken']]);
});
