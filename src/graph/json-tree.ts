// The one home of jsonc-parser: a JSON text as a tree of positions, for edits that leave the rest of the text
// unchanged and for checking how numbers are spelled. Knows nothing of tasks.

import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/** jsonc-parser, loaded when the first line needs it: most graphs have none that does. Node caches it. */
const jsonc = (): typeof import('jsonc-parser') => load('jsonc-parser');

/** A value and its position in the text. */
export interface JsonNode {
  readonly type: string;
  readonly offset: number;
  readonly length: number;
  readonly value?: unknown;
  readonly children?: readonly JsonNode[];
}

/** One `"key": value` of an object. */
export interface JsonProperty {
  readonly key: string;
  /** Where the key begins. */
  readonly start: number;
  /** Just past the value. */
  readonly end: number;
  readonly value: JsonNode;
}

/** The tree of a text that JSON.parse accepts and that is nested less than 128 deep. */
export function jsonTree(text: string): JsonNode {
  const root = jsonc().parseTree(text);
  if (root === undefined) throw new Error('a text without any JSON value was taken for a line');
  return root;
}

/** The properties of an object node in the order of the text, repeated keys included; none for other nodes. */
export function propertiesOf(node: JsonNode): readonly JsonProperty[] {
  if (node.type !== 'object') return [];
  const found: JsonProperty[] = [];
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined) continue;
    found.push({
      key: String(key.value),
      start: property.offset,
      end: value.offset + value.length,
      value,
    });
  }
  return found;
}
