import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  backEdgeKey,
  backEdgeMembers,
  backEdges,
  compareBytes,
  lazyBackEdges,
} from '../../../src/decide/readiness/cycles.ts';
import { task, tasksById } from '../../support/tasks.ts';

/** `{ b: ['a'] }`: b waits for a. */
function edgesOf(graph: Record<string, string[]>): string[] {
  const tasks = Object.entries(graph).map(([id, after]) => task(id, { after }));
  return [...backEdges(tasks)].map((key) => key.replace('\u0000', ' → ')).sort();
}

describe('back-edges', () => {
  test('a graph without cycles has none', () => {
    expect(edgesOf({ a: [], b: ['a'], c: ['a', 'b'], d: ['gone'] })).toEqual([]);
  });

  test('an isolated cycle begins at the first id', () => {
    expect(edgesOf({ a: ['c'], b: ['a'], c: ['b'] })).toEqual(['c → a']);
  });

  test('a cycle entered from outside begins where it is entered', () => {
    expect(edgesOf({ start: [], a: ['c'], b: ['a', 'start'], c: ['b'] })).toEqual(['a → b']);
  });

  test('one entered at several places begins at the first of them', () => {
    expect(edgesOf({ start: [], a: ['c'], b: ['a', 'start'], c: ['b', 'start'] })).toEqual(['a → b']);
  });

  test('a task that waits for itself', () => {
    expect(edgesOf({ a: ['a'], b: ['a'] })).toEqual(['a → a']);
  });

  test('two cycles that share a task', () => {
    expect(edgesOf({ a: ['b', 'c'], b: ['a'], c: ['a'] })).toEqual(['b → a', 'c → a']);
  });

  test('an inner cycle has its own back-edge', () => {
    expect(edgesOf({ a: ['d'], b: ['a', 'c'], c: ['b'], d: ['c'] })).toEqual(['c → b', 'd → a']);
  });

  test("wg's scaffolding closes no cycle", () => {
    expect(edgesOf({ a: ['.assign-a'], '.assign-a': ['a'] })).toEqual([]);
    expect(edgesOf({ a: ['.other-a'], '.other-a': ['a'] })).toEqual(['a → .other-a']);
  });

  test('the order of lines in the file does not matter', () => {
    expect(edgesOf({ c: ['b'], b: ['a'], a: ['c'] })).toEqual(edgesOf({ a: ['c'], b: ['a'], c: ['b'] }));
  });

  test('a ring of a hundred thousand is no recursion', () => {
    const count = 100_000;
    const name = (i: number) => `t${String(i % count).padStart(6, '0')}`;
    const tasks = Array.from({ length: count }, (_, i) => task(name(i), { after: [name(i + count - 1)] }));
    expect([...backEdges(tasks)]).toEqual([backEdgeKey(name(count - 1), name(0))]);
  });

  test('fifty thousand small cycles are found in linear time', () => {
    const tasks = Array.from({ length: 50_000 }, (_, i) => [
      task(`a${i}`, { after: [`b${i}`] }),
      task(`b${i}`, { after: [`a${i}`] }),
    ]).flat();
    expect(backEdges(tasks).size).toBe(50_000);
  });
});

describe('property: against the definition, written plainly', () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', '.assign-a'];
  const graphs = fc.array(fc.array(fc.constantFrom(...ids, 'gone'), { maxLength: 4 }), {
    minLength: ids.length,
    maxLength: ids.length,
  });

  test('the same edges', () => {
    fc.assert(
      fc.property(graphs, (afters) => {
        const tasks = ids.map((id, i) => task(id, { after: afters[i] ?? [] }));
        expect([...backEdges(tasks)].sort()).toEqual(plainBackEdges(tasks).sort());
      }),
      { numRuns: 500 },
    );
  });

  test('without its back-edges no graph has a cycle', () => {
    fc.assert(
      fc.property(graphs, (afters) => {
        const tasks = ids.map((id, i) => task(id, { after: afters[i] ?? [] }));
        const found = backEdges(tasks);
        const rest = tasks.map((one) => ({
          ...one,
          after: one.after.filter((dependency) => !found.has(backEdgeKey(dependency, one.id))),
        }));
        expect(backEdges(rest).size).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});

/** docs/design/wg-rules.md 4.4 as straight recursion. */
function plainBackEdges(tasks: readonly { id: string; after: readonly string[] }[]): string[] {
  const nodes = tasks.filter((one) => !one.id.startsWith('.assign-')).sort((a, b) => (a.id < b.id ? -1 : 1));
  const next = new Map<string, string[]>(nodes.map((one) => [one.id, []]));
  for (const one of nodes) for (const dependency of one.after) next.get(dependency)?.push(one.id);
  const reach = (from: string): Set<string> => {
    const seen = new Set<string>();
    const visit = (id: string) => {
      for (const target of next.get(id) ?? [])
        if (!seen.has(target)) {
          seen.add(target);
          visit(target);
        }
    };
    visit(from);
    return seen;
  };
  const reachable = new Map(nodes.map((one) => [one.id, reach(one.id)]));
  const together = (a: string, b: string) =>
    a === b || (reachable.get(a)?.has(b) && reachable.get(b)?.has(a));
  const found: string[] = [];
  const done = new Set<string>();
  for (const { id } of nodes) {
    if (done.has(id) || !reachable.get(id)?.has(id)) continue;
    const members = nodes.map((one) => one.id).filter((other) => together(id, other));
    for (const member of members) done.add(member);
    const entered = members.filter((member) =>
      nodes.some((one) => !members.includes(one.id) && next.get(one.id)?.includes(member)),
    );
    const path: string[] = [];
    const seen = new Set<string>();
    const walk = (node: string) => {
      seen.add(node);
      path.push(node);
      for (const target of next.get(node) ?? []) {
        if (!members.includes(target)) continue;
        if (path.includes(target)) found.push(backEdgeKey(node, target));
        else if (!seen.has(target)) walk(target);
      }
      path.pop();
    };
    walk(entered[0] ?? members[0] ?? id);
  }
  return [...new Set(found)];
}

describe('beside it', () => {
  test('members of a cycle', () => {
    const tasks = tasksById([
      task('a', { after: ['c'] }),
      task('b', { after: ['a'] }),
      task('c', { after: ['b'] }),
      task('d', { after: ['c'] }),
    ]);
    expect([...backEdgeMembers(tasks, 'b')].sort()).toEqual(['a', 'b', 'c']);
    expect(backEdgeMembers(tasks, 'd').size).toBe(0);
    expect(backEdgeMembers(tasks, 'gone').size).toBe(0);
  });

  test('the lazy answer is the same', () => {
    const tasks = tasksById([task('a', { after: ['b'] }), task('b', { after: ['a'] })]);
    const isBackEdge = lazyBackEdges(tasks);
    expect([isBackEdge('b', 'a'), isBackEdge('a', 'b')]).toEqual([true, false]);
  });

  test('ids are ordered by their bytes, as Rust orders them', () => {
    const texts = ['z', 'a', 'aa', 'Z', 'é', '\uFFFD', '\u{1F600}', '', '\uE000', '.x'];
    const expected = [...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect([...texts].sort(compareBytes)).toEqual(expected);
  });
});
