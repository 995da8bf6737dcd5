// Removes the folder of an agent that finished long ago. Only a real folder directly in the graph's own agents/,
// without recent writes: graphs are shared with other programs, and what a repository links elsewhere is not ours.

import { lstat, readdir, realpath, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf, systemCode } from '../domain/errors.ts';
import type { GraphPath } from '../domain/ids.ts';

export type FolderRemoval =
  | { readonly kind: 'removed' }
  | { readonly kind: 'gone' }
  /** It stays, and is left to its owner. */
  | { readonly kind: 'kept'; readonly because: string };

/**
 * Removes `<graph>/agents/agent-N` with its content, unless something in it changed after `quietSince` (ms). Never
 * rejects.
 */
export async function removeAgentFolder(
  graph: GraphPath,
  folder: string,
  quietSince: number,
): Promise<FolderRemoval> {
  const kept = (because: string): FolderRemoval => ({ kind: 'kept', because });
  const name = basename(folder);
  if (!/^agent-\d+$/.test(name) || folder !== join(graph, 'agents', name))
    return kept(`${folder} is not an agent's folder in ${graph}`);
  try {
    const real = await realpath(folder);
    if (real !== join(await realpath(graph), 'agents', name)) return kept(`${folder} is a link to ${real}`);
    if ((await newestChange(folder)) >= quietSince) return kept(`${folder} was written to since`);
    await rm(folder, { recursive: true });
    return { kind: 'removed' };
  } catch (thrown) {
    const code = systemCode(thrown);
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'gone' };
    return kept(`${folder} could not be removed: ${messageOf(thrown)}`);
  }
}

/** When the folder or something directly in it was last written, ms. */
async function newestChange(folder: string): Promise<number> {
  const inside = (await readdir(folder)).map((name) => join(folder, name));
  const changes = await Promise.all([folder, ...inside].map(async (path) => (await lstat(path)).mtimeMs));
  return Math.max(...changes);
}
