import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { layoutOf } from '../../src/page/layout.ts';

const edge = (from: string, to: string) => ({ from, to });

test('columns go by the longest way, rows do not cross where they need not', () => {
  const { spots, columns } = layoutOf({
    nodes: ['a', 'b', 'c', 'd', 'e'],
    edges: [edge('a', 'b'), edge('b', 'd'), edge('a', 'c'), edge('c', 'e'), edge('a', 'd')],
  });
  expect(columns).toBe(3);
  expect(['a', 'b', 'c', 'd', 'e'].map((node) => spots.get(node)?.column)).toEqual([0, 1, 1, 2, 2]);
  const row = (node: string) => spots.get(node)?.row ?? 0;
  expect(Math.sign(row('b') - row('c'))).toBe(Math.sign(row('d') - row('e')));
});

describe('whatever the graph', () => {
  const graphs = fc.integer({ min: 0, max: 40 }).chain((size) =>
    fc
      .array(fc.tuple(fc.nat(Math.max(0, size - 1)), fc.nat(Math.max(0, size - 1))), { maxLength: 80 })
      .map((pairs) => ({
        nodes: Array.from({ length: size }, (_, n) => `n${n}`),
        edges: pairs.map(([from, to]) => edge(`n${from}`, `n${to}`)),
      })),
  );

  test('every node has a spot of its own, at a row and column that are there', () => {
    fc.assert(
      fc.property(graphs, ({ nodes, edges }) => {
        const { spots, columns } = layoutOf({ nodes, edges });
        expect(spots.size).toBe(nodes.length);
        expect(new Set([...spots.values()].map(({ column, row }) => `${column} ${row}`)).size).toBe(
          nodes.length,
        );
        for (const { column, row } of spots.values()) {
          expect(column).toBeLessThan(columns);
          expect(row).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('without circles every edge leads to the right', () => {
    fc.assert(
      fc.property(graphs, ({ nodes, edges }) => {
        const forward = edges.filter(({ from, to }) => Number(from.slice(1)) < Number(to.slice(1)));
        const { spots } = layoutOf({ nodes, edges: forward });
        for (const { from, to } of forward)
          expect(spots.get(from)?.column ?? 0).toBeLessThan(spots.get(to)?.column ?? 0);
      }),
      { numRuns: 100 },
    );
  });
});
