// How many terminal columns a text takes, and how to shorten it to a width. Cuts between graphemes, never within.

import stringWidth from 'string-width';

/** Replaces the part that was cut off. */
const ELLIPSIS = '…';

const ASCII = /^[\x20-\x7e]*$/;

/** Columns that plain text (no escapes) takes. */
export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  return stringWidth(text, { countAnsiEscapeCodes: true });
}

/** The text, or as much of it as fits into `width` columns with an ellipsis at its end. */
export function shorten(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width <= 0) return '';
  let kept = '';
  let used = 1;
  for (const { segment } of graphemes(text)) {
    used += textWidth(segment);
    if (used > width) break;
    kept += segment;
  }
  return kept.trimEnd() + ELLIPSIS;
}

/** Like `shorten`, but keeps the end: the last part of a path matters most. */
export function shortenStart(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width <= 0) return '';
  let kept = '';
  let used = 1;
  for (const { segment } of [...graphemes(text)].reverse()) {
    used += textWidth(segment);
    if (used > width) break;
    kept = segment + kept;
  }
  return ELLIPSIS + kept;
}

/** Text broken at spaces into lines of at most `width` columns; a longer word has its own line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

function graphemes(text: string): Iterable<{ readonly segment: string }> {
  return new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text);
}
