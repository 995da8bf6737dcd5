import { expect, test } from '@jest/globals';
import { neighboursOf } from '../../../src/control/views/neighbours.ts';
import { decide } from '../../../src/decide/decide.ts';
import type { Task } from '../../../src/domain/task.ts';
import { graphView, task, world } from '../../support/tasks.ts';

function around(
  focus: string,
  tasks: readonly Task[],
  reach: Partial<{ up: number; down: number; limit: number }> = {},
) {
  const view = graphView('shop', tasks);
  const found = neighboursOf(view, decide(world([view])), focus, { up: 2, down: 2, limit: 80, ...reach });
  return { ...found, depths: Object.fromEntries(found.nodes.map((node) => [node.task, node.depth])) };
}

const CHAIN = [
  task('a', { status: 'done' }),
  task('b', { after: ['a'] }),
  task('c', { after: ['b'] }),
  task('d', { after: ['c'] }),
  task('e', { after: ['d', 'b'] }),
  task('aside', { after: ['c'] }),
];

test('gives this many steps up and down, with counts of what lies beyond', () => {
  const found = around('c', CHAIN, { up: 1, down: 1 });
  expect(found.depths).toEqual({ c: 0, b: -1, d: 1, aside: 1 });
  expect(found.nodes.find((node) => node.task === 'b')).toMatchObject({ hidden_up: 1, hidden_down: 1 });
  expect(found.nodes.find((node) => node.task === 'd')).toMatchObject({ hidden_up: 0, hidden_down: 1 });
});

test('marks the longest chain of unfinished tasks through the task', () => {
  const found = around('c', CHAIN);
  expect(
    found.nodes
      .filter(({ critical }) => critical)
      .map((node) => node.task)
      .sort(),
  ).toEqual(['b', 'c', 'd', 'e']);
  expect(found.critical_tasks).toBe(4);
  expect(found.edges).toContainEqual({ from: 'a', to: 'b', critical: false });
  expect(around('a', CHAIN).critical_tasks).toBe(0);
});

test('never shows more than asked for, the nearest first', () => {
  const many = [task('hub'), ...Array.from({ length: 500 }, (_, n) => task(`leaf-${n}`, { after: ['hub'] }))];
  const found = around('hub', many);
  expect(found.nodes).toHaveLength(80);
  expect(found.nodes[0]).toMatchObject({ task: 'hub', hidden_down: 421 });
});

test('takes circles, dependencies that are not there, and chains longer than a stack is deep', () => {
  const circle = [task('x', { after: ['y', 'gone'] }), task('y', { after: ['x'] })];
  expect(around('x', circle).depths).toEqual({ x: 0, y: -1 });
  const deep = Array.from({ length: 30_000 }, (_, n) =>
    task(`t${n}`, { after: n === 0 ? [] : [`t${n - 1}`] }),
  );
  expect(around('t0', deep).critical_tasks).toBe(30_000);
});
