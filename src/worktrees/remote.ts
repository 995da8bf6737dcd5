// Where a repository can be fetched from, for agents on other machines. Read from git's own file rather than by
// running git, because every dispatch needs it. Knows nothing of graphs.

import { join } from 'node:path';
import { GIT_FILE_MAX_BYTES } from '../domain/graph-files.ts';
import { readTextNow } from '../platform/regular-file.ts';

/**
 * The URL of `origin`, else of the first remote, in the repository with this common git dir; http URLs without user
 * and password, as it is passed on. Null if there is none, or it is unreadable.
 */
export function remoteOf(commonDir: string): string | null {
  let text: string;
  try {
    text = readTextNow(join(commonDir, 'config'), { maxBytes: GIT_FILE_MAX_BYTES, links: 'follow' }) ?? '';
  } catch {
    // Inaccessible, or no configuration at all: then it is unknown.
    return null;
  }
  const urls = remotes(text);
  const url = urls.get('origin') ?? [...urls.values()][0];
  return url === undefined ? null : withoutCredentials(url);
}

/** Names of remotes to their first URL, in file order. */
function remotes(text: string): Map<string, string> {
  const urls = new Map<string, string>();
  let remote: string | null = null;
  for (const line of text.split('\n')) {
    const header = /^\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/.exec(line);
    if (header) remote = header[1]?.toLowerCase() === 'remote' ? unescaped(header[2] ?? '') : null;
    const value = /^\s*(?:\[[^\]]*\]\s*)?url\s*=\s*(.*)$/i.exec(line)?.[1];
    if (remote === null || value === undefined || urls.has(remote)) continue;
    const written = /^"((?:[^"\\]|\\.)*)"/.exec(value)?.[1] ?? value.replace(/\s+[#;].*$/, '').trim();
    if (written !== '') urls.set(remote, unescaped(written));
  }
  return urls;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}

function withoutCredentials(url: string): string {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return url;
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  return parsed.href;
}
