// wg's own config.toml of a graph, over the global one of its user (wg-rules 8.1): as documents, uninterpreted. A
// file that does not parse is skipped and reported, instead of being mistaken for defaults.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import { GRAPH_FILES } from '../domain/graph-files.ts';
import { readTextNow } from '../platform/regular-file.ts';
import { parseToml } from './toml.ts';

/** The documents, global first, and what is wrong with the skipped ones. */
export interface WgConfig {
  readonly documents: readonly Readonly<Record<string, unknown>>[];
  readonly problems: readonly string[];
}

/** Reads both. `home`: the user's home folder. */
export function readWgConfig(graph: string, home: string): WgConfig {
  const global = ['.wg', '.workgraph']
    .map((name) => join(home, name))
    .find((folder) => statSync(folder, { throwIfNoEntry: false })?.isDirectory());
  const files = [...(global === undefined || global === graph ? [] : [global]), graph];
  const documents: Record<string, unknown>[] = [];
  const problems: string[] = [];
  for (const folder of files) {
    const file = join(folder, 'config.toml');
    try {
      const text = readTextNow(file, GRAPH_FILES.config);
      // Absent in most graphs: wg's defaults.
      if (text === null) continue;
      const toml = parseToml(text);
      if (toml.ok) documents.push(toml.document);
      else problems.push(`${file}${toml.line === null ? '' : ` line ${toml.line}`}: ${toml.message}`);
    } catch (thrown) {
      problems.push(`${file}: ${messageOf(thrown)}`);
    }
  }
  return { documents, problems };
}
