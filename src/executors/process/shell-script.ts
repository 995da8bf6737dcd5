// Turns a shell template into a script whose untrusted values arrive as arguments: the shell only parses the
// profile's own text, whatever a task's title contains.

import { fillPlaceholders, type Placeholder } from '../../domain/placeholder.ts';

/** A script for `sh -c` with its arguments ($0 not included). */
export interface ShellScript {
  readonly text: string;
  readonly values: readonly string[];
}

type Quoting = 'none' | 'single' | 'double' | 'comment';

/**
 * The script: each placeholder becomes a quoted reference to a shell variable that is set from an argument. Inside
 * the profile's own quotes the reference fits into them, so that it is one word in either case.
 */
export function shellScript(template: string, value: (name: Placeholder) => string): ShellScript {
  const values: string[] = [];
  const quotes = quoteReader();
  // No shell text can contain a NUL, so it may mark the positions.
  const marked = fillPlaceholders(
    template.replaceAll('\0', ''),
    (name) => `\0${values.push(value(name).replaceAll('\0', ''))}\0`,
  );
  let text = '';
  for (const [index, part] of marked.split('\0').entries()) {
    if (index % 2 === 0) {
      quotes.read(part);
      text += part;
      continue;
    }
    const quoting = quotes.now();
    const variable = `\${supervisor_${part}}`;
    text += quoting === 'double' ? variable : quoting === 'single' ? `'"${variable}"'` : `"${variable}"`;
  }
  // Variables, not $1…: inside a shell function those are the function's own. On one line, so that line numbers in
  // the shell's messages match the profile's text.
  const names = values.map((_, at) => `supervisor_${at + 1}=\${${at + 1}}`).join(' ');
  return { text: values.length === 0 ? text : `${names}; shift ${values.length}; ${text}`, values };
}

/**
 * Reads shell text piece by piece and tracks the quoting. It may be wrong about exotic text; then a value is split
 * into words or the reference itself appears, but a value is never parsed as shell text.
 */
function quoteReader(): { read(text: string): void; now(): Quoting } {
  // One entry per level: a command substitution begins unquoted, even inside double quotes.
  const levels: Quoting[] = ['none'];
  let previous = ' ';
  const now = (): Quoting => levels.at(-1) ?? 'none';
  const set = (quoting: Quoting) => {
    levels[levels.length - 1] = quoting;
  };

  function step(char: string, next: string): void {
    switch (now()) {
      case 'single':
        if (char === "'") set('none');
        return;
      case 'comment':
        if (char === '\n') set('none');
        return;
      case 'double':
        if (char === '"') set('none');
        else if (char === '$' && next === '(') levels.push('none');
        return;
      case 'none':
        unquoted(char, next);
    }
  }

  function unquoted(char: string, next: string): void {
    if (char === "'") set('single');
    else if (char === '"') set('double');
    // `#` begins a comment only where a word could begin.
    else if (char === '#' && /[\s;&|()]/.test(previous)) set('comment');
    else if ((char === '(' && previous !== '$') || (char === '$' && next === '(')) levels.push('none');
    else if (char === ')' && levels.length > 1) levels.pop();
  }

  return {
    now,
    read(text) {
      for (let at = 0; at < text.length; at++) {
        const char = text.charAt(at);
        const escapes = char === '\\' && (now() === 'none' || now() === 'double');
        if (escapes) at += 1;
        else step(char, text.charAt(at + 1));
        previous = escapes ? 'x' : char;
      }
      // What follows is a placeholder's value: a word has begun.
      previous = 'x';
    },
  };
}
