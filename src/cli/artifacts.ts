// `--artifacts`: JSON from the command line, a file or stdin, with an error that shows where it is malformed.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf, SupervisorError } from '../domain/errors.ts';
import type { Context } from './context.ts';

/** Characters of the text shown before and after the error. */
const AROUND = 20;

/** The value of `--artifacts`: JSON, `@FILE`, or `-` for stdin. Throws `usage`. */
export async function readArtifacts(
  given: string,
  context: Pick<Context, 'cwd' | 'stdin'>,
): Promise<unknown> {
  if (given === '-') {
    if (context.stdin.isTTY)
      throw new SupervisorError('usage', '--artifacts - reads JSON from a pipe, and stdin is a terminal', {
        hint: 'give the JSON itself, or @FILE',
      });
    return parseArtifacts(await context.stdin.read(), 'stdin');
  }
  if (!given.startsWith('@')) return parseArtifacts(given, '--artifacts');
  const file = resolve(context.cwd, given.slice(1));
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new SupervisorError('usage', `the artifacts file cannot be read: ${messageOf(thrown)}`, {
      hint: 'check the path after the @',
      cause: thrown,
    });
  }
  return parseArtifacts(text, file);
}

/** JSON, or a usage error that names the position. */
export function parseArtifacts(text: string, source: string): unknown {
  const trimmed = text.replace(/^\ufeff/, '');
  if (trimmed.trim() === '')
    throw new SupervisorError('usage', `${source} is empty, not JSON`, { hint: example });
  try {
    return JSON.parse(trimmed);
  } catch (thrown) {
    const at = placeOf(messageOf(thrown), trimmed);
    throw new SupervisorError('usage', `${source} is not JSON: ${describe(trimmed, at)}`, {
      hint: example,
      cause: thrown,
    });
  }
}

const example = `write it like --artifacts '{"result": "..."}', in single quotes, or give @FILE`;

/** Where parsing stopped, as far as the engine reports it: it gives the position, or quotes the text. */
function placeOf(message: string, text: string): number {
  const position = /at position (\d+)/.exec(message);
  if (position) return Number(position[1]);
  if (/Unexpected end|Unterminated string/.test(message)) return text.length;
  const token = /Unexpected token '([\s\S]+?)', (\.\.\.)?"([\s\S]*)"(?:\.\.\.)? is not valid JSON/.exec(
    message,
  );
  if (token?.[1] === undefined || token[3] === undefined) return 0;
  // The engine quotes ten characters before the position, or all there are.
  const offsets = token[2] === undefined ? [...Array(token[3].length).keys()].slice(0, 11) : [10];
  for (let from = text.indexOf(token[3]); from >= 0; from = text.indexOf(token[3], from + 1))
    for (const offset of offsets)
      if (text.startsWith(token[1], from + offset) && breaksAt(text, from + offset)) return from + offset;
  return 0;
}

/** Whether this character is what no JSON could have here. */
function breaksAt(text: string, at: number): boolean {
  try {
    JSON.parse(text.slice(0, at + 1));
    return false;
  } catch (thrown) {
    return messageOf(thrown).startsWith('Unexpected token');
  }
}

function describe(text: string, at: number): string {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  const place = `line ${line}, column ${column}`;
  if (at >= text.trimEnd().length) return `it ends too early (${place})`;
  const near = text.slice(Math.max(0, at - AROUND), at + AROUND).replace(/\s+/g, ' ');
  return `unexpected ${JSON.stringify([...text.slice(at)][0] ?? '')} at ${place}, near ${JSON.stringify(near)}`;
}
