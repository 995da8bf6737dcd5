// The other repositories that a graph refers to by name: federation.yaml (wg-rules 4.6). Reads the two shapes that wg
// writes, and plain paths; opens no graph.

import { statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import type { GraphPath } from '../domain/ids.ts';
import { readTextNow } from '../platform/regular-file.ts';
import { unquoted } from './evaluations.ts';

/** The halves of a dependency `peer:task`; null for an id without a peer. */
export function peerReference(id: string): { readonly peer: string; readonly task: string } | null {
  const colon = id.indexOf(':');
  if (colon <= 0 || colon === id.length - 1) return null;
  return { peer: id.slice(0, colon), task: id.slice(colon + 1) };
}

/** The real path of a peer's graph folder, or null if it is unknown or does not exist. */
export async function peerGraph(graph: GraphPath, peer: string, home: string): Promise<GraphPath | null> {
  const place = readPeers(graph).get(peer) ?? (peer.includes('/') ? peer : null);
  if (place === null) return null;
  const expanded = place.startsWith('~/') ? join(home, place.slice(2)) : place;
  const folder = isAbsolute(expanded) ? expanded : resolve(dirname(graph), expanded);
  // wg itself accepts only the newer name; a peer of the older one would block for ever.
  for (const name of ['.wg', '.workgraph', '']) {
    const candidate = join(folder, name);
    if (statSync(join(candidate, 'graph.jsonl'), { throwIfNoEntry: false })?.isFile())
      return await realpath(candidate);
  }
  return null;
}

/** Peer name → path as written. Empty if there is no readable file. */
export function readPeers(graph: GraphPath): ReadonlyMap<string, string> {
  try {
    // No file is the usual case: no federation.
    return parsePeers(readTextNow(join(graph, GRAPH_FILES.federation.path), GRAPH_FILES.federation) ?? '');
  } catch {
    // Unreadable: tasks that wait for a peer keep waiting.
    return new Map();
  }
}

/** The `peers` of a federation.yaml: `name:` with an indented `path:`, or `name: {path: …}`. */
export function parsePeers(text: string): ReadonlyMap<string, string> {
  const peers = new Map<string, string>();
  let inPeers = false;
  let depth = 0;
  let name: string | null = null;
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/\s+#.*$/, '').trimEnd();
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const indent = line.length - line.trimStart().length;
    const match = /^\s*("[^"]+"|'[^']+'|[^\s:'"][^:]*?)\s*:(?:\s+(.*))?$/.exec(line);
    if (!match) continue;
    const [, key = '', value = ''] = match;
    if (indent === 0) {
      inPeers = unquoted(key) === 'peers';
      depth = 0;
      name = null;
    } else if (inPeers && (depth === 0 || indent <= depth)) {
      depth = indent;
      name = unquoted(key);
      const inline = /^\{.*?\bpath\s*:\s*("[^"]*"|'[^']*'|[^,}]+)/.exec(value);
      if (inline?.[1]) peers.set(name, unquoted(inline[1].trim()));
    } else if (inPeers && name !== null && unquoted(key) === 'path' && value !== '') {
      peers.set(name, unquoted(value));
    }
  }
  return peers;
}
