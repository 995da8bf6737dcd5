// Scores from wg's evaluators: agency/evaluations/*. Read only.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EVALUATION_MAX_BYTES } from '../domain/graph-files.ts';
import type { GraphPath, TaskId } from '../domain/ids.ts';
import { readTextNow } from '../platform/regular-file.ts';

/** The newest counting score of a task: not of a flip, not of the system. Null: there is none. */
export function newestScore(graph: GraphPath, task: TaskId): number | null {
  const folder = join(graph, 'agency', 'evaluations');
  let newest: { readonly at: number; readonly score: number } | null = null;
  for (const name of names(folder)) {
    const found = evaluationOf(join(folder, name), task);
    if (found && (newest === null || found.at >= newest.at)) newest = found;
  }
  return newest?.score ?? null;
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => /\.(json|ya?ml)$/.test(name));
  } catch {
    // No agency store: there are no evaluations.
    return [];
  }
}

function evaluationOf(path: string, task: TaskId): { readonly at: number; readonly score: number } | null {
  let text: string | null;
  try {
    text = readTextNow(path, { maxBytes: EVALUATION_MAX_BYTES });
  } catch {
    // Not an evaluation, whatever it is.
    return null;
  }
  // Removed in between.
  if (text === null) return null;
  const fields = path.endsWith('.json') ? jsonFields(text) : yamlFields(text);
  if (fields.task_id !== task) return null;
  const source = String(fields.source ?? fields.evaluator ?? '');
  const score = Number(fields.score);
  if (source === 'flip' || source === 'system' || !Number.isFinite(score)) return null;
  const at = Date.parse(String(fields.timestamp ?? ''));
  return { at: Number.isNaN(at) ? 0 : at, score };
}

function jsonFields(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // Half written: it counts once it is complete.
    return {};
  }
}

/** The plain `key: value` lines at the top level, which are all that is needed here. */
function yamlFields(text: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [, key, value] of text.matchAll(/^([a-z_]+):[ \t]+(.+?)[ \t]*$/gm))
    if (key !== undefined) fields[key] = unquoted(value ?? '');
  return fields;
}

/** A value of YAML without its quotes. */
export function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
