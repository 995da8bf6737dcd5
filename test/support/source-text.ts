// Looks at TypeScript sources as text, with comments and the contents of texts out of the way. No parser: a few rules
// of the language suffice for what the architecture test asks.

/** A source with everything that is not code blanked out, position by position, so that lines stay where they are. */
export function codeOnly(source: string): string {
  const out = source.split('');
  const blank = (from: number, to: number) => {
    for (let n = from; n < to; n++) if (out[n] !== '\n') out[n] = ' ';
  };
  /** Depth of braces at which each open `${` began, innermost last. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  while (at < source.length) {
    const two = source.slice(at, at + 2);
    const one = source[at] ?? '';
    if (two === '//') at = skipTo(indexOrEnd(source, '\n', at));
    else if (two === '/*') at = skipTo(indexOrEnd(source, '*/', at + 2) + 2);
    else if (one === "'" || one === '"') at = text(at, one);
    else if (one === '`') at = template(at + 1);
    else if (one === '/' && startsRegExp(out, at)) at = regExp(at);
    else if (one === '}' && templates.at(-1) === depth) {
      templates.pop();
      at = template(at + 1);
    } else {
      if (one === '{') depth += 1;
      if (one === '}') depth -= 1;
      at += 1;
    }
  }
  return out.join('');

  function skipTo(end: number): number {
    blank(at, end);
    return end;
  }
  /** The quotes stay, so that a text can be found where its quotes are. */
  function text(from: number, quote: string): number {
    let end = from + 1;
    while (end < source.length && source[end] !== quote && source[end] !== '\n')
      end += source[end] === '\\' ? 2 : 1;
    blank(from + 1, end);
    return end + 1;
  }
  function template(from: number): number {
    let end = from;
    while (end < source.length && source[end] !== '`') {
      if (source.startsWith('${', end)) {
        blank(from, end);
        templates.push(depth);
        return end + 2;
      }
      end += source[end] === '\\' ? 2 : 1;
    }
    blank(from, end);
    return end + 1;
  }
  function regExp(from: number): number {
    let end = from + 1;
    let inClass = false;
    while (end < source.length && source[end] !== '\n' && (inClass || source[end] !== '/')) {
      if (source[end] === '[') inClass = true;
      if (source[end] === ']') inClass = false;
      end += source[end] === '\\' ? 2 : 1;
    }
    blank(from + 1, end);
    return end + 1;
  }
}

function indexOrEnd(source: string, what: string, from: number): number {
  const found = source.indexOf(what, from);
  return found < 0 ? source.length : found;
}

const WORDS_BEFORE_REGEXP = /\b(?:return|typeof|case|in|of|delete|void|throw|new|await|yield|else)$/;

/** A slash after a value divides; after an operator or a keyword it begins a regular expression. */
function startsRegExp(out: readonly string[], at: number): boolean {
  let before = at - 1;
  while (before >= 0 && /\s/.test(out[before] ?? '')) before -= 1;
  if (before < 0) return true;
  // The end of a JSX element.
  if (out[at - 1] === '<') return false;
  if (WORDS_BEFORE_REGEXP.test(out.slice(Math.max(0, before - 10), before + 1).join(''))) return true;
  return !/[\w$)\]}'"`]/.test(out[before] ?? '');
}

export interface ImportFound {
  readonly specifier: string;
  readonly line: number;
  /** Erased when compiled: it binds nothing at run time. */
  readonly typeOnly: boolean;
}

const STATIC_IMPORT = /\b(import|export)\b((?:[^;'"()]|\btypeof\b)*?)\bfrom\s*(['"])/g;
const BARE_IMPORT = /\bimport\s*(['"])/g;
/** `import('x')`, `require('x')` and `createRequire(…)('x')`. */
const CALLED_IMPORT = /(?:\bimport|\brequire(?:\.resolve)?|\bcreateRequire\([^()]*\))\s*\(\s*(['"])/g;

/** Every module that a source names, wherever it does. */
export function importsOf(source: string, code = codeOnly(source)): ImportFound[] {
  const found: ImportFound[] = [];
  const note = (match: RegExpMatchArray, typeOnly: boolean) => {
    const open = (match.index ?? 0) + match[0].length - 1;
    const close = code.indexOf(source[open] ?? '', open + 1);
    found.push({
      specifier: source.slice(open + 1, close),
      line: lineAt(source, match.index ?? 0),
      typeOnly,
    });
  };
  for (const match of code.matchAll(STATIC_IMPORT)) note(match, isTypeOnly(match[2] ?? ''));
  for (const match of code.matchAll(BARE_IMPORT)) note(match, false);
  for (const match of code.matchAll(CALLED_IMPORT)) {
    // `typeof import('x')` is a type.
    const before = code.slice(Math.max(0, (match.index ?? 0) - 20), match.index);
    note(match, /\btypeof\s+$/.test(before));
  }
  return found;
}

function isTypeOnly(clause: string): boolean {
  if (/^\s*type\b(?!\s*,)/.test(clause)) return true;
  const names = /^\s*\{([^}]*)\}\s*$/
    .exec(clause)?.[1]
    ?.split(',')
    .filter((name) => name.trim() !== '');
  return names !== undefined && names.length > 0 && names.every((name) => /^\s*type\s/.test(name));
}

/** The 1-based line of a position. */
export function lineAt(source: string, position: number): number {
  let line = 1;
  for (let n = source.indexOf('\n'); n >= 0 && n < position; n = source.indexOf('\n', n + 1)) line += 1;
  return line;
}

/** Positions of `let` and `var` outside of every bracket: state that is made when a file is imported. */
export function moduleLevelVariables(code: string): number[] {
  const found: number[] = [];
  let depth = 0;
  for (const match of code.matchAll(/[{}()[\]]|\b(?:let|var)\b/g)) {
    if ('{(['.includes(match[0])) depth += 1;
    else if ('})]'.includes(match[0])) depth -= 1;
    else if (depth === 0) found.push(match.index);
  }
  return found;
}

/** How many brackets a code opens and does not close; other than 0 means that it was misread. */
export function openBrackets(code: string): number {
  return code.replace(/[^{([]/g, '').length - code.replace(/[^})\]]/g, '').length;
}
