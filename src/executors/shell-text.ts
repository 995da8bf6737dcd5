// Turns a shell text with placeholders into a script whose untrusted values arrive as arguments: the text that the
// shell parses is the profile's own, whatever a task's title holds.

import { fillPlaceholders, type Placeholder } from '../domain/placeholder.ts';

/** A script for `sh -c` with the arguments that belong to it ($0 not included). */
export interface ShellScript {
  readonly text: string;
  readonly values: readonly string[];
}

type Quoting = 'none' | 'single' | 'double' | 'comment';

/**
 * The script: each placeholder becomes a quoted reference to a shell variable that is set from an argument. Where the
 * profile put it inside quotes of its own the reference fits into them, so that it is one word in either case.
 */
export function shellScript(template: string, value: (name: Placeholder) => string): ShellScript {
  const values: string[] = [];
  let quoting: Quoting = 'none';
  let seen = 0;
  // Offsets are found with the same pattern that fills in, so both agree on what a placeholder is.
  const marked = fillPlaceholders(
    template.replaceAll('\0', ''),
    (name) => `\0${values.push(value(name).replaceAll('\0', ''))}\0`,
  );
  let text = '';
  for (const [index, part] of marked.split('\0').entries()) {
    if (index % 2 === 0) {
      quoting = quotingAfter(part, quoting, index === 0);
      text += part;
      continue;
    }
    const variable = `\${supervisor_${part}}`;
    text += quoting === 'double' ? variable : quoting === 'single' ? `'"${variable}"'` : `"${variable}"`;
    seen += 1;
  }
  // Variables, not $1…: inside a shell function those are the function's own. On one line, so that line numbers in the
  // shell's messages stay the profile's.
  const names = values.map((_, at) => `supervisor_${at + 1}=\${${at + 1}}`).join(' ');
  return { text: seen === 0 ? text : `${names}; shift ${seen}; ${text}`, values };
}

/** The quoting in force after a piece of shell text; `#` begins a comment only where a word could begin. */
function quotingAfter(text: string, before: Quoting, isFirst: boolean): Quoting {
  let quoting = before;
  let previous = isFirst ? ' ' : 'x';
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '\\' && (quoting === 'none' || quoting === 'double')) {
      at += 1;
      previous = 'x';
      continue;
    }
    if (quoting === 'none') {
      if (char === "'") quoting = 'single';
      else if (char === '"') quoting = 'double';
      else if (char === '#' && /[\s;&|()]/.test(previous)) quoting = 'comment';
    } else if (
      (quoting === 'single' && char === "'") ||
      (quoting === 'double' && char === '"') ||
      (quoting === 'comment' && char === '\n')
    )
      quoting = 'none';
    previous = char;
  }
  return quoting;
}
