import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { appendOperation } from '../../src/wg/operations-log.ts';

const AT = Date.parse('2027-01-15T08:00:00Z');

let graph: string;

beforeEach(() => {
  graph = mkdtempSync(join(tmpdir(), 'operations-'));
});

afterEach(() => {
  rmSync(graph, { recursive: true, force: true });
});

const path = () => join(graph, 'log', 'operations.jsonl');
const lines = () => {
  const text = readFileSync(path(), 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
};

describe('the operations log', () => {
  test('gets one line for each operation, in wg’s shape, the folder made as needed', () => {
    appendOperation(graph, { op: 'claim', task_id: 't', actor: 'agent-3', detail: { attempt: 1 } }, AT);
    appendOperation(graph, { op: 'pause' }, AT + 5);
    expect(lines().map((line) => JSON.parse(line))).toEqual([
      {
        timestamp: '2027-01-15T08:00:00.000Z',
        op: 'claim',
        task_id: 't',
        actor: 'agent-3',
        detail: { attempt: 1 },
      },
      { timestamp: '2027-01-15T08:00:00.005Z', op: 'pause' },
    ]);
  });

  test('what others wrote stays; a line that someone left torn does not swallow ours', () => {
    mkdirSync(join(graph, 'log'));
    writeFileSync(path(), '{"op":"edit"}\n');
    appendOperation(graph, { op: 'claim' }, AT);
    appendFileSync(path(), '{"timestamp":"20');
    appendOperation(graph, { op: 'done' }, AT);
    const [theirs, ours, torn, last, ...rest] = lines();
    expect([theirs, torn, rest]).toEqual(['{"op":"edit"}', '{"timestamp":"20', []]);
    expect([JSON.parse(ours ?? '').op, JSON.parse(last ?? '').op]).toEqual(['claim', 'done']);
  });

  test.each([
    ['a long detail', { task_id: 't', detail: { text: 'ä'.repeat(10_000) } }],
    ['a long task id', { task_id: '\u0001'.repeat(3_000), actor: 'é'.repeat(3_000) }],
  ])('%s still gives one valid line below 4 KiB', (_what, fields) => {
    appendOperation(graph, { op: 'fail', ...fields }, AT);
    expect(lines()).toHaveLength(1);
    expect(Buffer.byteLength(readFileSync(path()))).toBeLessThan(4096);
    expect(JSON.parse(lines()[0] ?? '')).toMatchObject({ op: 'fail' });
  });

  test('line breaks and half characters cannot break the log for wg', () => {
    appendOperation(graph, { op: 'fail', task_id: 't', detail: { reason: 'a\nb\u2028\ud800' } }, AT);
    expect(lines()).toHaveLength(1);
    expect(lines()[0]).not.toMatch(/\\ud800/);
    expect(JSON.parse(lines()[0] ?? '').detail.reason).toBe('a\nb\u2028\ufffd');
  });

  test('a log that cannot be written is an error that names it', () => {
    writeFileSync(join(graph, 'log'), '');
    expect(() => appendOperation(graph, { op: 'fail' }, AT)).toThrow(
      /operations\.jsonl could not be written/,
    );
  });
});
