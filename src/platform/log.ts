// The program's own log. The message is the event's name, everything else is a field.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Log {
  debug(name: string, fields?: Readonly<Record<string, unknown>>): void;
  info(name: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(name: string, fields?: Readonly<Record<string, unknown>>): void;
  error(name: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Writes nothing: for one-shot commands and tests that listen to the bus instead. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

const TOKEN = /\bwg[ltcosp]_[A-Za-z0-9_-]{20,}/g;

/** Redacts our own tokens in a text. */
export function redact(text: string): string {
  return text.replace(TOKEN, (token) => `${token.slice(0, 4)}[redacted]`);
}
