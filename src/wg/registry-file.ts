// service/registry.json as bytes: reads it by wg's rules, and replaces it atomically. Who may write when, and what,
// is in registry.ts.

import { type BigIntStats, closeSync, constants, fstatSync, lstatSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SupervisorError, systemCode } from '../domain/errors.ts';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';
import { openNow, readTextNow } from '../platform/regular-file.ts';
import { wellFormed, wellFormedValue } from './well-formed.ts';

/** Every status that wg accepts; with any other it cannot read the registry. */
export const AGENT_STATUSES = [
  'starting',
  'working',
  'idle',
  'stopping',
  'parked',
  'frozen',
  'done',
  'failed',
  'dead',
] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

/** One agent as the registry has it; unknown keys are kept. */
export interface RegistryEntry {
  readonly id: string;
  readonly pid: number;
  readonly task_id: string;
  readonly executor: string;
  readonly started_at: string;
  readonly last_heartbeat: string;
  readonly status: AgentStatus;
  readonly output_file: string;
  readonly completed_at?: string | null;
  readonly worktree_path?: string | null;
}

export interface RegistryContent {
  readonly agents: Readonly<Record<string, RegistryEntry>>;
  readonly next_agent_id: number;
}

const U32_MAX = 2 ** 32 - 1;

export function registryPath(graph: GraphPath): string {
  return join(graph, 'service', 'registry.json');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isU32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= U32_MAX;
}

function problemOf(value: unknown): string | null {
  if (!isObject(value)) return 'it is not an object';
  if (!isObject(value.agents)) return 'the key agents is missing';
  if (!isU32(value.next_agent_id)) return 'the key next_agent_id is missing or no counter';
  for (const [id, entry] of Object.entries(value.agents)) {
    if (!isObject(entry)) return `agent ${id} is not an object`;
    for (const key of ['id', 'task_id', 'executor', 'started_at', 'last_heartbeat', 'status', 'output_file'])
      if (typeof entry[key] !== 'string') return `agent ${id} has no ${key}`;
    if (!isU32(entry.pid)) return `agent ${id} has no pid`;
    if (!AGENT_STATUSES.some((status) => status === entry.status))
      return `agent ${id} has the unknown status ${String(entry.status)}`;
  }
  return null;
}

/** The registry of a graph, or null if it has none. Throws `graph` for an unreadable one. */
export function readRegistry(graph: GraphPath): RegistryContent | null {
  const path = registryPath(graph);
  let text: string | null;
  try {
    text = readTextNow(path, GRAPH_FILES.registry);
  } catch (thrown) {
    throw unusable(path, messageOf(thrown), thrown);
  }
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw unusable(path, messageOf(thrown), thrown);
  }
  const problem = problemOf(value);
  if (problem !== null) throw unusable(path, problem);
  return value as RegistryContent;
}

/** Replacing it by an empty one would reuse agent numbers, so it is left to a person. */
function unusable(path: string, why: string, cause?: unknown): SupervisorError {
  return new SupervisorError('graph', `The agent registry ${path} cannot be used: ${why}.`, {
    hint: `Repair ${path}, or move it away if no agent of this graph is running: numbering then continues above agents/.`,
    cause,
    details: { path },
  });
}

/**
 * Identifies the state of the registry's file; null if there is none, or it is inaccessible. Opened for that: on a
 * network file system a plain stat may be seconds old.
 */
export function registryPrint(graph: GraphPath): string | null {
  const found = registryStats(graph);
  return found && printOf(found);
}

function printOf({ dev, ino, mtimeNs, ctimeNs, size }: BigIntStats): string {
  return `${dev}:${ino}:${mtimeNs}:${ctimeNs}:${size}`;
}

function registryStats(graph: GraphPath): BigIntStats | null {
  let fd: number | null = null;
  try {
    fd = openNow(registryPath(graph), constants.O_RDONLY);
    return fd === null ? null : fstatSync(fd, { bigint: true });
  } catch {
    // Reading it will report why.
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** The text of each entry, as long as the entry is the same object: most recur in every rewrite. */
export type EntryTexts = WeakMap<RegistryEntry, string>;

/**
 * Replaces the registry whole: temporary file of wg's fixed name, fsync, rename. Only call under `.registry.lock`,
 * which makes the fixed name safe. The mode of the old file is kept. Resolves with the new state; null: a program
 * without the lock has written since.
 */
export async function writeRegistry(
  graph: GraphPath,
  content: RegistryContent,
  texts: EntryTexts,
): Promise<string | null> {
  const path = registryPath(graph);
  const temporary = join(graph, 'service', '.registry.json.tmp');
  try {
    let made: BigIntStats;
    const handle = await openNew(temporary);
    try {
      const mode = modeOf(path);
      if (mode !== null) await handle.chmod(mode);
      await handle.writeFile(textOf(content, texts));
      await handle.sync();
      made = await handle.stat({ bigint: true });
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    const now = registryStats(graph);
    const isOurs = now?.ino === made.ino && now.mtimeNs === made.mtimeNs && now.size === made.size;
    return isOurs ? printOf(now) : null;
  } catch (thrown) {
    try {
      await rm(temporary, { force: true });
    } catch {
      // The first error is the one to report; the next write removes the remains.
    }
    throw new SupervisorError(
      'graph',
      `The agent registry ${path} could not be written: ${messageOf(thrown)}.`,
      {
        hint: 'Check the disk and the permissions of the graph folder; nothing was changed.',
        cause: thrown,
        details: { path },
      },
    );
  }
}

async function openNew(path: string) {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  try {
    return await open(path, flags, 0o666);
  } catch (thrown) {
    if (systemCode(thrown) !== 'EEXIST') throw thrown;
    // Left by a crash; removed rather than opened, so that a link in its place is not followed.
    await rm(path, { force: true });
    return await open(path, flags, 0o666);
  }
}

/** The registry in wg's format, indented by two. */
function textOf({ agents, ...rest }: RegistryContent, texts: EntryTexts): string {
  const lines = Object.entries(agents).map(([id, entry]) => {
    let text = texts.get(entry);
    if (text === undefined) {
      text = JSON.stringify(entry, wellFormedValue, 2).replaceAll('\n', '\n    ');
      texts.set(entry, text);
    }
    return `    ${JSON.stringify(wellFormed(id))}: ${text}`;
  });
  const more = JSON.stringify(rest, wellFormedValue, 2).slice(2);
  return `{\n  "agents": {${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n  `}},\n${more}`;
}

function modeOf(path: string): number | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() ? found.mode & 0o7777 : null;
}
