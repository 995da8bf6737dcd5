import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Placeholder } from '../../../src/domain/placeholder.ts';
import { fillTemplate, fillUrl } from '../../../src/executors/http/template.ts';

const values = {
  text: (name: Placeholder) => ({ 'task.id': 'a"b', 'task.tags': 'x,y' })[name as string] ?? `<${name}>`,
  lists: { 'task.tags': ['x', 'y'] },
};

describe('fillTemplate', () => {
  test('fills strings wherever they are, and leaves everything else', () => {
    const template = {
      task_id: '{{task.id}}',
      text: 'do {{ task.id }} and {{task.title}}',
      tags: '{{ task.tags }}',
      joined: 'tags: {{task.tags}}',
      nested: [{ deep: '{{repo.name}}' }, 1, true, null],
      '{{task.id}}': 'keys stay',
    };
    expect(fillTemplate(template, values)).toEqual({
      task_id: 'a"b',
      text: 'do a"b and <task.title>',
      tags: ['x', 'y'],
      joined: 'tags: x,y',
      nested: [{ deep: '<repo.name>' }, 1, true, null],
      '{{task.id}}': 'keys stay',
    });
  });

  test('a value that looks like a placeholder is not filled again', () => {
    const nested = { text: () => '{{callback.token}}', lists: {} };
    expect(fillTemplate({ title: '{{task.title}}' }, nested)).toEqual({ title: '{{callback.token}}' });
  });

  test('a key named __proto__ stays a key', () => {
    const filled = fillTemplate(JSON.parse('{"__proto__": {"polluted": "{{task.id}}"}}'), values);
    expect(JSON.stringify(filled)).toBe('{"__proto__":{"polluted":"a\\"b"}}');
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });

  test('whatever a task holds, the filled value keeps the shape of the template', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (hostile) => {
        const filled = fillTemplate({ a: '{{task.title}}', b: [1] }, { text: () => hostile, lists: {} });
        expect(JSON.parse(JSON.stringify(filled))).toEqual({ a: hostile, b: [1] });
      }),
    );
  });
});

describe('fillUrl', () => {
  test('a value can change neither host, path nor query', () => {
    const url = fillUrl('http://agent.example/t/{{task.id}}/run?x=1', () => '../../@evil.example/?y=2#z');
    expect(url).toBe('http://agent.example/t/..%2F..%2F%40evil.example%2F%3Fy%3D2%23z/run?x=1');
    expect(new URL(url ?? '').host).toBe('agent.example');
  });

  test.each(['.', '..'])('a value %j would climb the path', (value) => {
    expect(fillUrl('http://agent.example/t/{{task.id}}/run', () => value)).toBeNull();
  });

  test('a lone surrogate does not throw', () => {
    expect(fillUrl('http://a/{{task.id}}', () => 'x\ud800y')).toBe('http://a/x%EF%BF%BDy');
  });
});
