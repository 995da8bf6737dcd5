import { describe, expect, test } from '@jest/globals';
import { shortPath } from '../../src/cli/context.ts';
import { fakeContext } from './fake-surroundings.ts';

describe('createContext', () => {
  test('the width is the terminal on a terminal, COLUMNS where exported, else unlimited', () => {
    expect(fakeContext({ isTTY: true, columns: 72 }).width).toBe(72);
    expect(fakeContext({ isTTY: true }).width).toBe(80);
    expect(fakeContext({}).width).toBe(Number.POSITIVE_INFINITY);
    expect(fakeContext({ variables: { COLUMNS: '40' } }).width).toBe(40);
    expect(fakeContext({ variables: { COLUMNS: 'wide' }, isTTY: true, columns: 90 }).width).toBe(90);
  });

  test('JSON is never coloured', () => {
    expect(fakeContext({ isTTY: true }).colored).toBe(true);
    expect(fakeContext({ isTTY: true, flags: { json: true } }).colored).toBe(false);
    expect(fakeContext({ isTTY: true, flags: { color: false } }).colored).toBe(false);
  });

  test('--config and --state-dir mean paths from the current folder', async () => {
    const context = fakeContext({ cwd: '/work', flags: { config: 'a.toml', stateDir: '../s' } });
    const paths = await context.paths();
    expect(paths.configFile).toBe('/work/a.toml');
    expect(paths.configNamed).toBe(true);
    expect(paths.stateDir).toBe('/s');
  });
});

test('shortPath puts ~ for the home folder, whole folder names only', () => {
  const context = fakeContext({ home: '/home/me' });
  expect(shortPath('/home/me/src', context)).toBe('~/src');
  expect(shortPath('/home/me', context)).toBe('~');
  expect(shortPath('/home/medea', context)).toBe('/home/medea');
});
