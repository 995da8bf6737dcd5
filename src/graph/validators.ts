// What wg accepts as the value of a key, as composable checks. A check returns a phrase that completes "key X …", or
// null if the value is valid. Knows shapes, not tasks.

import { type JsonNode, propertiesOf } from './json-tree.ts';

/** The value's position in the text; null if the scan found no unusual spelling. */
export type Spelling = { readonly text: string; readonly node: JsonNode } | null;

/** Null if wg would accept the value, else what is wrong with it. */
export type Check = (value: unknown, spelling: Spelling) => string | null;

/** Fields of an object by key, with the check of each. */
export interface Fields {
  readonly required: readonly string[];
  readonly checks: ReadonlyMap<string, Check>;
}

const MAX_U32 = 4294967295n;
const MAX_U64 = 18446744073709551615n;

/** A value for an error message: short, on one line. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

/** The same check, with null allowed (an `Option` in wg). */
export function orNull(check: Check): Check {
  return (value, spelling) => (value === null ? null : check(value, spelling));
}

export const anything: Check = () => null;

export const text: Check = (value) =>
  typeof value === 'string' ? null : `must be a text, not ${shown(value)}`;

export const flag: Check = (value) =>
  typeof value === 'boolean' ? null : `must be true or false, not ${shown(value)}`;

/** Any number that fits a double; wg's reader refuses larger ones. */
export const number: Check = (value) =>
  typeof value === 'number' && Number.isFinite(value) ? null : `must be a number, not ${shown(value)}`;

function whole(max: bigint, words: string): Check {
  return (value, spelling) => {
    const wrong = `must be a whole number from 0 to ${words}, not `;
    if (typeof value !== 'number') return wrong + shown(value);
    if (spelling === null)
      return Number.isInteger(value) && value >= 0 && value <= Number(max) ? null : wrong + shown(value);
    // 1.0 and 1e3 are integers in JavaScript but refused by wg: only the spelling shows it.
    const raw = spelled(spelling);
    return /^\d{1,20}$/.test(raw) && BigInt(raw) <= max ? null : wrong + raw.slice(0, 40);
  };
}

export const u32 = whole(MAX_U32, '4294967295');
export const u64 = whole(MAX_U64, '18446744073709551615');

export function oneOf(words: readonly string[], what: string): Check {
  const known = new Set(words);
  return (value) => {
    if (typeof value !== 'string') return `must be a text, not ${shown(value)}`;
    return known.has(value) ? null : `${shown(value)} is no ${what} that wg knows (${words.join(', ')})`;
  };
}

export function listOf(check: Check, what: string): Check {
  return (value, spelling) => {
    if (!Array.isArray(value)) return `must be a list of ${what}, not ${shown(value)}`;
    for (let i = 0; i < value.length; i++) {
      const wrong = check(value[i], inner(spelling, spelling?.node.children?.[i]));
      if (wrong !== null) return `entry ${i + 1} ${wrong}`;
    }
    return null;
  };
}

export const texts = listOf(text, 'texts');

export function object(
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>>,
): Check {
  const fields = fieldsOf(required, optional);
  return (value, spelling) => {
    if (!isObject(value)) return `must be an object, not ${shown(value)}`;
    const wrong = checkFields(value, spelling, fields);
    return wrong === null
      ? null
      : wrong.key === undefined
        ? wrong.message
        : `"${wrong.key}" ${wrong.message}`;
  };
}

export function fieldsOf(
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>>,
): Fields {
  return {
    required: Object.keys(required),
    checks: new Map([...Object.entries(required), ...Object.entries(optional)]),
  };
}

/** Checks an object's known keys, including repeated ones; wg drops unknown keys. */
export function checkFields(
  value: Readonly<Record<string, unknown>>,
  spelling: Spelling,
  fields: Fields,
): { key?: string; message: string } | null {
  for (const key of fields.required) if (!Object.hasOwn(value, key)) return { key, message: 'is missing' };
  if (spelling === null) {
    for (const key in value) {
      const wrong = fields.checks.get(key)?.(value[key], null);
      if (wrong) return { key, message: wrong };
    }
    return null;
  }
  const seen = new Set<string>();
  for (const property of propertiesOf(spelling.node)) {
    const check = fields.checks.get(property.key);
    if (check === undefined) continue;
    if (seen.has(property.key)) return { key: property.key, message: 'stands twice in the same object' };
    seen.add(property.key);
    const wrong = check(value[property.key], { text: spelling.text, node: property.value });
    if (wrong !== null) return { key: property.key, message: wrong };
  }
  return null;
}

/** The text of the value as spelled. */
export function spelled(spelling: { readonly text: string; readonly node: JsonNode }): string {
  return spelling.text.slice(spelling.node.offset, spelling.node.offset + spelling.node.length);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function inner(spelling: Spelling, node: JsonNode | undefined): Spelling {
  return spelling === null || node === undefined ? null : { text: spelling.text, node };
}
