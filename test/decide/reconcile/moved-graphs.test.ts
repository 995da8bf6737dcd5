import { describe, expect, test } from '@jest/globals';
import { findMoved, type GoneGraph, type PresentGraph } from '../../../src/decide/reconcile/moved-graphs.ts';

const gone = (graph: string, more: Partial<GoneGraph> = {}): GoneGraph => ({
  graph,
  repo: '/r/.git',
  branch: 'b',
  folder: '1:1',
  isThere: false,
  ...more,
});
const present = (graph: string, more: Partial<PresentGraph> = {}): PresentGraph => ({
  graph,
  repo: '/r/.git',
  branch: 'x',
  folder: '2:2',
  isNew: true,
  holdsRunsOf: new Set(),
  ...more,
});
const B = { from: '/a', to: '/b' };

describe('what proves that a graph was moved', () => {
  test.each<[string, Partial<GoneGraph>, Partial<PresentGraph>, boolean]>([
    ['nothing in common', {}, {}, false],
    ['the same folder', {}, { folder: '1:1', repo: '/other', isNew: false }, true],
    ['two folders that no one looked at', { folder: '' }, { folder: '' }, false],
    ['the folders of its runs', {}, { holdsRunsOf: new Set(['/a']), repo: '/other', isNew: false }, true],
    ['the same branch of the same repository', {}, { branch: 'b' }, true],
    ['the same branch of another repository', {}, { branch: 'b', repo: '/other' }, false],
    ['the same branch, but known before', {}, { branch: 'b', isNew: false }, false],
    ['two detached heads', { branch: null }, { branch: null }, false],
    [
      'a copy of one that is still there',
      { isThere: true },
      { holdsRunsOf: new Set(['/a']), branch: 'b' },
      false,
    ],
  ])('%s', (_what, from, to, isMoved) => {
    expect(findMoved([gone('/a', from)], [present('/b', to)])).toEqual(isMoved ? [B] : []);
  });

  test('what fits two fits none, and the stronger proof goes first', () => {
    const twins = [present('/b', { branch: 'b' }), present('/c', { branch: 'b' })];
    expect(findMoved([gone('/a')], twins)).toEqual([]);
    const both = [present('/b', { branch: 'b' }), present('/c', { folder: '1:1' })];
    expect(findMoved([gone('/a')], both)).toEqual([{ from: '/a', to: '/c' }]);
    // Two that changed places.
    const swapped = findMoved(
      [gone('/a'), gone('/z', { folder: '3:3' })],
      [present('/b', { folder: '3:3' }), present('/c', { folder: '1:1' })],
    );
    expect(swapped).toEqual([
      { from: '/a', to: '/c' },
      { from: '/z', to: '/b' },
    ]);
  });
});
