// Would wg load this line? Reads one line of graph.jsonl strictly by wg's own rules (wg-rules 2.1 to 2.4): one
// refused line makes the whole file unreadable for every wg client. Knows nothing of files.

import { messageOf } from '../domain/errors.ts';
import { countKeys, survey } from './json-scan.ts';
import { jsonTree, propertiesOf } from './json-tree.ts';
import { ALIASES, RESOURCE, TASK } from './task-shape.ts';
import { checkFields, isObject, type Spelling, shown, spelled } from './validators.ts';

/** Why wg would not load a line: a phrase, and the offending key if there is one. */
export interface LineFault {
  readonly key?: string;
  readonly message: string;
}

/** A line that wg loads. `skip`: blank, a comment, or a legacy actor. */
export type LineReading =
  | { readonly kind: 'skip' }
  | { readonly kind: 'resource'; readonly id: string }
  /** The remains of an archived task: enough for its dependents. */
  | { readonly kind: 'archived'; readonly id: string; readonly status: string }
  /** A kind from another age of wg: carried unchanged. */
  | { readonly kind: 'other' }
  | { readonly kind: 'task'; readonly fields: Readonly<Record<string, unknown>>; readonly priority: number }
  | { readonly kind: 'fault'; readonly fault: LineFault };

/** serde_json stops at this nesting. */
const MAX_DEPTH = 127;

const NAMED_PRIORITIES: ReadonlyMap<string, number> = new Map([
  ['critical', 100],
  ['high', 50],
  ['normal', 10],
  ['low', 5],
  ['idle', 0],
]);
const NORMAL_PRIORITY = 10;

/** Reads one line without its line end. Never throws, whatever the text. */
export function readLine(line: string): LineReading {
  const json = trimmed(line);
  if (json === '' || json.startsWith('#')) return { kind: 'skip' };
  const seen = survey(json);
  if (seen.depth > MAX_DEPTH)
    return fault(`the line is nested ${seen.depth} levels deep, wg reads at most ${MAX_DEPTH}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (thrown) {
    return fault(
      json.startsWith('\uFEFF')
        ? 'the line begins with a byte order mark'
        : `the line is not valid JSON (${plain(messageOf(thrown))})`,
    );
  }
  if (!isObject(value)) return fault('the line must be one JSON object');
  const lone = json.includes('\\u') && /\\u[dD][89a-fA-F]/.test(json) ? loneSurrogate(value) : null;
  if (lone !== null) return { kind: 'fault', fault: lone };
  if (seen.oddNumbers && hasInfinity(value)) return fault('the line holds a number that is too large for wg');
  if (value.kind === 'actor') return { kind: 'skip' };
  // Spelling matters only if numbers look unusual or a key is repeated; most lines need no second pass.
  const spelling: Spelling =
    seen.oddNumbers || seen.pairs !== countKeys(value) ? { text: json, node: jsonTree(json) } : null;

  return readObject(value, spelling);
}

function readObject(value: Record<string, unknown>, spelling: Spelling): LineReading {
  if (value.kind === 'resource') {
    const wrong = checkFields(value, spelling, RESOURCE);
    return wrong === null ? { kind: 'resource', id: value.id as string } : { kind: 'fault', fault: wrong };
  }
  if (typeof value.kind !== 'string')
    return {
      kind: 'fault',
      fault: {
        key: 'kind',
        message: value.kind === undefined ? 'is missing' : `${shown(value.kind)} is no kind that wg knows`,
      },
    };
  if (value.kind !== 'task') return ofAnotherKind(value);
  for (const [alias, name] of ALIASES)
    if (alias in value && Object.hasOwn(value, alias) && Object.hasOwn(value, name))
      return {
        kind: 'fault',
        fault: { key: alias, message: `is the old name of "${name}", which stands there too` },
      };
  const wrong = checkFields(value, spelling, TASK);
  if (wrong !== null) return { kind: 'fault', fault: wrong };
  return { kind: 'task', fields: value, priority: priorityOf(value.priority, spelling) };
}

function ofAnotherKind({ kind, id, status }: Record<string, unknown>): LineReading {
  const isBoundary = kind === 'archivedboundary' && typeof id === 'string' && typeof status === 'string';
  return isBoundary ? { kind: 'archived', id, status } : { kind: 'other' };
}

/** Would wg load this line? Null if it would, else the offending key and why. */
export function strictLine(line: string): LineFault | null {
  if (/\p{Surrogate}/u.test(line)) return { message: 'the line holds half of a surrogate pair' };
  const reading = readLine(line);
  return reading.kind === 'fault' ? reading.fault : null;
}

/** The text without the white space that wg trims (Unicode White_Space: with NEL, without the byte order mark). */
export function trimmed(line: string): string {
  let start = 0;
  let end = line.length;
  while (start < end && isWhite(line.charCodeAt(start))) start++;
  while (end > start && isWhite(line.charCodeAt(end - 1))) end--;
  return start === 0 && end === line.length ? line : line.slice(start, end);
}

function isWhite(c: number): boolean {
  if (c < 128) return c === 32 || (c >= 9 && c <= 13);
  return WHITE.has(c);
}

const WHITE = new Set([
  0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005,
  0x2006, 0x2007, 0x2008, 0x2009, 0x200a,
]);

function priorityOf(value: unknown, spelling: Spelling): number {
  if (typeof value === 'string') return NAMED_PRIORITIES.get(value.toLowerCase()) ?? NORMAL_PRIORITY;
  if (typeof value !== 'number') return NORMAL_PRIORITY;
  if (spelling === null && value <= 4294967295) return value;
  const node =
    spelling === null ? undefined : propertiesOf(spelling.node).find((p) => p.key === 'priority')?.value;
  const raw =
    spelling === null || node === undefined ? String(value) : spelled({ text: spelling.text, node });
  if (!/^\d{1,20}$/.test(raw) || BigInt(raw) > 18446744073709551615n) return NORMAL_PRIORITY;
  // wg keeps the lower 32 bits of what it reads.
  return Number(BigInt.asUintN(32, BigInt(raw)));
}

function loneSurrogate(value: Record<string, unknown>): LineFault | null {
  for (const [key, inside] of Object.entries(value)) {
    if (/\p{Surrogate}/u.test(key)) return { message: 'a key holds half of a surrogate pair' };
    if (someText(inside, (t) => /\p{Surrogate}/u.test(t)))
      return { key, message: 'holds half of a surrogate pair' };
  }
  return null;
}

function someText(value: unknown, fits: (text: string) => boolean): boolean {
  if (typeof value === 'string') return fits(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inside]) => fits(key) || someText(inside, fits));
}

function hasInfinity(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasInfinity);
}

function fault(message: string): LineReading {
  return { kind: 'fault', fault: { message } };
}

/** A parser's message on one line and of bounded length: it quotes the input. */
function plain(message: string): string {
  const oneLine = message.replace(/[\p{Cc}\p{Surrogate}\u2028\u2029]/gu, '\uFFFD');
  return oneLine.length <= 160 ? oneLine : `${oneLine.slice(0, 157)}…`;
}
