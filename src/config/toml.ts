// TOML text to plain values and back, and syntax errors with a line. Knows nothing of what the values mean.

import { parse, TomlDate } from 'smol-toml';
import { messageOf } from '../domain/errors.ts';

/** A parsed document, or where and why it does not parse. */
export type TomlResult =
  | { readonly ok: true; readonly document: Record<string, unknown> }
  | { readonly ok: false; readonly line: number | null; readonly message: string };

/** Parses TOML. Never throws: a parse error is a result, to be reported to the author. */
export function parseToml(text: string): TomlResult {
  try {
    // Editors on other systems leave a byte order mark, which is no part of the text.
    return { ok: true, document: parse(text.startsWith('\uFEFF') ? text.slice(1) : text) };
  } catch (thrown) {
    const line =
      typeof thrown === 'object' && thrown !== null && 'line' in thrown ? Number(thrown.line) : null;
    const first = messageOf(thrown).split('\n', 1)[0] ?? '';
    return {
      ok: false,
      line: line === null || Number.isNaN(line) ? null : line,
      message: `not valid TOML: ${first.replace(/^Invalid TOML document: /, '')}`,
    };
  }
}

/** A value as TOML on one line. Throws on what TOML cannot say (null, undefined, functions). */
export function tomlValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${tomlKey(key)} = ${tomlValue(inner)}`);
    return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`;
  }
  throw new Error(`TOML has no ${typeof value}`);
}

/** A key as TOML spells it: bare where it may be, else quoted. */
export function tomlKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}

/** Whether a parsed value is a table: neither a list nor a date. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof TomlDate);
}
