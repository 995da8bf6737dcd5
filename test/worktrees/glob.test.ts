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
    ['{feature,fix}-*', '/r/fix-1', true],
    ['{feature,fix}-*', '/r/wip-1', false],
    ['tmp[0-9]', '/r/tmp7', true],
    ['!tmp', '/r/other', false],
    ['*', '/r/.bare', true],
    ['\\(x\\)^$-', '/r/(x)^$-', true],
    ['größe 世*', '/r/größe 世界', true],
    ['two*', '/r/two\nlines', true],
    ['', '/r/a', false],
    ['/', '/', true],
  ])('%j on %j: %p', (glob, path, fits) => expect(matchesGlob(glob, path)).toBe(fits));

  test('a row of stars is no trap', () => {
    expect(matchesGlob(`${'*'.repeat(60)}x`, `/r/${'a'.repeat(2000)}`)).toBe(false);
  });
});
