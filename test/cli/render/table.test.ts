import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { colors } from '../../../src/cli/render/color.ts';
import { type Column, renderTable } from '../../../src/cli/render/table.ts';
import { textWidth } from '../../../src/cli/render/text-width.ts';

const same = (text: string) => text;
const COLUMNS: readonly Column[] = [
  { head: 'TASK', min: 8 },
  { head: 'STATE' },
  { head: 'WHERE', min: 6, cut: 'start', drop: 2 },
  { head: 'BECAUSE', min: 10, drop: 1 },
];

function linesOf(rows: string[][], width: number): string[] {
  return renderTable({ columns: COLUMNS, rows, width, head: same }).trimEnd().split('\n');
}

describe('renderTable', () => {
  test('plain columns without borders, nothing at the ends of lines', () => {
    expect(
      linesOf(
        [
          ['a', 'ready', '/x', ''],
          ['long-id', 'held', '/yy', 'no room'],
        ],
        200,
      ),
    ).toEqual(['TASK     STATE  WHERE  BECAUSE', 'a        ready  /x', 'long-id  held   /yy    no room']);
  });

  test('a column that is empty everywhere is not shown', () => {
    expect(linesOf([['a', 'ready', '', '']], 200)).toEqual(['TASK  STATE', 'a     ready']);
  });

  test('the widest text is shortened first, a path keeps its end', () => {
    const [, row] = linesOf([['fix-it', 'held', '/home/me/src/shop', 'waits for a great many things']], 50);
    expect(textWidth(row ?? '')).toBeLessThanOrEqual(50);
    expect(row).toContain('src/shop');
    expect(row).toContain('…');
  });

  test('where shortening is not enough, the columns that matter least go', () => {
    const lines = linesOf(
      [['a-rather-long-task-id', 'in-progress', '/home/me/src/shop', 'waits for others']],
      30,
    );
    expect(lines[0]).not.toContain('WHERE');
    expect(lines[0]).toContain('STATE');
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(30);
  });

  test('one long cell among many does not pad the others where a width is no limit', () => {
    const rows = [...Array(3000)].map((_, n) => [n === 7 ? 'x'.repeat(5000) : `t${n}`, 'ready', '/w', 'why']);
    const text = renderTable({ columns: COLUMNS, rows, width: Number.POSITIVE_INFINITY, head: same });
    expect(text).toContain('x'.repeat(5000));
    expect(text.length).toBeLessThan(400_000);
  });

  test('cells are harmless, and colours take no room', () => {
    const { bad } = colors(true);
    const table = renderTable({
      columns: COLUMNS,
      rows: [['\u001b[2Jevil\ntitle', { text: 'held', paint: bad }, '/x', 'x']],
      width: 80,
      head: same,
    });
    expect(table.split('\n')).toHaveLength(3);
    expect(table).toContain('evil title  \u001b[31mheld');
    expect(table).not.toContain('[2J');
  });

  test('wide characters keep the columns straight', () => {
    const [head = '', wide = '', family = ''] = linesOf(
      [
        ['日本語', 'ready', '', 'x'],
        ['👨‍👩‍👧', 'ready', '', 'y'],
      ],
      80,
    );
    const column = (line: string, mark: string) => textWidth(line.slice(0, line.indexOf(mark)));
    expect(column(wide, 'ready')).toBe(column(head, 'STATE'));
    expect(column(family, 'ready')).toBe(column(head, 'STATE'));
  });

  test('no rows are no table; many rows are all there, with one head', () => {
    expect(renderTable({ columns: COLUMNS, rows: [], width: 80, head: same })).toBe('');
    const many = linesOf(
      Array.from({ length: 1001 }, (_, n) => [`task-${n}`, 'ready', '/x', 'because']),
      80,
    );
    expect(many).toHaveLength(1002);
    expect(new Set(many.map((line) => line.length)).size).toBeLessThanOrEqual(2);
    expect(many.filter((line) => line.startsWith('TASK'))).toHaveLength(1);
  });

  test('no line is wider than the terminal', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '日', '/', '👍') });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell, cell), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 40, max: 120 }),
        (rows, width) => {
          // The state column has no minimum: it is a short fixed word in life.
          const real = rows.map(([a, b, c, d]) => [a, b.slice(0, 5), c, d]);
          for (const line of linesOf(real, width)) expect(textWidth(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});
