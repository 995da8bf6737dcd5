// Text that wg can read back: its JSON reader refuses lone surrogates, and one such text makes a whole file
// unreadable.

/** The text with every lone surrogate replaced by the replacement character. */
export function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

/** For JSON.stringify: makes every string value well-formed. */
export function wellFormedValue(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? wellFormed(value) : value;
}
