// supervisor.toml.example and the JSON Schema for editors, both generated from the schema, so that they cannot
// disagree with what is accepted.

import { z } from 'zod';
import { EXECUTOR_TYPES } from '../executors/executor-types.ts';
import { unwrap } from './problems.ts';
import { machineSchema, SECTION_ORDER } from './schema.ts';
import { tomlKey, tomlValue } from './toml.ts';

const WIDTH = 100;

const HEAD = [
  'supervisor.toml: one per machine. Lines that begin with "#" and a blank are comments; a "#" right before a key or a',
  'table switches a setting off. Every setting is here with its default, or with an example where there is none.',
  'Durations are strings: "500ms", "30s", "10m", "2h", "1d". "~" is your home folder. Unknown keys are errors.',
];

/** The text of supervisor.toml.example: every setting, commented out. */
export function configExample(): string {
  const out: string[] = words(HEAD);
  for (const name of SECTION_ORDER) {
    const schema = machineSchema.shape[name];
    const inner = unwrap(schema);
    const list = inner instanceof z.ZodArray;
    const table = list ? unwrap(inner.element) : inner;
    out.push('', ...words([describe(schema)]), list ? `#[[${name}]]` : `[${name}]`);
    out.push(...settings(shapeOf(table), []));
  }
  out.push('', ...words(PROFILES_HEAD));
  const told = new Set<string>();
  const examples = EXECUTOR_TYPES.flatMap((facts) =>
    facts.examples.map((example) => ({ ...facts, ...example })),
  );
  for (const { name, type, schema, without } of examples) {
    const shape = shapeOf(schema);
    out.push('', ...words([describe(shape.type)]), `#[executors.${name}]`, `#type = ${tomlValue(type)}`);
    // What was explained once is not explained again, unless its default or example differs here.
    const keys = Object.entries(shape).filter(([key]) => key !== 'type' && !without?.includes(key));
    const news = keys.filter(([key, schema]) => !told.has(`${key} ${JSON.stringify(shownValue(schema))}`));
    for (const [key, schema] of news) told.add(`${key} ${JSON.stringify(shownValue(schema))}`);
    out.push(...settings(Object.fromEntries(news), []));
  }
  return `${out.join('\n')}\n`;
}

const PROFILES_HEAD = [
  'Profiles: named, configured executors. Tasks name one with `--executor NAME`; a task that names none goes to',
  '"default", else to the built-in "claude". Built in are claude, codex, pi, gemini, opencode, command (runs the',
  "task's own exec), external and scheduled; a profile of the same name replaces a built-in one. A worktree's .workgraph/config.toml may hold",
  'profiles too. A broken profile holds the tasks that need it and nothing else.',
];

/** JSON Schema (draft 2020-12) of supervisor.toml, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  const whole = machineSchema.extend({
    executors: z.record(z.string(), anyProfile()).optional().meta({ description: 'Profiles by name.' }),
  });
  return { title: 'supervisor.toml', ...z.toJSONSchema(whole, { io: 'input', unrepresentable: 'any' }) };
}

/** Any profile, distinguished by `type`. */
function anyProfile() {
  const [first, ...others] = EXECUTOR_TYPES.map(({ schema }) => schema);
  if (!first) throw new Error('there is no executor type');
  return z.discriminatedUnion('type', [first, ...others]);
}

function settings(shape: Record<string, z.ZodType>, out: string[]): string[] {
  for (const [key, schema] of Object.entries(shape)) {
    out.push(...words([describe(schema)]), `#${tomlKey(key)} = ${tomlValue(shownValue(schema))}`);
  }
  return out;
}

function shapeOf(schema: unknown): Record<string, z.ZodType> {
  if (!(schema instanceof z.ZodObject)) throw new Error('a section of the configuration is not a table');
  return schema.shape as Record<string, z.ZodType>;
}

function describe(schema: z.ZodType | undefined): string {
  const text = schema?.meta()?.description;
  if (text === undefined) throw new Error('a setting has no description');
  return text;
}

/** The default, else the example. */
function shownValue(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodDefault) return schema.def.defaultValue;
  const examples = schema.meta()?.examples;
  return Array.isArray(examples) ? examples[0] : undefined;
}

/** Texts as comment lines no longer than WIDTH. */
function words(paragraphs: readonly string[]): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of paragraphs.join(' ').split(' ')) {
    if (line.length + 1 + word.length > WIDTH && line !== '#') {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
