import { describe, expect, test } from '@jest/globals';
import { matchesGlob } from '../../src/worktrees/glob.ts';

describe('globs on worktree paths', () => {
  test.each([
    ['feature-*', '/r/feature-1', true],
    ['feature-*', '/feature-1/x', false],
    ['tmp?', '/r/tmp1', true],
    ['tmp?', '/r/tmp12', false],
    ['/r/*', '/r/a', true],
    ['/r/*', '/r/a/b', false],
    ['/r/**', '/r/a/b', true],
    ['/r/**', '/rest', false],
    ['**/wip', '/r/a/wip', true],
    ['**/wip', '/wip', true],
    ['**/wip', '/r/awip', false],
    ['/r/**/b', '/r/b', true],
    ['/r/**/b', '/r/x/y/b', true],
    ['/r/**/b', '/r/xb', false],
    ['/r/a/', '/r/a', true],
    ['/r/a', '/r/a', true],
    ['*', '/r/anything', true],
    ['a.b', '/r/aXb', false],
    ['(x)[y]{z}+^$|-', '/r/(x)[y]{z}+^$|-', true],
    ['a\\b', '/r/a\\b', true],
    ['größe 世*', '/r/größe 世界', true],
    ['two*', '/r/two\nlines', true],
    ['', '/r/a', false],
    ['/', '/', true],
  ])('%j on %j: %p', (glob, path, fits) => expect(matchesGlob(glob, path)).toBe(fits));

  test('a row of stars is no trap', () => {
    expect(matchesGlob(`${'*'.repeat(60)}x`, `/r/${'a'.repeat(2000)}`)).toBe(false);
  });
});
