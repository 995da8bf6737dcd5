// A look at a large graph that takes as long as it likes: the other graphs do not wait for it, and what it finds counts.

import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { GraphStore } from '../../src/graph/store.ts';
import { createPlayground, type Playground } from '../support/playground.ts';
import { type Supervised, supervise } from '../support/supervised.ts';

let playground: Playground;
let supervised: Supervised | null = null;
let isHeld = false;
let letGo: (() => void)[] = [];
let looks = 0;

beforeEach(async () => {
  playground = await createPlayground();
  isHeld = false;
  letGo = [];
  looks = 0;
});
afterEach(async () => {
  release();
  await supervised?.stop({ cancelAgents: true });
  supervised = null;
  await playground.remove();
});

function release(): void {
  isHeld = false;
  for (const go of letGo.splice(0)) go();
}

/** The store of the large graph, whose readings last until they are released. */
const slow = (store: GraphStore): GraphStore =>
  store.graph !== join(playground.repo, '.workgraph')
    ? store
    : {
        ...store,
        async refresh() {
          looks++;
          if (isHeld) await new Promise<void>((resolve) => letGo.push(resolve));
          return await store.refresh();
        },
      };

const large = (more: readonly { id: string; exec: string }[] = []) => [
  ...Array.from({ length: 6000 }, (_, n) => ({ id: `t${n}`, status: 'done' })),
  ...more,
];

test('a small graph is dispatched while a large one is read, and then the large one is', async () => {
  const small = await playground.worktree('small');
  await playground.writeGraph(playground.repo, large());
  await playground.writeGraph(small, [{ id: 'first', exec: 'true' }]);
  await playground.writeConfig('');
  supervised = await supervise(playground, { wrap: { store: slow } });
  await supervised.event('run.settled', 'first');
  await supervised.supervisor.quiet();
  isHeld = true;
  const before = looks;
  await playground.writeGraph(playground.repo, large([{ id: 'late', exec: 'true' }]));
  supervised.supervisor.markDirty(join(playground.repo, '.workgraph'));
  await playground.writeGraph(small, [
    { id: 'first', exec: 'true', status: 'done' },
    { id: 'second', exec: 'true' },
  ]);
  supervised.supervisor.markDirty(join(small, '.workgraph'));
  await supervised.event('run.settled', 'second');
  expect(looks).toBeGreaterThan(before);
  expect(supervised.count('run.opened', 'late')).toBe(0);
  release();
  await supervised.event('run.settled', 'late');
});

test('the end waits for a reading that is under way', async () => {
  await playground.writeGraph(playground.repo, large());
  await playground.writeConfig('');
  supervised = await supervise(playground, { wrap: { store: slow } });
  await supervised.supervisor.quiet();
  isHeld = true;
  supervised.supervisor.markDirty(join(playground.repo, '.workgraph'));
  let isStopped = false;
  const stopping = supervised.stop({ cancelAgents: true }).then(() => {
    isStopped = true;
  });
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(isStopped).toBe(false);
  release();
  await stopping;
});
