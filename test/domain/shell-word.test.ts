import { expect, test } from '@jest/globals';
import { shellWord } from '../../src/domain/shell-word.ts';

test('what a shell would read otherwise is quoted', () => {
  expect(['build-cart', "it's", '$(rm)', '', '~/plans', '/a/b.md:3'].map(shellWord)).toEqual([
    'build-cart',
    "'it'\\''s'",
    "'$(rm)'",
    "''",
    "'~/plans'",
    '/a/b.md:3',
  ]);
});
