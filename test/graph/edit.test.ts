import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { appendLogTo, editLine, taskLine } from '../../src/graph/edit.ts';
import { strictLine } from '../../src/graph/wg-validation.ts';

const odd = readFileSync(join(import.meta.dirname, '../../fixtures/graphs/odd-text.jsonl'), 'utf8').split(
  '\n',
);
const [spaced = '', numbers = '', , escapes = ''] = odd;

describe('editing a line', () => {
  test('a changed value takes the place of the old one, the rest keeps its spelling', () => {
    expect(editLine(spaced, { status: 'done' })).toBe(spaced.replace('"status": "open"', '"status": "done"'));
    expect(editLine(numbers, { title: 'N' })).toBe(numbers.replace('"Numbers"', '"N"'));
    expect(editLine(escapes, { status: 'done' })).toBe(escapes.replace('"status":"open"', '"status":"done"'));
  });

  test('a new key goes to the end', () => {
    expect(editLine('{"a":1}', { b: [1, { c: null }] })).toBe('{"a":1,"b":[1,{"c":null}]}');
    expect(editLine('{"a":1 }\r', { b: 2 })).toBe('{"a":1,"b":2 }\r');
    expect(editLine('{}', { b: 2 })).toBe('{"b":2}');
    expect(editLine('{ }', { b: 2, c: 3 })).toBe('{"b":2,"c":3}');
  });

  test('undefined removes a key, wherever it stands', () => {
    expect(editLine('{"a":1,"b":2,"c":3}', { a: undefined })).toBe('{"b":2,"c":3}');
    expect(editLine('{"a":1,"b":2,"c":3}', { b: undefined })).toBe('{"a":1,"c":3}');
    expect(editLine('{"a":1,"b":2,"c":3}', { c: undefined })).toBe('{"a":1,"b":2}');
    expect(editLine('{ "a": 1, "b": 2 }', { a: undefined, b: undefined })).toBe('{  }');
    expect(editLine('{"a":1,"b":2}', { a: undefined, b: undefined, c: 3 })).toBe('{"c":3}');
    expect(editLine('{"a":1}', { x: undefined })).toBe('{"a":1}');
  });

  test('equal values change nothing, however they are spelled', () => {
    expect(editLine(numbers, { one: 1, thousand: 1000, estimate: { hours: 2 }, cents: 100.5 })).toBe(numbers);
    expect(editLine(spaced, { tags: ['a', 'b'], title: 'Odd spacing' })).toBe(spaced);
  });

  test('old key names are kept, and never stand beside the new ones', () => {
    const old = '{"kind":"task","id":"t","title":"T","blocked_by":["a"]}';
    expect(editLine(old, { after: ['b'] })).toBe(old.replace('["a"]', '["b"]'));
    expect(editLine(old, { after: undefined })).toBe('{"kind":"task","id":"t","title":"T"}');
    expect(editLine(old, { before: ['x'] })).toBe(old.replace('}', ',"before":["x"]}'));
    expect(editLine('{"after":["a"]}', { blocked_by: ['b'] })).toBe('{"after":["b"]}');
    expect(editLine('{"a":1}', { blocks: ['b'] })).toBe('{"a":1,"before":["b"]}');
  });

  test('a repeated unknown key is left once when it is set', () => {
    expect(editLine(escapes, { note: 3 })).toBe(escapes.replace('"note":1,"note":2', '"note":3'));
    expect(editLine(escapes, { note: undefined })).toBe(escapes.replace(',"note":1,"note":2', ''));
  });

  test('half surrogate pairs become replacement characters', () => {
    const edited = editLine('{"kind":"task","id":"t","title":"T"}', {
      title: 'a\ud800b',
      x: { '\udc00': ['\ud800'] },
    });
    expect(edited).toBe('{"kind":"task","id":"t","title":"a\ufffdb","x":{"\ufffd":["\ufffd"]}}');
    expect(strictLine(edited)).toBeNull();
  });

  test('text that looks like a replacement pattern is taken literally', () => {
    const edited = editLine(' {"title":"x"} ', { title: "$& $1 $' $$" });
    expect(JSON.parse(edited).title).toBe("$& $1 $' $$");
  });
});

describe('appending to the log', () => {
  const entry = { timestamp: '2026-05-01T00:00:00Z', message: 'next' };
  test('old entries keep their spelling and their unknown keys', () => {
    expect(appendLogTo(escapes, [entry])).toBe(
      escapes.replace('"extra":1.50}]', `"extra":1.50},${JSON.stringify(entry)}]`),
    );
  });
  test('a log is made where there is none or an empty one', () => {
    expect(appendLogTo('{"a":1}', [entry])).toBe(`{"a":1,"log":[${JSON.stringify(entry)}]}`);
    expect(appendLogTo('{"log":[ ],"a":1}', [entry])).toBe(`{"log":[${JSON.stringify(entry)}],"a":1}`);
    expect(appendLogTo('{"a":1}', [])).toBe('{"a":1}');
  });
});

test('a new line begins with what wg always writes', () => {
  expect(
    taskLine({ tags: ['x'], title: 'T', blocked_by: ['a'], id: 't', verify: undefined, kind: 'no' }),
  ).toBe('{"kind":"task","id":"t","title":"T","status":"open","priority":10,"tags":["x"],"after":["a"]}');
});

test('any value set on any object is what is read afterwards, and nothing else changed', () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), value, { maxKeys: 6 }),
      fc.dictionary(fc.string(), fc.oneof(value, fc.constant(undefined)), { maxKeys: 4 }),
      fc.constantFrom(undefined, 2, '\t'),
      (object, changes, indent) => {
        fc.pre(['after', 'before', 'blocks', 'blocked_by'].every((k) => !(k in object) && !(k in changes)));
        const text = JSON.stringify(object, null, indent).replaceAll('\n', ' ');
        const edited = JSON.parse(editLine(text, changes));
        const expected = JSON.parse(JSON.stringify({ ...JSON.parse(text), ...changes }));
        expect(edited).toEqual(expected);
      },
    ),
    { numRuns: 500 },
  );
});
