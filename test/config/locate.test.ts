import { describe, expect, test } from '@jest/globals';
import { locateKeys } from '../../src/config/locate.ts';

const TEXT = `# comment with [brackets] and "quotes
top = 1
dotted.key . inner = 2

[table]   # [not] a header
plain = 'it''s'
text = """
[fake]
key = 1
"""
raw = '''
"""[fake2]'''
list = [
  1, # one ]
  "two ] ,",
  { a = 1, "quoted key" = [ [ 2 ], 3 ] },
]
after_list = true
when = 1979-05-27T07:32:00Z

[[things]]
name = "first"
[things.sub]
x = 1
[[things]]
name = "second"
sub = { x = { y = 1 } }
[[things.parts]]
p = 0
[[things.parts]]
p = 1

["a.b".'c d']
"k\\u0041" = 1
escaped = "ends with \\\\"
next = 1
`;

describe('lines of keys', () => {
  const lines = locateKeys(TEXT);
  test.each<[(string | number)[], number | null]>([
    [['top'], 2],
    [['dotted', 'key'], 3],
    [['dotted', 'key', 'inner'], 3],
    [['table'], 5],
    [['table', 'plain'], 6],
    [['table', 'text'], 7],
    [['table', 'raw'], 11],
    [['table', 'list'], 13],
    [['table', 'list', 0], 14],
    [['table', 'list', 1], 15],
    [['table', 'list', 2, 'a'], 16],
    [['table', 'list', 2, 'quoted key', 1], 16],
    [['table', 'after_list'], 18],
    [['table', 'when'], 19],
    [['things'], 21],
    [['things', 0, 'name'], 22],
    [['things', 0, 'sub'], 23],
    [['things', 0, 'sub', 'x'], 24],
    [['things', 1], 25],
    [['things', 1, 'name'], 26],
    [['things', 1, 'sub', 'x', 'y'], 27],
    [['things', 1, 'parts', 0, 'p'], 29],
    [['things', 1, 'parts', 1, 'p'], 31],
    [['a.b', 'c d'], 33],
    [['a.b', 'c d', 'kA'], 34],
    [['a.b', 'c d', 'escaped'], 35],
    [['a.b', 'c d', 'next'], 36],
    [['a.b'], 33],
    // Missing keys: the nearest thing around them.
    [['table', 'missing'], 5],
    [['things', 1, 'missing', 'deep'], 25],
    [['things', 9], 21],
    [['fake'], null],
    [['nothing'], null],
  ])('%j is on line %p', (path, line) => expect(lines.line(path)).toBe(line));

  test('CRLF and a byte order mark do not shift lines', () => {
    const dos = locateKeys('\uFEFFa = 1\r\n\r\n[b]\r\nc = """x\r\ny"""\r\nd = 2\r\n');
    expect(['a', 'b'].map((key) => dos.line([key]))).toEqual([1, 3]);
    expect(dos.line(['b', 'd'])).toBe(6);
  });

  test.each([
    '[',
    '"',
    '[[a',
    'a = [',
    'a = {',
    'a',
    '= = =',
    '\u0000',
    '}',
    'a = "',
    '"""',
    'a.',
    '[a]]]]',
    'a={{',
    'a=[}',
  ])('text that does not parse ends all the same: %j', (text) =>
    expect(() => locateKeys(text)).not.toThrow());
});
