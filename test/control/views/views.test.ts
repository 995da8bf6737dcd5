// The wider views over a real supervisor, each held against its own description.

import { Agent } from 'node:http';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { callSocket } from '../../../src/api/client/client-call.ts';
import * as answers from '../../../src/api/shapes/view-answers.ts';
import { PATIENCE } from '../../support/patience.mjs';
import { createPlayground, type Playground } from '../../support/playground.ts';
import { type Supervised, supervise } from '../../support/supervised.ts';

let playground: Playground;
let running: Supervised;
const agent = new Agent();

beforeEach(async () => {
  playground = await createPlayground();
  await playground.writeGraph(playground.repo, [
    { id: 'hello', exec: 'echo one; echo two' },
    { id: 'broken', exec: 'echo no >&2; exit 3' },
    { id: 'later', after: ['broken'] },
    // Half a day from now, and made just now: nothing was missed.
    {
      id: 'nightly',
      schedule: `30 ${(new Date().getUTCHours() + 12) % 24} * * *`,
      exec: 'true',
      created_at: new Date().toISOString(),
    },
    { id: 'odd', executor: 'nobody' },
  ]);
  await playground.writeConfig('[supervisor]\ntimezone = "UTC"\n[retry]\nattempts = 1\n');
  running = await supervise(playground);
  await Promise.all([running.event('run.settled', 'hello'), running.event('run.settled', 'broken')]);
});
afterEach(async () => {
  await running.stop({ cancelAgents: true });
  await playground.remove();
});

const get = (path: string) =>
  callSocket({ socket: running.paths.socket, agent, method: 'GET', path, timeoutMs: 20_000 * PATIENCE });
const post = (path: string, body: unknown) =>
  callSocket({
    socket: running.paths.socket,
    agent,
    method: 'POST',
    path,
    body,
    timeoutMs: 20_000 * PATIENCE,
  });

test('the overview leads with what needs a person, and says what comes next', async () => {
  const found = answers.overviewAnswer.parse(await get('/api/overview'));
  expect(found.inbox.map(({ task }) => task).sort()).toEqual(['broken', 'odd']);
  expect(found.next).toMatchObject([{ task: 'nightly', state: 'scheduled' }]);
});

test('the digest counts what ended, once', async () => {
  const found = answers.digestAnswer.parse(await get('/api/digest'));
  expect([found.done, found.failed, found.runs]).toEqual([1, 1, 2]);
  const future = encodeURIComponent(new Date(Date.parse(found.until) + 3_600_000).toISOString());
  expect(await get(`/api/digest?since=${future}`)).toMatchObject({ done: 0, failed: 0, items: [] });
});

test('pressure, next work, repositories and graphs', async () => {
  const pressure = answers.pressureAnswer.parse(await get('/api/pressure'));
  expect(pressure.reasons).toContainEqual(expect.objectContaining({ code: 'no-profile', tasks: 1 }));
  expect(pressure.profiles.find(({ name }) => name === 'command')?.day).toMatchObject({ runs: 2, failed: 1 });
  await post('/api/control/pause', { target: 'command', reason: 'lunch' });
  const paused = answers.pressureAnswer.parse(await get('/api/pressure'));
  expect(paused.profiles.find(({ name }) => name === 'command')?.paused?.because).toContain('lunch');
  expect(answers.nextWorkAnswer.parse(await get('/api/next-work?limit=5')).tasks).toHaveLength(1);
  const { repos } = answers.reposAnswer.parse(await get('/api/repos'));
  expect(repos).toMatchObject([{ worktrees: [playground.repo], counts: { done: 1, failed: 1 } }]);
  const graph = answers.graphAnswer.parse(
    await get(`/api/graph?worktree=${encodeURIComponent(playground.repo)}`),
  );
  expect(graph.edges).toEqual([{ from: 'broken', to: 'later' }]);
});

test('a task: its neighbours and its history', async () => {
  const near = answers.neighboursAnswer.parse(await get('/api/task/broken/neighbours?up=1&down=1'));
  expect(near.nodes.map(({ task, depth }) => [task, depth])).toEqual([
    ['broken', 0],
    ['later', 1],
  ]);
  const history = answers.historyAnswer.parse(await get('/api/task/broken/history'));
  expect(history.spans.at(-1)).toMatchObject({ kind: 'runs', code: 'failed', attempt: 1 });
});

test('schedules with what is due', async () => {
  const { schedules } = answers.timetableAnswer.parse(await get('/api/schedules'));
  expect(schedules).toMatchObject([{ task: 'nightly', zone: 'UTC', last: [] }]);
  expect(schedules[0]?.next).toHaveLength(1);
});

test('what a run wrote', async () => {
  const { runs } = (await get('/api/runs?task=hello')) as { runs: { run: string }[] };
  const path = `/api/runs/${runs[0]?.run}/output`;
  const found = answers.outputAnswer.parse(await get(path));
  expect(found).toMatchObject({ text: 'one\ntwo\n', over: true, from: 0, to: 8, size: 8 });
  expect(await get(`${path}?from=4&bytes=100`)).toMatchObject({ text: 'two\n' });
  await expect(get('/api/runs/run_none/output')).rejects.toThrow('no run');
});

test('many tasks in one go: what cannot be done is said, and keeps nothing else from being done', async () => {
  const found = answers.manyAnswer.parse(
    await post('/api/tasks/retry', { tasks: ['broken', 'gone', 'broken'] }),
  );
  expect(found).toMatchObject({
    done: 1,
    results: [
      { task: 'broken', done: true },
      { task: 'gone', done: false },
    ],
  });
  await running.nth(2, 'run.settled', 'broken');
  await expect(post('/api/tasks/cancel', { tasks: [] })).rejects.toThrow();
});
