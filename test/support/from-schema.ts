// Values that nearly fit a JSON schema, for fuzzing: mostly as it says, now and then not at all.

import fc from 'fast-check';

/** As much of JSON schema as the API's description uses. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Arbitraries take longer to make than values: each is made once. */
const ODD = fc.oneof(
  { depthSize: 'small' },
  fc.anything({ maxDepth: 2, withBigInt: false, withDate: false }).map(plainJson),
  fc.constantFrom(null, '', 0, -1, 1e308, '__proto__', '\u0000', '../..', 'a'.repeat(5000), [], {}),
);
const ANY_JSON = fc.jsonValue({ maxDepth: 3 });
const TEXTS = [0, 1].map((minLength) => fc.string({ minLength, maxLength: 40, unit: 'binary' }));
const made = new WeakMap<Schema, fc.Arbitrary<unknown>[]>();

/** Values that fit a schema, mostly. */
export function roughly(schema: Schema, depth = 0): fc.Arbitrary<unknown> {
  const known = made.get(schema) ?? [];
  made.set(schema, known);
  known[depth] ??= fc.oneof({ weight: 6, arbitrary: fitting(schema, depth) }, { weight: 1, arbitrary: ODD });
  return known[depth];
}

function fitting(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return fc.oneof(...several.map((one) => roughly(one, depth)));
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).map(([name, one]) => [
        name,
        field(name, one, depth),
      ]);
      return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
    }
    case 'array':
      return fc.array(depth > 3 ? fc.constant(null) : roughly(schema.items ?? {}, depth + 1), {
        maxLength: 4,
      });
    case 'string':
      return (
        TEXTS[schema.minLength ?? 0] ??
        fc.string({ minLength: schema.minLength ?? 0, maxLength: 40, unit: 'binary' })
      );
    case 'integer':
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return ANY_JSON;
  }
}

/** Waiting is tried elsewhere; here it would only take time. */
function field(name: string, schema: Schema, depth: number): fc.Arbitrary<unknown> {
  return name === 'wait_s' ? fc.constantFrom(0, 0.01, -1, 'x') : roughly(schema, depth + 1);
}

/** What of a value can be sent as JSON. */
export function plainJson(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null');
  } catch {
    // What has no JSON is no body.
    return null;
  }
}
