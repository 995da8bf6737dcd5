// `supervisor completion SHELL`, and the hidden `__complete` that its script asks at every press of the tab key.

import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { readText } from '../../platform/regular-file.ts';
import { wantedAfter } from '../complete/candidates.ts';
import { completionScript, type Shell } from '../complete/scripts.ts';
import { isOfferable, shellWords } from '../complete/shell-words.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';

/** Prints the script. */
export async function completion(context: Context, shell: Shell): Promise<number> {
  context.out(completionScript(shell));
  return 0;
}

/** A graph larger than this is not read for a key press, bytes. */
const MAX_GRAPH_BYTES = 64 * 1024 * 1024;
const MOST = 1_000;

/** Prints what could come next, one per line. Nothing, rather than an error, where that cannot be said. */
export async function complete(
  context: Context,
  program: Command,
  shell: string,
  given: readonly string[],
): Promise<number> {
  const words = shell === 'bash' ? shellWords(given[0] ?? '') : [...given];
  words.shift();
  const typed = words.at(-1) ?? '';
  const wanted = wantedAfter(program, words);
  let found: readonly string[] = [];
  if (wanted.kind === 'words') found = wanted.words;
  if (wanted.kind === 'tasks') found = (await taskIds(context, typed)).filter(isOfferable);
  const cut = shell === 'bash' ? brokenAt(typed, given[1] ?? '') : 0;
  for (const each of [...new Set(found)].filter((one) => one.startsWith(typed)).slice(0, MOST))
    context.out(`${each.slice(cut)}\n`);
  return 0;
}

/** bash completes only what follows the last of its word breaks, such as the colon. */
function brokenAt(typed: string, breaks: string): number {
  return Math.max(
    ...[...':=@'].filter((char) => breaks.includes(char)).map((char) => typed.lastIndexOf(char) + 1),
    0,
  );
}

/** Of the graph around the current folder, straight from its file: it must be quick. Elsewhere of the supervisor. */
async function taskIds(context: Context, typed: string): Promise<readonly string[]> {
  try {
    for (let at = context.cwd; ; at = dirname(at)) {
      for (const name of ['.workgraph', '.wg']) {
        const file = join(at, name, 'graph.jsonl');
        const text = await readText(file, { maxBytes: MAX_GRAPH_BYTES });
        if (text !== null) return idsIn(text);
      }
      if (at === dirname(at)) break;
    }
    const client = await connect(context);
    if (client === null) return [];
    try {
      return await client.ids(typed);
    } finally {
      client.close();
    }
  } catch {
    // A key press is no place for errors; the command itself tells them.
    return [];
  }
}

function idsIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{') || !line.includes('"id"')) return [];
    try {
      const { id, kind } = JSON.parse(line) as { id?: unknown; kind?: unknown };
      return typeof id === 'string' && (kind === undefined || kind === 'task') && !id.startsWith('.')
        ? [id]
        : [];
    } catch {
      // A torn line.
      return [];
    }
  });
}
