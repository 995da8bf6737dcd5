// `run --observe` reports what it would do, touches nothing, and repeats nothing.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Verdict } from '../../src/domain/verdict.ts';
import { createBus } from '../../src/platform/bus.ts';
import { ObservedTasks } from '../../src/supervisor/observed-tasks.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let running: Supervised | null = null;
beforeEach(async () => {
  playground = await createPlayground();
});
afterEach(async () => {
  await running?.stop({ cancelAgents: true });
  running = null;
  await playground.remove();
});

test('a task that would start is told with where it would go, and its graph stays as it is', async () => {
  await playground.writeGraph(playground.repo, [
    { id: 'one', exec: 'true' },
    { id: 'two', after: ['one'] },
  ]);
  await playground.writeConfig('');
  const file = join(playground.repo, '.workgraph', 'graph.jsonl');
  const before = await readFile(file, 'utf8');
  running = await supervise(playground, { observe: true });
  const told = await running.event('task.held', 'one');
  expect(told.because).toContain('it would go to command');
  expect(running.count('task.held', 'two')).toBe(0);
  expect(await readFile(file, 'utf8')).toBe(before);
});

test('it is told once while it stands, and again where it would go elsewhere, or would again', () => {
  const bus = createBus(createFakeClock('2026-05-01T00:00:00Z'));
  const told: string[] = [];
  bus.on((event) => event.name === 'task.held' && told.push(`${event.task}: ${event.because}`));
  const observed = new ObservedTasks(bus);
  const verdict = (task: string, because: string, code = 'observe'): Verdict => ({
    ...{ graph: '/g', task, state: 'held', code, because, nextAt: null, executor: 'command' },
  });
  const a = verdict('a', 'would go to command');
  observed.tell([a, verdict('b', 'no profile', 'no-profile')]);
  observed.tell([a]);
  observed.tell([verdict('a', 'would go to claude')]);
  observed.tell([]);
  observed.tell([a]);
  expect(told).toEqual(['a: would go to command', 'a: would go to claude', 'a: would go to command']);
});
