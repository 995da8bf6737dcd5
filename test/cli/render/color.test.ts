import { describe, expect, test } from '@jest/globals';
import { colors, statePaint, wantsColor } from '../../../src/cli/render/color.ts';

describe('wantsColor', () => {
  test.each([
    ['a terminal', {}, true, false, true],
    ['a pipe', {}, false, false, false],
    ['--no-color', {}, true, true, false],
    ['NO_COLOR', { NO_COLOR: '1' }, true, false, false],
    ['NO_COLOR beats FORCE_COLOR', { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false, false],
    ['an empty NO_COLOR says nothing', { NO_COLOR: '' }, true, false, true],
    ['FORCE_COLOR in a pipe', { FORCE_COLOR: '1' }, false, false, true],
    ['FORCE_COLOR=0', { FORCE_COLOR: '0' }, true, false, false],
    ['--no-color beats FORCE_COLOR', { FORCE_COLOR: '1' }, true, true, false],
    ['a dumb terminal', { TERM: 'dumb' }, true, false, false],
  ])('%s', (_what, variables, isTTY, noColor, wanted) => {
    expect(wantsColor({ variables, isTTY, noColor })).toBe(wanted);
  });
});

test('painters that are off change nothing', () => {
  expect(statePaint('failed', colors(false))('x')).toBe('x');
  expect(statePaint('failed', colors(true))('x')).not.toBe('x');
  expect(statePaint('some state of tomorrow', colors(true))('x')).toBe('x');
});
