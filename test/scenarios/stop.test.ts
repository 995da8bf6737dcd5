// Once `stop` has resolved nothing of the supervisor touches a graph any more, not even what no one waits for.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Executor } from '../../src/executors/executor.ts';
import { nextTurn } from '../../src/platform/cooperative.ts';
import type { Registry } from '../../src/wg/registry.ts';
import { eventually } from '../support/actors.ts';
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

test.each([
  true,
  false,
])('what was handed off and still writes is waited for (agents cancelled: %s)', async (cancelAgents) => {
  await playground.writeGraph(playground.repo, [{ id: 'a', tags: ['outside'] }]);
  await playground.writeConfig('[executors.outside]\ntype = "external"\nmatch = ["outside"]\n');
  const order: string[] = [];
  const slow = (executor: Executor): Executor => ({
    ...executor,
    async attend(assignment, handle, control) {
      const outcome = await executor.attend(assignment, handle, control);
      for (let turn = 0; turn < 500; turn++) await nextTurn();
      await writeFile(join(assignment.folder, 'last-words.txt'), 'bye');
      order.push('written');
      return outcome;
    },
  });
  supervised = await supervise(playground, {
    wrap: { executor: (executor) => (executor.type === 'external' ? slow(executor) : executor) },
  });
  await supervised.event('run.handed-off', 'a');
  await supervised.stop({ cancelAgents });
  order.push('stopped');
  expect(order).toEqual(['written', 'stopped']);
});

test('what the registry of a graph that was released is still to be told is waited for', async () => {
  await playground.writeGraph(playground.repo, [{ id: 'a', exec: 'true' }]);
  await playground.writeConfig('');
  const order: string[] = [];
  const slow = (registry: Registry): Registry => ({
    ...registry,
    async flush() {
      order.push('begun');
      for (let turn = 0; turn < 500; turn++) await nextTurn();
      await registry.flush();
      order.push('written');
    },
  });
  supervised = await supervise(playground, { wrap: { registry: slow } });
  await supervised.event('run.settled', 'a');
  await writeFile(playground.configFile, '[limits]\nsafety_pass = "1s"\n');
  await supervised.control.reload();
  await eventually(() => Promise.resolve(order.includes('begun')));
  await supervised.stop({ cancelAgents: true });
  order.push('stopped');
  expect(order).toEqual(['begun', 'written', 'stopped']);
});
