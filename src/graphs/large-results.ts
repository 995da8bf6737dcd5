// Results that are too large for a task's line go into a file of the graph's folder, and the line names the file:
// every tool reads the whole graph, and a megabyte in one line is a megabyte in each reading. Such files stay as long
// as their graph does; the output of runs does not.

import { createHash } from 'node:crypto';
import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { artifactStrings } from '../decide/settle.ts';
import { SupervisorError, systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';
import type { Failed, Succeeded } from '../domain/outcome.ts';
import { makeWithin } from '../wg/folder-within.ts';

/** The part of a result that may be in the task's own line, bytes. */
const MAX_INLINE_BYTES = 64 * 1024;

/** Members and elements from this size on are moved to files, bytes. */
const LARGE_PART_BYTES = 8 * 1024;

/** A file that replaces a part of a result. */
interface ResultFile {
  /** Its path relative to the worktree. */
  readonly file: string;
  readonly bytes: number;
}

/** The folder of such files in a graph's folder. */
const FOLDER = 'results';

/**
 * The artifacts as they go into the graph; the very same value if it is small. Of large ones the large members and
 * elements, or the whole, are moved to files; if none can be written, they stay. The same value gets the same file: a
 * repeated report writes nothing new.
 */
export async function keepLarge(artifacts: unknown, graph: GraphPath): Promise<unknown> {
  if (isSmall(artifacts)) return artifacts;
  try {
    const parted = await withPartsKept(artifacts, graph);
    return isSmall(parted) ? parted : await kept(artifacts, graph);
  } catch (thrown) {
    // A full disk, a read-only folder: a long line is better than a lost result.
    if (systemCode(thrown) === undefined && !(thrown instanceof SupervisorError)) throw thrown;
    return artifacts;
  }
}

/** An outcome whose artifacts may go into the graph. */
export async function keepLargeOf<T extends Succeeded | Failed>(outcome: T, graph: GraphPath): Promise<T> {
  if (outcome.kind !== 'succeeded' || outcome.artifacts === undefined) return outcome;
  const artifacts = await keepLarge(outcome.artifacts, graph);
  return artifacts === outcome.artifacts ? outcome : { ...outcome, artifacts };
}

function isSmall(artifacts: unknown): boolean {
  let bytes = 0;
  for (const text of artifactStrings(artifacts)) bytes += Buffer.byteLength(text);
  return bytes <= MAX_INLINE_BYTES;
}

async function withPartsKept(artifacts: unknown, graph: GraphPath): Promise<unknown> {
  const keepPart = async (part: unknown) =>
    sizeOf(part) > LARGE_PART_BYTES ? await kept(part, graph) : part;
  if (Array.isArray(artifacts)) {
    const parts: unknown[] = [];
    for (const part of artifacts) parts.push(await keepPart(part));
    return parts;
  }
  if (typeof artifacts !== 'object' || artifacts === null) return artifacts;
  const members: [string, unknown][] = [];
  for (const [name, part] of Object.entries(artifacts)) members.push([name, await keepPart(part)]);
  return Object.fromEntries(members);
}

function sizeOf(part: unknown): number {
  return Buffer.byteLength(typeof part === 'string' ? part : (JSON.stringify(part) ?? ''));
}

/** Durable before its name appears anywhere. */
async function kept(value: unknown, graph: GraphPath): Promise<ResultFile> {
  const isText = typeof value === 'string';
  const bytes = Buffer.from(isText ? value : JSON.stringify(value), 'utf8');
  const name = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const folder = join(graph, FOLDER);
  const file = join(folder, `result-${name}.${isText ? 'txt' : 'json'}`);
  makeWithin(graph, FOLDER);
  // A folder of its own: two may write the same file at once.
  const draftFolder = await mkdtemp(join(folder, '.draft-'));
  try {
    const draft = await open(join(draftFolder, 'draft'), 'wx', 0o600);
    try {
      await draft.writeFile(bytes);
      await draft.sync();
    } finally {
      await draft.close();
    }
    await rename(join(draftFolder, 'draft'), file);
  } finally {
    await rm(draftFolder, { recursive: true, force: true });
  }
  return { file: relative(dirname(graph), file), bytes: bytes.length };
}
