// The shortest road: one task from open to done, and its dependents after it.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

test('a command task runs in its worktree and is done; the one that waited for it follows', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'first', exec: 'pwd' },
    { id: 'second', after: ['first'], exec: 'echo second' },
  ]);
  await playground.writeConfig('');
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'second');
  const tasks = await playground.readGraph(playground.repo);
  expect(tasks.get('first')).toMatchObject({ status: 'done', assigned: 'agent-1', dispatch_count: 1 });
  expect(tasks.get('second')).toMatchObject({ status: 'done', assigned: 'agent-2' });
  const runs = await supervised.control.runs({});
  expect(runs.map((run) => [run.task, run.phase, run.outcome?.kind])).toEqual([
    ['second', 'settled', 'succeeded'],
    ['first', 'settled', 'succeeded'],
  ]);
});

test('a task that fails stays failed, its dependents wait and say why', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'bad', exec: 'echo no >&2; exit 3' },
    { id: 'next', after: ['bad'], exec: 'echo next' },
  ]);
  await playground.writeConfig('');
  supervised = await supervise(playground);
  await supervised.event('run.settled', 'bad');
  await supervised.supervisor.tick();
  const tasks = await playground.readGraph(playground.repo);
  expect(tasks.get('bad')).toMatchObject({ status: 'failed', retry_count: 1 });
  expect(tasks.get('next')).toMatchObject({ status: 'open' });
  const why = await supervised.control.why({ task: 'next' });
  expect(why).toMatchObject({ state: 'held', code: 'dependency-failed' });
  expect(why.because).toContain('bad');
});

test('a task added while running starts, in a worktree added while running too', async () => {
  await playground.writeConfig('');
  supervised = await supervise(playground);
  const feature = await playground.worktree('feature one');
  await playground.writeGraph(feature, [{ id: 'late', exec: 'basename "$PWD"' }]);
  const settled = await supervised.event('run.settled', 'late');
  expect(settled.worktree).toBe(feature);
});
