// Borderless columns that fit the terminal. If they do not, the widest text columns are shortened first, then the
// least important columns are dropped.

import type { Paint } from './color.ts';
import { plain } from './plain.ts';
import { shorten, shortenStart, textWidth } from './text-width.ts';

export interface Column {
  readonly head: string;
  readonly align?: 'right';
  /** Minimum width when shortened; a column without it keeps its width. */
  readonly min?: number;
  /** Which end is cut off; a path keeps its last part. */
  readonly cut?: 'start';
  /** Dropped if there is no space, the highest first. */
  readonly drop?: number;
}

/** A cell's text, sanitised here, and its colour. */
export type Cell = string | number | { readonly text: string; readonly paint: Paint };

const GAP = 2;
/** If even dropping columns did not suffice: anything shorter is useless. */
const LAST_RESORT = 4;
/** Without a width limit, one long cell must not pad all others of its column to its length. */
const MAX_PADDING = 60;

/** The table as text with a line feed at its end; '' if there are no rows. `width` may be infinite. */
export function renderTable(input: {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  readonly width: number;
  readonly head: Paint;
}): string {
  if (input.rows.length === 0) return '';
  const texts = input.rows.map((row) =>
    row.map((cell) => plain(typeof cell === 'object' ? cell.text : String(cell))),
  );
  // A column that is empty in every row is not shown.
  const filled = input.columns.map((_, at) => texts.some((row) => (row[at] ?? '') !== ''));
  const natural = input.columns.map((column, at) =>
    texts.reduce((widest, row) => Math.max(widest, textWidth(row[at] ?? '')), textWidth(column.head)),
  );
  const { shown, widths } = fitColumns(input.columns, natural, filled, input.width);

  const pads = widths.map((width) => (Number.isFinite(input.width) ? width : Math.min(width, MAX_PADDING)));
  const line = (row: readonly string[], paintOf: (at: number) => Paint | null) =>
    shown
      .map((at) => {
        const column = input.columns[at];
        const text = (column?.cut === 'start' ? shortenStart : shorten)(row[at] ?? '', widths[at] ?? 0);
        // Outside the colour, so that trailing blanks can be removed from the line.
        const blanks = ' '.repeat(Math.max(0, (pads[at] ?? 0) - textWidth(text)));
        const painted = text === '' ? '' : (paintOf(at)?.(text) ?? text);
        return column?.align === 'right' ? blanks + painted : painted + blanks;
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  const heads = input.columns.map((column) => column.head);
  const body = texts.map((row, index) =>
    line(row, (at) => {
      const cell = input.rows[index]?.[at];
      return typeof cell === 'object' ? cell.paint : null;
    }),
  );
  return `${[line(heads, () => input.head), ...body].join('\n')}\n`;
}

/** Which columns are shown and their widths. */
function fitColumns(
  columns: readonly Column[],
  natural: readonly number[],
  filled: readonly boolean[],
  width: number,
): { shown: number[]; widths: number[] } {
  let shown = columns.map((_, at) => at).filter((at) => filled[at]);
  for (;;) {
    const widths = shrink(shown, natural, width, (at) => columns[at]?.min ?? null);
    if (widths) return { shown, widths };
    const last = shown.reduce<number | null>((worst, at) => {
      const drop = columns[at]?.drop ?? 0;
      return drop > 0 && drop > (worst === null ? 0 : (columns[worst]?.drop ?? 0)) ? at : worst;
    }, null);
    if (last === null) break;
    shown = shown.filter((at) => at !== last);
  }
  return {
    shown,
    widths: shrink(shown, natural, width, () => LAST_RESORT) ?? natural.map((n) => Math.min(n, LAST_RESORT)),
  };
}

/** Widths that fit, by shortening the widest column that may still be shortened; null if impossible. */
function shrink(
  shown: readonly number[],
  natural: readonly number[],
  width: number,
  minOf: (at: number) => number | null,
): number[] | null {
  const widths = [...natural];
  let over = shown.reduce((sum, at) => sum + (widths[at] ?? 0) + GAP, -GAP) - width;
  while (over > 0) {
    let widest: number | null = null;
    for (const at of shown) {
      const min = minOf(at);
      if (min === null || (widths[at] ?? 0) <= min) continue;
      if (widest === null || (widths[at] ?? 0) > (widths[widest] ?? 0)) widest = at;
    }
    if (widest === null) return null;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over--;
  }
  return widths;
}
