// Text that wg can read back: its JSON reader refuses half a surrogate pair, and one such text spoils a whole file.

/** The text with every half character replaced by the replacement character. */
export function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

/** For JSON.stringify: makes every text value well-formed. */
export function wellFormedValue(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? wellFormed(value) : value;
}
