// Takes a repository out of supervisor.toml. Everything else people wrote in it, comments included, stays as it is.

import { resolve } from 'node:path';
import { parse } from 'smol-toml';

/** A `[[repos]]` block of the file, as far as it can be read on its own. */
interface Block {
  /** The first line, and the one after the last that belongs to it. */
  readonly from: number;
  readonly to: number;
  readonly path: string | null;
}

/**
 * The text without the `[[repos]]` blocks whose path means this folder, and how many these were. `home` stands for `~`,
 * `base` is what relative paths start from.
 */
export function withoutRepo(
  text: string,
  folder: string,
  { home, base }: { readonly home: string; readonly base: string },
): { readonly text: string; readonly removed: number } {
  const lines = text.split('\n');
  const blocks = blocksOf(lines).filter(
    ({ path }) => path !== null && resolve(base, path.replace(/^~(?=\/|$)/, home)) === folder,
  );
  for (const { from, to } of blocks.toReversed()) {
    // The blank line in front goes with it, so that none pile up.
    const start = from > 0 && lines[from - 1]?.trim() === '' ? from - 1 : from;
    lines.splice(start, to - start);
  }
  return { text: lines.join('\n'), removed: blocks.length };
}

function blocksOf(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  for (let from = 0; from < lines.length; from++) {
    if (!/^\s*\[\[\s*repos\s*\]\]/.test(lines[from] ?? '')) continue;
    let end = from + 1;
    while (end < lines.length && !/^\s*\[/.test(lines[end] ?? '')) end++;
    // A list over several lines has lines that begin like a table: then the block is not plain to see and stays.
    let to = end;
    while (to > from + 1 && /^\s*(?:#.*)?$/.test(lines[to - 1] ?? '')) to--;
    blocks.push({ from, to, path: pathIn(lines.slice(from, to).join('\n')) });
  }
  return blocks;
}

function pathIn(block: string): string | null {
  try {
    const { repos } = parse(block) as { repos?: readonly { path?: unknown }[] };
    const path = repos?.[0]?.path;
    return typeof path === 'string' ? path : null;
  } catch {
    // Not plain to see: its owner edits it by hand.
    return null;
  }
}
