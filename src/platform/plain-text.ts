// Makes text from graphs and agents harmless. Whatever a title or an agent's output contains, it can neither move a
// cursor, nor set colours or titles, nor reverse the reading direction.

import { stripVTControlCharacters } from 'node:util';

const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);
/** Control strings (OSC, DCS, SOS, PM, APC) up to their end, which is missing if the text was cut. */
const CONTROL_STRING = new RegExp(`${ESC}[\\]PX^_][^${ESC}${BEL}\\n]*(?:${BEL}|${ESC}\\\\)?`, 'g');
/** Every control character but tab and line feed. */
const CONTROL = /[^\P{Control}\t\n]/gu;
/** Marks that change the reading direction or hide text: what is shown must be what is there. */
const DIRECTION = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;

/** Text of several lines: line feeds and tabs stay, every other control character and escape is removed. */
export function plainLines(text: string): string {
  const lines = text.replaceAll('\r\n', '\n').replace(CONTROL_STRING, '');
  return stripVTControlCharacters(lines).replace(CONTROL, '').replace(DIRECTION, '');
}

/** Text for one line: as `plainLines`, and every run of blanks becomes one space. */
export function plain(text: string): string {
  return plainLines(text).replace(/\s+/gu, ' ').trim();
}
