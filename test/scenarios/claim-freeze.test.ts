// A worker asks for a task that the supervisor is handing over at that very moment: it waits, and no one else waits for it.

import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLocker, type FileLock } from '../../src/platform/flock.ts';
import { callerOf } from '../support/api-calls.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;
let lock: FileLock | null = null;

beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  lock?.release();
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

test('a claim that waits for a task under way leaves the event loop to others, and gets the task', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'early', status: 'done' }]);
  await playground.writeConfig('[executors.remote]\ntype = "external"\n[api]\nlisten = "127.0.0.1:0"\n');
  supervised = await supervise(playground);
  const api = await callerOf(supervised);
  // Someone holds the graph's lock, as any wg command does for a moment: the claim in the graph has to wait.
  const graph = join(playground.repo, '.workgraph');
  lock = await createLocker().acquire(join(graph, 'graph.lock'), { timeoutMs: 10_000 });
  const line = { kind: 'task', id: 'late', title: 'Late', status: 'open', tags: ['executor:remote'] };
  await appendFile(join(graph, 'graph.jsonl'), `${JSON.stringify(line)}\n`);
  await supervised.event('run.opened', 'late');

  const claims = ['w1', 'w2'].map((worker_id) =>
    api.post('/api/tasks/claim', { worker_id, executors: ['remote'], wait_s: worker_id === 'w1' ? 20 : 0.2 }),
  );
  // Its time passes by timer, and the socket is served, while the other one waits.
  expect((await claims[1])?.json.tasks).toEqual([]);
  expect((await api.get('/api/health')).status).toBe(200);
  lock.release();
  lock = null;
  expect((await claims[0])?.json.tasks).toEqual([
    expect.objectContaining({ task: expect.objectContaining({ local_id: 'late' }) }),
  ]);
});
