import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseWorktreeList } from '../../src/worktrees/porcelain.ts';

const HEAD = 'e92ac85b0c9dbb2b3a3be2b1c2ec1d7f6a2f7f3e';
const fixture = (name: string) =>
  readFileSync(new URL(`../../fixtures/porcelain/${name}`, import.meta.url), 'utf8');
const plain = {
  main: false,
  bare: false,
  detached: false,
  branch: null,
  head: HEAD,
  locked: null,
  prunable: null,
};

describe('git worktree list --porcelain -z', () => {
  test('every state a worktree can be in', () => {
    expect(parseWorktreeList(fixture('every-state.txt'))).toEqual([
      { ...plain, path: '/r/main', main: true, branch: 'master' },
      { ...plain, path: '/r/feature', branch: 'feat/one' },
      { ...plain, path: '/r/detached', detached: true },
      { ...plain, path: '/r/locked', branch: 'locked', locked: '' },
      { ...plain, path: '/r/locked why', branch: 'why', locked: 'on a stick\n\nHEAD 123' },
      { ...plain, path: '/r/gone', branch: 'gone', prunable: 'gitdir file points to non-existent location' },
      { ...plain, path: '/r/both', detached: true, locked: 'x', prunable: 'y' },
      { ...plain, path: '/r/two\nlines', branch: 'lines' },
      { ...plain, path: '/r/größe 世界', branch: 'größe' },
      { ...plain, path: '/r/bisect', branch: 'refs/bisect/x' },
    ]);
  });

  test('a bare repository, and an unborn branch', () => {
    expect(parseWorktreeList('worktree /b.git\0bare\0\0')).toEqual([
      { ...plain, path: '/b.git', main: true, bare: true, head: null },
    ]);
    expect(parseWorktreeList(`worktree /u\0HEAD ${'0'.repeat(40)}\0branch refs/heads/main\0\0`)).toEqual([
      { ...plain, path: '/u', main: true, head: null, branch: 'main' },
    ]);
  });

  test('nothing, what is cut off, and what a later git may add', () => {
    expect(parseWorktreeList('')).toEqual([]);
    expect(parseWorktreeList(`worktree /a\0HEAD ${HEAD}`)).toHaveLength(1);
    expect(parseWorktreeList('novelty x\0\0worktree /a\0novelty\0\0').map(({ path }) => path)).toEqual([
      '/a',
    ]);
  });

  test('whatever paths and reasons hold, each entry comes back whole', () => {
    const name = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(fc.record({ path: name, reason: name }), { maxLength: 5 }), (entries) => {
        const text = entries
          .map(({ path, reason }) => `worktree ${path}\0HEAD ${HEAD}\0detached\0locked ${reason}\0\0`)
          .join('');
        expect(parseWorktreeList(text).map(({ path, locked }) => ({ path, reason: locked }))).toEqual(
          entries,
        );
      }),
    );
  });
});
