import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readLine, strictLine, trimmed } from '../../src/graph/wg-validation.ts';

/** A task line with these keys besides the ones every task has; `raw` is JSON text for what JSON.stringify cannot say. */
function line(fields: Record<string, unknown>, raw = ''): string {
  const text = JSON.stringify({ kind: 'task', id: 't', title: 'T', ...fields });
  return raw === '' ? text : `${text.slice(0, -1)},${raw}}`;
}

describe('lines that wg loads', () => {
  test.each([
    ['a task with nothing but id and title', line({})],
    ['blank', '  \t '],
    ['a comment', ' # {"kind":"task"'],
    ['a comment after a no-break space, which wg trims', '\u00a0# x'],
    ['a legacy actor, whatever else it holds', '{"kind":"actor","id":1,"title":[]}'],
    ['a resource', '{"kind":"resource","id":"gpu","available":1}'],
    [
      'null where a value may be absent',
      line({ description: null, priority: null, max_retries: null, log: [] }),
    ],
    ['any priority', line({ priority: { a: 1 } })],
    ['a negative, fractional or huge priority', line({}, '"priority":-1.5e3')],
    ['an unknown key, twice', line({}, '"x":1,"x":{"y":1,"y":2}')],
    ['an old status', line({ status: 'pending-review' })],
    ['old edges alone', line({ blocked_by: ['a'], blocks: ['b'] })],
    ['the largest counter', line({}, '"retry_count":4294967295')],
    ['the largest token count', line({}, '"token_usage":{"input_tokens":18446744073709551615}')],
    ['a whole number for a fraction', line({ estimate: { hours: 2 } })],
    ['white space around', `  ${line({})}\r`],
    ['escaped key spelling', '{"\\u006bind":"task","id":"t","title":"T"}'],
    ['a surrogate pair', line({}, '"description":"\\ud83d\\ude00"')],
    ['the keys __proto__ and constructor', line({}, '"__proto__":{"title":1},"constructor":2')],
    ['127 levels', line({}, `"deep":${'['.repeat(126)}${']'.repeat(126)}`)],
    ['loop guards', line({ cycle_config: { max_iterations: 3, guard: 'Always' } })],
    [
      'a loop guard with a number',
      line({ cycle_config: { max_iterations: 3, guard: { IterationLessThan: 2 } } }),
    ],
    ['a failure class as it is spelled on disk', line({ failure_class: 'api-error5xx-transient' })],
  ])('%s', (_what, text) => {
    expect(strictLine(text)).toBeNull();
  });
});

describe('lines that wg refuses', () => {
  test.each([
    ['no kind', '{"id":"t","title":"T"}', 'kind'],
    ['a kind that is no text', '{"kind":5,"id":"t"}', 'kind'],
    ['no id', '{"kind":"task","title":"T"}', 'id'],
    ['no title', '{"kind":"task","id":"t"}', 'title'],
    ['a resource without id', '{"kind":"resource"}', 'id'],
    ['an id that is a number', '{"kind":"task","id":5,"title":"T"}', 'id'],
    ['an unknown status', line({ status: 'claimed-externally' }), 'status'],
    ['a status named like a method', line({ status: 'constructor' }), 'status'],
    ['a null status', line({ status: null }), 'status'],
    ['null for a list', line({ tags: null }), 'tags'],
    ['null for a flag', line({ paused: null }), 'paused'],
    ['null for a counter', line({ retry_count: null }), 'retry_count'],
    ['null for visibility', line({ visibility: null }), 'visibility'],
    ['a list of mixed things', line({ after: ['a', 1] }), 'after'],
    ['a text for a list', line({ tags: 'a' }), 'tags'],
    ['a text for a flag', line({ paused: 'true' }), 'paused'],
    ['a negative counter', line({}, '"retry_count":-1'), 'retry_count'],
    ['a fractional counter', line({}, '"retry_count":1.5'), 'retry_count'],
    ['a counter spelled 1.0', line({}, '"retry_count":1.0'), 'retry_count'],
    ['a counter spelled 1e3', line({}, '"dispatch_count":1e3'), 'dispatch_count'],
    ['a counter spelled -0', line({}, '"dispatch_count":-0'), 'dispatch_count'],
    ['a counter past 32 bits', line({}, '"retry_count":4294967296'), 'retry_count'],
    [
      'a token count past 64 bits',
      line({}, '"token_usage":{"input_tokens":18446744073709551616}'),
      'token_usage',
    ],
    [
      'the command line spelling of a failure class',
      line({ failure_class: 'api-error-5xx-transient' }),
      'failure_class',
    ],
    ['a log entry without message', line({ log: [{ timestamp: 'x' }] }), 'log'],
    ['a log entry that is a text', line({ log: ['x'] }), 'log'],
    ['a cycle without its limit', line({ cycle_config: {} }), 'cycle_config'],
    ['an unknown loop guard', line({ cycle_config: { max_iterations: 1, guard: 'Never' } }), 'cycle_config'],
    [
      'an unknown wait condition',
      line({ wait_condition: { mode: 'all', conditions: [{ type: 'constructor' }] } }),
      'wait_condition',
    ],
    ['both spellings of after', line({ after: [], blocked_by: [] }), 'blocked_by'],
    ['both spellings of before', line({ before: [], blocks: [] }), 'blocks'],
    ['a known key twice', line({}, '"title":"T"'), 'title'],
    ['kind twice', line({}, '"kind":"task"'), 'kind'],
    ['a known key twice, once escaped', line({}, '"t\\u0069tle":"T"'), 'title'],
    [
      'a known key of a log entry twice',
      line({}, '"log":[{"timestamp":"x","message":"a","message":"b"}]'),
      'log',
    ],
    ['half a surrogate pair', line({}, '"description":"\\ud83d"'), 'description'],
    ['half a surrogate pair in an unknown key', line({}, '"x":{"y":["\\uDC00"]}'), 'x'],
    ['a number past the doubles', line({}, '"x":1e400'), undefined],
    ['a very long number', line({}, `"x":${'9'.repeat(400)}`), undefined],
    ['an array', '[1]', undefined],
    ['a bare text', '"task"', undefined],
    ['null', 'null', undefined],
    ['half a line', '{"kind":"task","id":"t","ti', undefined],
    ['NUL bytes', '\u0000\u0000\u0000', undefined],
    ['a NUL inside a text', '{"kind":"task","id":"t","title":"a\u0000b"}', undefined],
    ['a byte order mark', `\uFEFF${line({})}`, undefined],
    ['a trailing comma', '{"kind":"task","id":"t","title":"T",}', undefined],
    ['a comment in JSON', '{"kind":"task","id":"t","title":"T"/* x */}', undefined],
    ['two objects', `${line({})}${line({})}`, undefined],
    ['128 levels', line({}, `"deep":${'['.repeat(127)}${']'.repeat(127)}`), undefined],
    ['100,000 levels', line({}, `"deep":${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}`), undefined],
    ['100,000 open brackets', '['.repeat(100_000), undefined],
  ])('%s', (_what, text, key) => {
    const fault = strictLine(text);
    expect(fault).not.toBeNull();
    expect(fault?.key).toBe(key);
    expect(fault?.message).toMatch(/\w/);
    expect(fault?.message).not.toMatch(/[\n\r]/);
    expect(fault?.message.length).toBeLessThan(400);
  });
});

test.each([
  ['"critical"', 100],
  ['"HIGH"', 50],
  ['"constructor"', 10],
  ['7', 7],
  ['0', 0],
  ['-1', 10],
  ['2.0', 10],
  ['true', 10],
  ['null', 10],
  ['4294967295', 4294967295],
  ['4294967301', 5],
  ['18446744073709551616', 10],
])('priority %s is read as %d', (raw, expected) => {
  const reading = readLine(line({}, `"priority":${raw}`));
  expect(reading.kind === 'task' && reading.priority).toBe(expected);
});

test('any text at all is judged, never thrown at', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.json(),
        fc.json().map((j) => `{"kind":"task",${j.slice(1)}`),
      ),
      (text) => {
        const fault = strictLine(text);
        if (fault === null) expect(readLine(text).kind).not.toBe('fault');
      },
    ),
    { numRuns: 500 },
  );
});

test('trimming a long run of blanks takes no time', () => {
  const blanks = ' '.repeat(2_000_000);
  const began = performance.now();
  expect(trimmed(`x${blanks}y`)).toHaveLength(2_000_002);
  expect(trimmed(`${blanks}x${blanks}`)).toBe('x');
  expect(performance.now() - began).toBeLessThan(2000);
});
