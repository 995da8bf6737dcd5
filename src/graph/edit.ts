// Changes one line of graph.jsonl in its text: everything else keeps its spelling, order and keys, including unknown
// ones. Knows nothing of files; does not judge whether wg would accept the result (wg-validation does).

import type { LogEntry } from '../domain/task.ts';
import { jsonTree, propertiesOf } from './json-tree.ts';
import { ALIASES } from './task-shape.ts';
import { isObject } from './validators.ts';
import { trimmed } from './wg-validation.ts';

/** New values by wg's own key names; undefined removes the key. */
export type FieldChanges = Readonly<Record<string, unknown>>;

/**
 * The line with those keys set. A key that is there under its old name is set under that name. A value that is
 * already equal keeps its spelling, so equal changes give the same text back.
 */
export function editLine(line: string, fields: FieldChanges): string {
  const json = trimmed(line);
  const edited = editObject(json, fields);
  return edited === json ? line : line.replace(json, () => edited);
}

/** The line with entries added to the end of its `log`. */
export function appendLogTo(line: string, entries: readonly LogEntry[]): string {
  if (entries.length === 0) return line;
  const json = trimmed(line);
  const log = propertiesOf(jsonTree(json)).findLast((property) => property.key === 'log')?.value;
  const added = entries.map((entry) => JSON.stringify(wellFormed(entry))).join(',');
  const last = log?.children?.at(-1);
  if (log === undefined || last === undefined) return editLine(line, { log: entries });
  const at = last.offset + last.length;
  const edited = `${json.slice(0, at)},${added}${json.slice(at)}`;
  return line.replace(json, () => edited);
}

/** A new task's line, without line end. What wg always writes comes first: kind, id, title, status, priority. */
export function taskLine(fields: FieldChanges): string {
  const { id, title, status = 'open', priority = 10, ...rest } = fields;
  const line: Record<string, unknown> = { kind: 'task', id, title, status, priority };
  for (const [key, value] of Object.entries(rest))
    if (value !== undefined && key !== 'kind') line[ALIASES.get(key) ?? key] = value;
  return JSON.stringify(wellFormed(line));
}

/**
 * The value with every lone surrogate in its strings and keys replaced by U+FFFD: JSON.stringify would write an
 * escape that wg refuses, together with the whole file.
 */
export function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\p{Surrogate}/gu, '\uFFFD');
  if (Array.isArray(value)) return value.map(wellFormed);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inside]) => [wellFormed(key), wellFormed(inside)]),
  );
}

function editObject(json: string, fields: FieldChanges): string {
  const root = jsonTree(json);
  const properties = propertiesOf(root);
  const present = new Set(properties.map((property) => property.key));
  const changes = new Map<string, unknown>();
  for (const [key, value] of Object.entries(fields)) changes.set(spellingOf(key, present), value);

  // Kept properties with the text before them; a repeated unknown key that is set is written once.
  const kept: { readonly before: string; readonly text: string }[] = [];
  let changed = false;
  for (const [i, property] of properties.entries()) {
    const end = properties[i - 1]?.end;
    const before = end === undefined ? '' : json.slice(end, property.start);
    const text = json.slice(property.start, property.end);
    if (!changes.has(property.key)) {
      kept.push({ before, text });
      continue;
    }
    const value = changes.get(property.key);
    const repeated = properties.some((other, j) => j > i && other.key === property.key);
    if (value === undefined || repeated) {
      changed = true;
      continue;
    }
    const raw = json.slice(property.value.offset, property.end);
    if (sameJson(JSON.parse(raw), value)) kept.push({ before, text });
    else {
      changed = true;
      const key = json.slice(property.start, property.value.offset);
      kept.push({ before, text: key + JSON.stringify(wellFormed(value)) });
    }
  }
  for (const [key, value] of changes) {
    if (value === undefined || present.has(key)) continue;
    changed = true;
    kept.push({
      before: ',',
      text: `${JSON.stringify(wellFormed(key))}:${JSON.stringify(wellFormed(value))}`,
    });
  }
  if (!changed) return json;
  const first = properties[0];
  const last = properties.at(-1);
  const head = json.slice(0, first?.start ?? root.offset + 1);
  const foot = json.slice(last?.end ?? root.offset + root.length - 1);
  return head + kept.map(({ before, text }, i) => (i === 0 ? text : (before || ',') + text)).join('') + foot;
}

/** The name under which a key is written: the one the line already uses, else the current one. */
function spellingOf(key: string, present: ReadonlySet<string>): string {
  const name = ALIASES.get(key) ?? key;
  for (const [alias, canonical] of ALIASES)
    if (canonical === name && present.has(alias) && !present.has(name)) return alias;
  return name;
}

function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  const others = Object.keys(b).filter((key) => b[key] !== undefined);
  return (
    keys.length === others.length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}
