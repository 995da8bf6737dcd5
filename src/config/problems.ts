// Problems of a file in a form that a person can fix: file, line, key, one sentence, the nearest known word.

import { z } from 'zod';
import { nearest } from '../domain/nearest.ts';
import { problemText } from './config-text.ts';
import type { KeyLines, KeyPath } from './locate.ts';

/** One problem of a configuration file. */
export interface ConfigProblem {
  readonly file: string;
  /** 1-based, if known. */
  readonly line: number | null;
  /** Dotted, as `executors.deploy.endpoint`; '' for the file as a whole. */
  readonly key: string;
  /** `file:line: key: sentence`. */
  readonly message: string;
}

/** Builds a problem with its message. */
export function configProblem(
  file: string,
  line: number | null,
  key: string,
  sentence: string,
): ConfigProblem {
  return { file, line, key, message: problemText(file, line, `${key === '' ? '' : `${key}: `}${sentence}`) };
}

/** A key path as users write it: `repos[0].path`. */
export function keyText(path: KeyPath): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');
}

/**
 * zod's findings, as problems in the order of the file. `schema` and `value` are what was checked, `prefix` where the
 * value is in the file.
 */
export function describeIssues(input: {
  readonly file: string;
  readonly lines: KeyLines;
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly issues: readonly z.core.$ZodIssue[];
  readonly prefix: KeyPath;
}): ConfigProblem[] {
  const problems = input.issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const at = (inner: KeyPath, sentence: string) => {
      const whole = [...input.prefix, ...inner];
      return configProblem(input.file, input.lines.line(whole), keyText(whole), sentence);
    };
    if (issue.code !== 'unrecognized_keys') return [at(path, sentenceOf(issue, valueAt(input.value, path)))];
    const known = knownKeys(input.schema, path);
    return issue.keys.map((key) => at([...path, key], unknownKey(key, known)));
  });
  return problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

/** `unknown key; did you mean "max_concurrent"?`, else the known ones. */
export function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near === null
    ? `unknown key; known here are ${known.join(', ')}`
    : `unknown key; did you mean "${near}"?`;
}

/** `must be one of "a", "b", not "c"`, with the nearest if there is one. */
export function notOneOf(value: unknown, known: readonly string[]): string {
  const near = typeof value === 'string' ? nearest(value, known) : null;
  const list = known.map((one) => JSON.stringify(one)).join(', ');
  return `must be one of ${list}, not ${shown(value)}${near === null ? '' : `; did you mean "${near}"?`}`;
}

function sentenceOf(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined) return 'is missing';
      return `must be ${TYPE_WORDS[issue.expected] ?? issue.expected}, not ${shown(value)}`;
    case 'invalid_value':
      return notOneOf(value, issue.values.map(String));
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array')
        return issue.message.startsWith('must ') ? issue.message : 'must not be empty';
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}, not ${shown(value)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}, not ${shown(value)}`;
    default:
      return `${issue.message}, not ${shown(value)}`;
  }
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a table',
  record: 'a table',
};

/** A value as it may be shown in a message: short, and too short to reveal a secret. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a table';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function valueAt(value: unknown, path: KeyPath): unknown {
  let at: unknown = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}

/** The keys that the schema accepts at a path. */
function knownKeys(schema: z.ZodType, path: KeyPath): string[] {
  let at: unknown = unwrap(schema);
  for (const part of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(part)]);
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** The schema behind defaults and optionality. */
export function unwrap(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault)
    at = at.unwrap();
  return at;
}
