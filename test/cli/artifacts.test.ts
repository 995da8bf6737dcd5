import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseArtifacts, readArtifacts } from '../../src/cli/artifacts.ts';

function trouble(text: string): string {
  try {
    parseArtifacts(text, '--artifacts');
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'usage', hint: expect.stringContaining('--artifacts') });
    return (thrown as Error).message;
  }
  throw new Error(`${text} was taken`);
}

describe('parseArtifacts', () => {
  test.each([
    ['{result: 1}', 'unexpected "r" at line 1, column 2'],
    ['{"a": 1,}', 'unexpected "}" at line 1, column 9'],
    ['{"a": nope}', 'unexpected "o" at line 1, column 8'],
    ['["o", nope]', 'unexpected "o" at line 1, column 8'],
    [
      '{"abc": "a long enough text",\n"def": nope, "ghi": "and more of it"}',
      'unexpected "o" at line 2, column 9',
    ],
    ['{"a": "b', 'it ends too early (line 1, column 9)'],
    ['{"a":', 'it ends too early (line 1, column 6)'],
    ['hello', 'unexpected "h" at line 1, column 1'],
    ["{'a': 1}", 'unexpected "\'" at line 1, column 2'],
    ['{"a": 1} x', 'unexpected "x" at line 1, column 10'],
    ['  ', 'is empty'],
  ])('%j says where', (text, words) => {
    expect(trouble(text)).toContain(words);
  });

  test('takes every JSON value, and a byte order mark in front', () => {
    expect(parseArtifacts('\ufeff{"a": [1, null]}', 'x')).toEqual({ a: [1, null] });
    expect(parseArtifacts('"text"', 'x')).toBe('text');
    expect(parseArtifacts('0', 'x')).toBe(0);
  });

  test('a huge broken text gives a short sentence', () => {
    expect(trouble(`[${'1,'.repeat(200_000)}x]`).length).toBeLessThan(200);
  });
});

describe('readArtifacts', () => {
  const stdin = (text: string | null) => ({
    isTTY: text === null,
    read: async () => text ?? '',
    ask: async () => null,
  });

  test('from a file, named in the trouble', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'supervisor-artifacts-'));
    try {
      writeFileSync(join(folder, 'good.json'), '{"ok": true}\n');
      writeFileSync(join(folder, 'bad.json'), '{"ok": }');
      const context = { cwd: folder, stdin: stdin(null) };
      expect(await readArtifacts('@good.json', context)).toEqual({ ok: true });
      await expect(readArtifacts('@bad.json', context)).rejects.toThrow(join(folder, 'bad.json'));
      await expect(readArtifacts('@none.json', context)).rejects.toMatchObject({ code: 'usage' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('from stdin, which must not be a terminal', async () => {
    expect(await readArtifacts('-', { cwd: '/', stdin: stdin('[1]') })).toEqual([1]);
    await expect(readArtifacts('-', { cwd: '/', stdin: stdin(null) })).rejects.toMatchObject({
      code: 'usage',
    });
  });
});
