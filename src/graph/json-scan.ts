// One quick pass over a JSON text for what JSON.parse does not report: nesting, repeated keys, unusually spelled
// numbers. Accepts any text, valid or not; judges nothing.

/** The findings of one pass over a text. */
export interface Survey {
  /** Deepest nesting of arrays and objects. */
  readonly depth: number;
  /** `key: value` pairs in the text; more than the parsed value has keys means that a key is repeated. */
  readonly pairs: number;
  /** Some number is negative, fractional, with an exponent, or longer than 15 digits. */
  readonly oddNumbers: boolean;
}

const QUOTE = 34;
const MINUS = 45;
const COLON = 58;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** Scans a JSON text. An unterminated string ends the pass. */
export function survey(text: string): Survey {
  let depth = 0;
  let deepest = 0;
  let pairs = 0;
  let oddNumbers = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      i = endOfString(text, i);
      if (i < 0) break;
    } else if (c === COLON) pairs++;
    else if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      if (++depth > deepest) deepest = depth;
    } else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) depth--;
    else if (c === MINUS || isDigit(c)) {
      const end = endOfNumber(text, i);
      if (!oddNumbers) oddNumbers = isOdd(text, i, end);
      i = end;
    }
  }
  return { depth: deepest, pairs, oddNumbers };
}

/** Keys in a parsed value, all levels together. The value must not be nested deeper than the stack allows. */
export function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') count += countKeys(item);
    return count;
  }
  for (const key in value) {
    count++;
    const inner = (value as Record<string, unknown>)[key];
    if (typeof inner === 'object') count += countKeys(inner);
  }
  return count;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

/** Where a number's last character is. */
function endOfNumber(text: string, start: number): number {
  let end = start;
  while (end + 1 < text.length && isOfNumber(text.charCodeAt(end + 1))) end++;
  return end;
}

function isOdd(text: string, start: number, end: number): boolean {
  if (end - start >= 15) return true;
  for (let i = start; i <= end; i++) if (!isDigit(text.charCodeAt(i))) return true;
  return false;
}

function isOfNumber(c: number): boolean {
  // 0-9 . + - e E
  return (c >= 48 && c <= 57) || c === 46 || c === 43 || c === MINUS || c === 101 || c === 69;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return -1;
}
