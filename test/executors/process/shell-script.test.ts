import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { shellScript } from '../../../src/executors/process/shell-script.ts';

describe('shell texts', () => {
  test('what the shell parses never depends on a value', () => {
    const piece = fc.constantFrom("'", '"', '\\', '$(', ')', '(', '#', '\n', ' ', 'x', '{{task.title}}', '`');
    fc.assert(
      fc.property(fc.array(piece), fc.string(), fc.string(), (pieces, one, other) => {
        const template = pieces.join('');
        const first = shellScript(template, () => one);
        expect(shellScript(template, () => other).text).toBe(first.text);
        expect(first.values).toEqual(first.values.map(() => one.replaceAll('\0', '')));
      }),
    );
  });

  test('a text without placeholders is left as it is', () => {
    const text = 'echo "$1" \'$2\' # {{ no\n';
    expect(shellScript(text, () => 'x')).toEqual({ text, values: [] });
  });

  test.each([
    ['a {{task.id}}', 'a "<1>"'],
    ['a "b {{task.id}}"', 'a "b <1>"'],
    ["a 'b {{task.id}}'", `a 'b '"<1>"''`],
    ['a \\" {{task.id}}', 'a \\" "<1>"'],
    ['a "$(b {{task.id}})" "{{task.id}}"', 'a "$(b "<1>")" "<2>"'],
    ["x{{task.id}}#don't {{task.id}}", `x"<1>"#don't '"<2>"'`],
    ["a # don't\nb {{task.id}}", 'a # don\'t\nb "<1>"'],
  ])('%j', (template, expected) => {
    const { text } = shellScript(template, () => 'v');
    expect(text.replace(/^.*?; shift \d; /, '').replace(/\$\{supervisor_(\d)\}/g, '<$1>')).toBe(expected);
  });
});
