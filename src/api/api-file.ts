// `<state>/api.json`: where a running supervisor can be reached, for commands and for programs of the same user.

import { open, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCode } from '../domain/errors.ts';

/** The content of api.json. Public: other programs read it. */
export interface ApiFile {
  readonly pid: number;
  /** Path of the unix socket. */
  readonly socket: string;
  /** `http://127.0.0.1:PORT`, null unless TCP is on. */
  readonly url: string | null;
  /** The operator's token, for TCP; the socket needs none. */
  readonly token: string;
  /** A successor is about to answer: callers wait for it longer than for a supervisor that may hang. */
  readonly restarting?: boolean;
}

/** Writes the file, readable by this user alone; a reader sees the old or the new one, never a part. */
export async function writeApiFile(path: string, content: ApiFile): Promise<void> {
  const draft = `${path}.${content.pid}.tmp`;
  await rm(draft, { force: true });
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(content)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

/** The content of the file, null if it does not exist or is unusable. */
export async function readApiFile(path: string): Promise<ApiFile | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return null;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isApiFile(value) ? value : null;
  } catch {
    // Torn or foreign: not written by a running supervisor.
    return null;
  }
}

/** Removes the file if it is still the one that was written with this token. */
export async function removeApiFile(path: string, token: string): Promise<void> {
  if ((await readApiFile(path))?.token !== token) return;
  try {
    await unlink(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

function isApiFile(value: unknown): value is ApiFile {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, socket, url, token, restarting } = value as Record<string, unknown>;
  return (
    typeof pid === 'number' &&
    typeof socket === 'string' &&
    (url === null || typeof url === 'string') &&
    typeof token === 'string' &&
    (restarting === undefined || typeof restarting === 'boolean')
  );
}

/** The last TCP port, kept beside api.json; null if there was none. */
export async function lastPort(apiFile: string | undefined): Promise<number | null> {
  if (apiFile === undefined) return null;
  const text = await readFile(portFile(apiFile), 'utf8').catch((thrown: unknown) => {
    if (systemCode(thrown) === 'ENOENT') return '';
    throw thrown;
  });
  const port = /^\d{1,5}\n?$/.test(text) ? Number(text) : 0;
  return port >= 1024 && port <= 65535 ? port : null;
}

/** Stores the TCP port for the next start: running agents have URLs with it. */
export async function keepPort(apiFile: string | undefined, port: number): Promise<void> {
  if (apiFile !== undefined) await writeFile(portFile(apiFile), `${port}\n`, { mode: 0o600 });
}

function portFile(apiFile: string): string {
  return join(dirname(apiFile), 'api.port');
}
